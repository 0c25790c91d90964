"""From configuration to a cohort in which every image was opened once and every input error was raised."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.tensors import open_array
from ..images.archives import FolderArchive
from ..images.ingest import ingest
from ..images.preprocess import PreprocessConfig
from ..images.store import ImageStore
from ..layouts.config import CohortConfig, Splits
from ..layouts.labels import doubts
from ..layouts.listing import LISTED_LABELS, Listing, Problems, Record, Refusal
from ..layouts.options import idle_window, label_options, place, refuse_idle_window, refuse_unused
from ..layouts.read import read_listing
from ..layouts.subjects import UNKNOWN
from .inspect.duplicates import Duplicates, find_duplicates
from .inspect.name_checks import inspect_names
from .inspect.subject_checks import subject_from, suspect_subjects
from .inspect.understanding import SELECTION, Facts, Understanding, counted, understand
from .splits import SplitResult, resolve_splits
from .table import HALVES, SPLITS, Cohort

if TYPE_CHECKING:
    import pandas as pd

FEW_OF_A_LABEL = 5
"""Mean subjects of a label below which it is the labels that leave splits empty."""
ENOUGH_FOR_ANY = 20
"""Subjects that fill every split where the labels are few."""
ENOUGH_OF_A_LABEL = 10
"""Subjects of a label that reach every part, the halves of val too, by the default splits."""
HINTS = {
    "no-subject": "give --subject a pattern that finds the person in the path",
    UNKNOWN: "name who is on them in another column (--subject-column), or with a pattern in the path (--subject)",
    "no-label": "take the label from elsewhere with --label-from",
    "label-missing": "say with --missing how blank labels are read",
    "label-uncertain": "say with --uncertain how labels of -1 are read",
}
"""How to mend an input of which everything is refused for such a reason."""
SOON_READ = 1000
"""Images that are decoded before anybody waits."""
MORE_PEOPLE = "add images of more people, or correct --subject if it joins people"
ONE_SUBJECT = ("All images show one subject; a split needs several", MORE_PEOPLE)
# a label absent here could neither be learned, nor calibrated, nor tested
LABELLED_PARTS = {"train": "train", "val-calibration": "val (its calibration half)", "test": "test"}


@dataclass(frozen=True)
class Needs:
    """What the study will ask of the cohort: a one-sided bound of the gate's miss rate, at a confidence."""

    miss_upper: float = 0.01
    confidence: float = 0.95


def read_cohort(
    config: CohortConfig,
    seed: int,
    base: Path = Path("."),
    *,
    codec: PreprocessConfig | None = None,
    store: Path | None = None,
    workers: int = 0,
    needs: Needs | None = None,
    named: Collection[str] | None = None,
) -> tuple[Cohort, list[Refusal], Understanding]:
    """As `read_with_texts`, without the texts."""
    cohort, quarantine, found, _ = read_with_texts(
        config, seed, base, codec=codec, store=store, workers=workers, needs=needs, named=named
    )
    return cohort, quarantine, found


def read_with_texts(
    config: CohortConfig,
    seed: int,
    base: Path = Path("."),
    *,
    codec: PreprocessConfig | None = None,
    store: Path | None = None,
    workers: int = 0,
    needs: Needs | None = None,
    named: Collection[str] | None = None,
) -> tuple[Cohort, list[Refusal], Understanding, list[str] | None]:
    """Read the input completely: the cohort, the quarantine rows (path, reason, detail), what was understood, and the
    texts of the cohort's images, in their order (None without a text column).

    Relative paths of the configuration start at `base`. Images are prepared as `codec` says and kept in the folder
    `store` (absent: in a temporary one). Raises `InputError` for every fault of the input that DESIGN names. What was
    understood holds examples by path: for the owner's eyes, never for a release. `named` are the options that somebody
    gave (absent: the keys that `config` was made from; empty for a study.toml).
    """
    listing = read_listing(config, base, named)
    refuse_unused(config, listing.layout, named)
    where = place(config, listing.layout, str(base / config.images))
    _refuse_early(listing, config, seed, where)
    preprocessing = codec or PreprocessConfig()
    with ExitStack() as stack:
        folder = store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = config.decoding()
        images = ImageStore(folder, preprocessing, options)
        names = [record.image for record in listing.records]
        refuse_idle_window(config, names, listing.archive)
        facts = ingest(names, listing.archive, options, preprocessing, images, workers=workers)
        records, refusals = _sort_out(listing, facts)
        _refuse_nothing_left(records, refusals, where)
        splits = _split(records, config, seed, listing)
        idle = idle_window(config, [record.image for record in records], facts[facts["reason"] == ""])
        if idle:
            listing = replace(listing, notes=(*listing.notes, idle))
        left_out = {image for image, _, _ in splits.refused}
        stays = np.array([record.image not in left_out for record in records], dtype=bool)
        records = [record for record, stay in zip(records, stays, strict=True) if stay]
        facts = facts[facts["reason"] == ""][stays].reset_index(drop=True)
        cohort = _build_cohort(records, listing, facts, splits.split, seed)
        quarantine = sorted([*refusals, *splits.refused])
        read = len(listing.records) + len(listing.refused)
        if len(cohort) + len(quarantine) != read:
            raise AssertionError(f"{read} images read, {len(cohort)} kept and {len(quarantine)} quarantined")
        check_cohort(cohort, where, quarantine, _fractions(config, listing), listing.layout)
        contents = cohort.table["sha256"].tolist()
        images.assemble(contents, 3 if cohort.colour else 1)
        duplicates = find_duplicates(open_array(folder / "images.npy"), cohort.subjects, contents)
    found = _understand(config, listing, cohort, quarantine, facts, splits, duplicates, needs or Needs(), preprocessing)
    texts = None if config.text_column is None else [record.text or "" for record in records]
    return cohort, quarantine, found, texts


def _refuse_early(listing: Listing, config: CohortConfig, seed: int, where: str) -> None:
    """What no decoding can mend is refused before hours of it, not after."""
    _split(listing.records, config, seed, listing)
    if len(listing.records) < SOON_READ:
        return  # the files may have more to say
    problems = Problems(where)
    if len({record.subject for record in listing.records}) == 1:
        problems.add(*ONE_SUBJECT)
    elif listing.records and len(found := {label for record in listing.records for label in record.labels}) < 2:
        problems.add(*_few_labels(sorted(found), listing.layout))
    problems.raise_any()


def _sort_out(listing: Listing, facts: pd.DataFrame) -> tuple[list[Record], list[Refusal]]:
    """The records whose image can be used, and the rows of quarantine.csv of all others."""
    kept: list[Record] = []
    refusals = list(listing.refused)
    for record, reason, detail in zip(listing.records, facts["reason"], facts["detail"], strict=True):
        if reason:
            refusals.append((record.image, reason, detail))
        else:
            kept.append(record)
    return kept, refusals


def _understand(
    config: CohortConfig,
    listing: Listing,
    cohort: Cohort,
    quarantine: Sequence[Refusal],
    facts: pd.DataFrame,
    splits: SplitResult,
    duplicates: Duplicates,
    needs: Needs,
    preprocessing: PreprocessConfig,
) -> Understanding:
    suspicions = suspect_subjects(config, listing, cohort, quarantine)
    return understand(
        cohort,
        Facts(*(facts[name].to_numpy(dtype=np.int64) for name in ("height", "width", "bits", "channels"))),
        quarantine,
        layout=listing.layout,
        subject_from=subject_from(config, listing.layout),
        suspicions=suspicions.warnings,
        suspected=suspicions.examples,
        # a policy may ask for nothing (1) or for the impossible (0)
        miss_bound=min(max(needs.miss_upper, 1e-6), 0.999),
        confidence=needs.confidence,
        fractions=_fractions(config, listing),
        duplicates=duplicates,
        names=inspect_names(cohort.table["image"].tolist(), cohort.classes),
        text=facts["text"].to_numpy(dtype=np.float64),
        picture_notes=Counter(note for notes in facts["notes"] for note in notes.split("|") if note),
        conflicts=((splits.counts or {}).get("conflicts", 0), f"resolved as {config.split_conflict or 'train'}"),
        notes=[*listing.notes, *suspicions.notes, *splits.notes, *_unread(listing)],
        ignored=listing.ignored,
        preprocessing=preprocessing,
        colour=cohort.colour,
    )


def check_cohort(
    cohort: Cohort,
    where: str,
    quarantine: Sequence[Refusal] = (),
    fractions: Mapping[str, float] | None = None,
    layout: str = "",
) -> None:
    """Raise one `InputError` for too few subjects, too few labels, and labels absent from a part that needs them.

    It also counts what lies in `quarantine`, for then no quarantine.csv says why so little is left. `fractions` are
    those of the splits where they were drawn: they tell how many subjects would do.
    """
    problems = Problems(where)
    if problems_of_cohort(cohort, problems, fractions, layout):
        for what, how in doubts(cohort.classes):
            problems.add(what, how)
        _say_what_is_lost(quarantine, len(cohort) + len(quarantine), problems)
    problems.raise_any()


def _say_what_is_lost(quarantine: Sequence[Refusal], read: int, problems: Problems) -> None:
    """Count the images that cannot be used, and apart from them those that the options leave out, which are sound."""
    chosen = [row for row in quarantine if row[1] in SELECTION]
    spoiled = [row for row in quarantine if row[1] not in SELECTION]
    if spoiled:
        problems.add(f"{len(spoiled)} of {read} images cannot be used ({_reasons(spoiled)})", "check these files")
    if chosen:
        hints = [HINTS[reason] for reason in dict.fromkeys(reason for _, reason, _ in chosen) if reason in HINTS]
        how = "; ".join(hints) or "widen what is selected"
        problems.add(f"{len(chosen)} of {read} images are left out as the options say ({_reasons(chosen)})", how)


def problems_of_cohort(
    cohort: Cohort, problems: Problems, fractions: Mapping[str, float] | None = None, layout: str = ""
) -> bool:
    """Note what is wrong with a cohort; whether anything is. `fractions` as in `check_cohort`."""
    table = cohort.table
    subjects = table["subject"].nunique()
    if subjects == 1:
        problems.add(*ONE_SUBJECT)
        return True
    per_split = table.groupby("split")["subject"].nunique()
    needed = {split: 2 if any(split == whole for whole, _ in HALVES.values()) else 1 for split in SPLITS}
    short = "; ".join(
        f"{split} has {per_split.get(split, 0)}, needs {n}"
        for split, n in needed.items()
        if per_split.get(split, 0) < n
    )
    if short and _labels_are_to_blame(cohort, subjects):
        problems.add(*_many_labels(cohort, subjects, short, layout))
    elif short:
        problems.add(f"{subjects} subjects are too few for the splits ({short})", _more_people(cohort, fractions))
    if len(cohort.classes) < 2:
        problems.add(*_few_labels(cohort.classes, layout))
    elif not short:
        _check_labels_everywhere(cohort, problems, layout)
    return bool(problems)


def _labels_are_to_blame(cohort: Cohort, subjects: int) -> bool:
    """Whether splits are empty because of the labels: subjects are divided label by label."""
    labels = len(cohort.classes)
    return labels > 2 and (_named_like_subjects(cohort) or ENOUGH_FOR_ANY <= subjects < FEW_OF_A_LABEL * labels)


def _named_like_subjects(cohort: Cohort) -> bool:
    """Whether most labels are names of subjects."""
    people = set(cohort.subjects)
    return sum(label in people for label in cohort.classes) * 2 > len(cohort.classes)


def _many_labels(cohort: Cohort, subjects: int, short: str, layout: str) -> tuple[str, str]:
    what = f"There are {len(cohort.classes)} labels (among them {cohort.classes[0]!r}) for {subjects} subjects"
    what += ", and they are names of subjects" if _named_like_subjects(cohort) else ""
    how = f"check {_where_labels_are(layout)}: what is no label may have been taken for one"
    return f"{what}: too many for the splits, which are drawn label by label ({short})", how


def _more_people(cohort: Cohort, fractions: Mapping[str, float] | None) -> str:
    """The mend of a cohort with too few subjects: how many would do where the default splits are drawn."""
    if fractions != Splits().model_dump():
        return MORE_PEOPLE
    labels = len(cohort.classes)
    enough = max(ENOUGH_FOR_ANY, ENOUGH_OF_A_LABEL * labels)
    return f"{MORE_PEOPLE}; about {enough} subjects would do, {ENOUGH_OF_A_LABEL} or more with each label"


def _few_labels(labels: Sequence[str], layout: str) -> tuple[str, str]:
    return (
        f"There are fewer than two labels ({', '.join(labels) or 'none'})",
        f"check {_where_labels_are(layout)}; utility is measured between labels",
    )


def _where_labels_are(layout: str) -> str:
    return label_options(layout) if layout else "--label-from or --label-column"


def _check_labels_everywhere(cohort: Cohort, problems: Problems, layout: str) -> None:
    targets = cohort.targets
    for part, title in LABELLED_PARTS.items():
        absent = np.flatnonzero(targets[cohort.rows(part)].sum(axis=0) == 0)
        for column in absent[:LISTED_LABELS]:
            owners = cohort.table["subject"][targets[:, column] > 0].nunique()
            problems.add(
                f"The label {cohort.classes[column]!r} ({counted(owners, 'subject')}) does not occur in {title}",
                "add subjects with that label, join it with another label, or leave its images out",
            )
        if len(absent) > LISTED_LABELS:
            problems.add(
                f"Nor do {len(absent) - LISTED_LABELS} more of {len(cohort.classes)} labels",
                f"check {_where_labels_are(layout)} if these are no labels",
            )


def _refuse_nothing_left(kept: Sequence[Any], quarantine: Sequence[Refusal], where: str) -> None:
    if kept:
        return
    if not quarantine:
        raise InputError("The input lists no images", where=where, how="name an input with images")
    reasons = Counter(reason for _, reason, _ in quarantine)
    if set(reasons) == {"missing"}:
        listed = f"None of the {len(quarantine)} images that are listed exists"
        listed = listed if len(quarantine) > 1 else "The one image that is listed does not exist"
        raise InputError(
            f"{listed} (for example {quarantine[0][0]!r})",
            where=where,
            how="name the folder or zip that their paths are relative to with --root",
        )
    how = "; ".join(HINTS[reason] for reason in reasons if reason in HINTS) or "check the files"
    raise InputError(f"No image can be used ({_reasons(quarantine)})", where=where, how=how)


def _reasons(quarantine: Sequence[Refusal]) -> str:
    """How many images were refused for which reason, and one of them."""
    counts = Counter(reason for _, reason, _ in quarantine)
    found = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    name, _, detail = quarantine[0]
    return f"{found}; for example {name!r}: {detail}"


def _split(records: Sequence[Record], config: CohortConfig, seed: int, listing: Listing) -> SplitResult:
    try:
        return resolve_splits(records, config.splits, seed, config.split_conflict, official=listing.official)
    except InputError as error:
        raise InputError(error.what, where=place(config, listing.layout, error.where), how=error.how) from None


def _fractions(config: CohortConfig, listing: Listing) -> dict[str, float] | None:
    """The fractions that the splits were drawn by, or None where the parts have others: some were given, or filled with
    people of whom nobody labelled an image."""
    drawn = all(record.split is None and record.labelled for record in listing.records)
    return config.splits.model_dump() if drawn else None


def _build_cohort(
    records: Sequence[Record], listing: Listing, facts: pd.DataFrame, split: dict[str, str], seed: int
) -> Cohort:
    import pandas as pd

    labels = [list(record.labels) for record in records]
    occurring = {label for row in labels for label in row}
    table = pd.DataFrame(
        {
            "image": [record.image for record in records],
            "subject": [record.subject for record in records],
            "labels": labels,
            "split": [split[record.subject] for record in records],
            "sha256": facts["content"].tolist(),
        }
    )
    colour = int((facts["channels"] == 3).sum()) * 2 > len(records)
    unlabelled = frozenset(record.image for record in records if not record.labelled)
    return Cohort(table, tuple(name for name in listing.classes if name in occurring), seed, colour, unlabelled)


def _unread(listing: Listing) -> list[str]:
    """A sentence where links to folders lie in the input, which are not followed."""
    skipped = listing.archive.skipped if isinstance(listing.archive, FolderArchive) else ()
    if not skipped:
        return []
    were = "was" if len(skipped) == 1 else "were"
    return [f"{counted(len(skipped), 'link')} to folders {were} not followed (e.g. {skipped[0]!r})."]
