"""From configuration to a cohort in which every image was opened once and every input error was raised."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.tensors import open_array
from ..core.words import plural
from ..images.archives import FolderArchive
from ..images.burned_text import GLYPHS
from ..images.ingest import ingest
from ..images.other_pictures import find_others
from ..images.picture import DecodeOptions, split_name
from ..images.preprocess import PreprocessConfig
from ..images.reasons import Reason
from ..images.store import ImageStore
from ..images.text_reader import TextReading, evenly, read_texts, reader_at_hand
from ..images.text_use import Use
from ..layouts.config import CohortConfig
from ..layouts.listing import ListedImage, Listing, Problems, Refusal
from ..layouts.options import idle_window, place, refuse_idle_window, refuse_unused
from ..layouts.read import read_listing
from .checks import ONE_SUBJECT, check_cohort, few_labels
from .dealing import Dealing, divided, join
from .inspect.control_checks import suspect_control
from .inspect.copies import Duplicates
from .inspect.duplicates import find_duplicates
from .inspect.name_checks import inspect_names
from .inspect.picture_checks import FileForms
from .inspect.subject_checks import subject_from, suspect_subjects
from .inspect.understanding import Understanding, understand
from .refusals import naming_unopened, refuse_nothing_left
from .splits import SplitResult, resolve_splits
from .table import Cohort

if TYPE_CHECKING:
    import pandas as pd

SOON_READ = 1000
"""Images that are decoded before anybody waits."""


@dataclass(frozen=True)
class Needs:
    """What the study will ask of the cohort: a one-sided bound of the gate's miss rate, at a confidence."""

    miss_upper: float = 0.01
    confidence: float = 0.95


@dataclass(frozen=True)
class Reading:
    """What reading an input gives: the cohort, what was refused, what was understood, and the texts."""

    cohort: Cohort
    quarantine: list[Refusal]
    """Path, reason and detail of every refused image, sorted."""
    understanding: Understanding
    """With examples by path: for the owner's eyes, never for a release."""
    texts: list[str] | None
    """The texts of the cohort's images, in their order; None without a text column."""


@dataclass(frozen=True)
class _Kept:
    """The records that stay, facts of their images (rows in the same order), and what was refused."""

    listing: Listing
    records: list[ListedImage]
    facts: pd.DataFrame
    splits: SplitResult
    quarantine: list[Refusal]


def read(
    config: CohortConfig,
    seed: int,
    base: Path = Path("."),
    *,
    images: PreprocessConfig | None = None,
    store: Path | None = None,
    workers: int = 0,
    read_text: Use = "never",
    needs: Needs | None = None,
    named: Collection[str] | None = None,
) -> Reading:
    """Read the input completely, and open every image once.

    Relative paths of the configuration start at `base`. Images are prepared as `images` says and kept in the folder
    `store` (absent: in a temporary one). `named` are the options that somebody gave (absent: the keys that `config` was
    made from; empty for a study.toml). Raises `InputError` for every fault of the input: options that do not fit,
    nothing that can be read, too few subjects or labels for a study.
    """
    reader = reader_at_hand(read_text)
    listing = read_listing(config, base, named)
    refuse_unused(config, listing.layout, named)
    where = place(config, listing.layout, str(base / config.images))
    _refuse_early(listing, config, seed, where)
    preprocessing = images or PreprocessConfig()
    with ExitStack() as stack:
        stack.enter_context(naming_unopened(listing))
        folder = store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = config.decoding()
        prepared = ImageStore(folder, preprocessing, options)
        names = [record.image for record in listing.records]
        refuse_idle_window(config, names, listing.archive)
        facts = ingest(names, listing.archive, options, preprocessing, prepared, workers=workers)
        kept = _keep(listing, facts, config, seed, where)
        # what no copies can change is refused before they are looked for
        check_cohort(_build_cohort(kept, seed), where, kept.quarantine, _fractions(config, listing), listing.layout)
        duplicates = _find_copies(kept, prepared, folder)
        if duplicates.links:
            usable = [record.subject for record in kept.records]
            kept = _keep(listing, facts, config, seed, where, join(usable, duplicates.links))
            if len(kept.records) != len(usable):
                duplicates = _find_copies(kept, prepared, folder)
        cohort = _with_dealing(_build_cohort(kept, seed), kept, duplicates)
        check_cohort(cohort, where, kept.quarantine, _fractions(config, listing), listing.layout)
        others = _find_others(kept, folder)
    texts_found = _read_texts(kept, options, workers) if reader else None
    understanding = _understand(config, kept, cohort, duplicates, needs or Needs(), preprocessing, others, texts_found)
    texts = None if config.text_column is None else [record.text or "" for record in kept.records]
    return Reading(cohort, kept.quarantine, understanding, texts)


def _refuse_early(listing: Listing, config: CohortConfig, seed: int, where: str) -> None:
    """What no decoding can mend is refused before hours of it, not after."""
    _split(listing.records, config, seed, listing)
    if len(listing.records) < SOON_READ:
        return  # the files may have more to say
    problems = Problems(where)
    if len({record.subject for record in listing.records}) == 1:
        problems.add(*ONE_SUBJECT)
    elif listing.records and len(found := {label for record in listing.records for label in record.labels}) < 2:
        problems.add(*few_labels(sorted(found), listing.layout))
    problems.raise_any()


def _find_copies(kept: _Kept, prepared: ImageStore, folder: Path) -> Duplicates:
    """Assemble the prepared images of what is kept, and look for copies among them."""
    contents = kept.facts["content"].tolist()
    prepared.assemble(contents, 3 if _is_colour(kept) else 1)
    return find_duplicates(open_array(folder / "images.npy"), [record.subject for record in kept.records], contents)


def _find_others(kept: _Kept, folder: Path) -> dict[str, np.ndarray]:
    """The assembled images that may be sheets, pages or thumbnails."""
    text, height, width = (kept.facts[name].to_numpy(np.float64) for name in ("text", "height", "width"))
    names = [record.image for record in kept.records]
    return find_others(names, open_array(folder / "images.npy"), text, height, width)


def _with_dealing(cohort: Cohort, kept: _Kept, duplicates: Duplicates) -> Cohort:
    """The cohort with what is known of how people were dealt to the splits."""
    subjects, split = cohort.subjects, kept.splits.split
    joined = join(subjects, duplicates.links)
    shared = divided(subjects, duplicates.links, split)
    apart = {name for pair in shared for name in pair}
    dealing = Dealing(
        dealt=kept.splits.dealt,
        joined=sum(name not in apart for name in joined),
        shared=shared,
        untold=duplicates.untold,
    )
    return replace(cohort, dealing=dealing)


def _keep(
    listing: Listing,
    facts: pd.DataFrame,
    config: CohortConfig,
    seed: int,
    where: str,
    joined: Mapping[str, str] | None = None,
) -> _Kept:
    """Split what can be used, `joined` people together. The count of images must add up: every image that was read is
    kept or quarantined."""
    records, refusals = _sort_out(listing, facts)
    refuse_nothing_left(records, refusals, where)
    splits = _split(records, config, seed, listing, joined)
    facts = facts[facts["reason"] == ""]
    if idle := idle_window(config, [record.image for record in records], facts):
        listing = replace(listing, notes=(*listing.notes, idle))
    left_out = {image for image, _, _ in splits.refused}
    stays = np.array([record.image not in left_out for record in records], dtype=bool)
    kept = [record for record, stay in zip(records, stays, strict=True) if stay]
    quarantine = sorted([*refusals, *splits.refused])
    count = len(listing.records) + len(listing.refused)
    if len(kept) + len(quarantine) != count:
        raise AssertionError(f"{count} images read, {len(kept)} kept and {len(quarantine)} quarantined")
    return _Kept(listing, kept, facts[stays].reset_index(drop=True), splits, quarantine)


def _sort_out(listing: Listing, facts: pd.DataFrame) -> tuple[list[ListedImage], list[Refusal]]:
    """The records whose image can be used, and the rows of quarantine.csv of all others."""
    kept: list[ListedImage] = []
    refusals = list(listing.refused)
    for record, reason, detail in zip(listing.records, facts["reason"], facts["detail"], strict=True):
        if reason:
            refusals.append((record.image, Reason(reason), detail))
        else:
            kept.append(record)
    return kept, refusals


def _understand(
    config: CohortConfig,
    kept: _Kept,
    cohort: Cohort,
    duplicates: Duplicates,
    needs: Needs,
    preprocessing: PreprocessConfig,
    others: dict[str, np.ndarray],
    texts: dict[int, TextReading] | None,
) -> Understanding:
    listing, facts, quarantine = kept.listing, kept.facts, kept.quarantine
    found = suspect_subjects(config, listing, cohort, quarantine)
    images = {split_name(image)[0] for image in cohort.table["image"]}
    return understand(
        cohort,
        FileForms(*(facts[name].to_numpy(dtype=np.int64) for name in ("height", "width", "bits", "channels"))),
        quarantine,
        layout=listing.layout,
        subject_from=subject_from(config, listing.layout),
        suspicions=[*found.suspicions, *suspect_control(cohort)],
        suspected=found.examples,
        # a policy may ask for nothing (1) or for the impossible (0)
        miss_bound=min(max(needs.miss_upper, 1e-6), 0.999),
        confidence=needs.confidence,
        fractions=_fractions(config, listing),
        duplicates=duplicates,
        names=inspect_names(cohort.table["image"].tolist(), cohort.classes),
        text=facts["text"].to_numpy(dtype=np.float64),
        readings=texts,
        picture_notes=Counter(note for notes in facts["notes"] for note in notes.split("|") if note),
        conflicts=(kept.splits.counts.conflicts, f"resolved as {config.split_conflict or 'train'}"),
        notes=[*listing.notes, *found.notes, *kept.splits.notes, *_unread(listing)],
        ignored=listing.ignored,
        preprocessing=preprocessing,
        colour=cohort.colour,
        about=listing.about,
        others=others,
        masks=[name for name in listing.mask_names if name in images],
    )


def _read_texts(kept: _Kept, options: DecodeOptions, workers: int) -> dict[int, TextReading]:
    """What is written in the images that look as if text were burned in, by row; of very many a part is read."""
    flagged = np.flatnonzero(kept.facts["text"].to_numpy(dtype=np.float64) >= GLYPHS)
    rows = [int(flagged[place]) for place in evenly(len(flagged))]
    names = [kept.records[row].image for row in rows]
    return dict(zip(rows, read_texts(names, kept.listing.archive, options, workers=workers), strict=True))


def _split(
    records: Sequence[ListedImage],
    config: CohortConfig,
    seed: int,
    listing: Listing,
    joined: Mapping[str, str] | None = None,
) -> SplitResult:
    try:
        return resolve_splits(
            records,
            config.splits,
            seed,
            config.split_conflict,
            official=listing.official,
            control=config.control,
            joined=joined,
        )
    except InputError as error:
        raise InputError(error.what, where=place(config, listing.layout, error.where), how=error.how) from None


def _fractions(config: CohortConfig, listing: Listing) -> dict[str, float] | None:
    """The fractions that the splits were drawn by, or None where the parts have others: some were given, or filled with
    people of whom nobody labelled an image."""
    drawn = all(record.split is None and record.labelled for record in listing.records)
    return config.splits.model_dump() if drawn else None


def _is_colour(kept: _Kept) -> bool:
    """Whether most images have channels that differ."""
    return int((kept.facts["channels"] == 3).sum()) * 2 > len(kept.records)


def _build_cohort(kept: _Kept, seed: int) -> Cohort:
    import pandas as pd

    records, facts, split = kept.records, kept.facts, kept.splits.split
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
    colour = _is_colour(kept)
    unlabelled = frozenset(record.image for record in records if not record.labelled)
    return Cohort(table, tuple(name for name in kept.listing.classes if name in occurring), seed, colour, unlabelled)


def _unread(listing: Listing) -> list[str]:
    """A sentence where links to folders lie in the input, which are not followed."""
    skipped = listing.archive.skipped if isinstance(listing.archive, FolderArchive) else ()
    if not skipped:
        return []
    were = "was" if len(skipped) == 1 else "were"
    return [f"{plural(len(skipped), 'link')} to folders {were} not followed (e.g. {skipped[0]!r})."]
