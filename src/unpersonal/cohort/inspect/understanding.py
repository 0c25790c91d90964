"""What was understood of an input, what was refused and what is suspicious: built from plain facts, as JSON or text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from ...images.burned_text import GLYPHS
from ...images.picture import NOTES
from ...images.preprocess import PreprocessConfig
from ...images.reasons import Reason
from ...layouts.listing import Refusal
from ...metrics.intervals import clopper_pearson_upper
from ..table import HALVES, SPLITS, Cohort
from .duplicates import CANNOT_SEE, TOO_MANY, Duplicates, NearCopies
from .name_checks import KINDS, NamesCheck

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

AUDIT_SUBJECTS = 450
"""Train subjects, and as many test subjects, that the audit needs to be able to pass."""

FEW_TEST_SUBJECTS = 20
MUCH_QUARANTINE = 0.05
LEAST_DOMINANT = 20
"""Images of one subject that are never suspected to be of several people."""
MUCH_CROPPED = 0.2
"""Share of an image that the crop to a square may take before it is said."""
LEAST_RECALL = 0.8
"""Lower bound of the share of planted copies of each kind below which the search is said to be blind."""

IMBALANCE = 10.0
"""Ratio of train subjects, most frequent label to rarest, from which imbalance is reported."""

TOP_SIZES = 10
EXAMPLES = 3
LONGEST_TABLE, LONGEST_LIST = 30, 8
"""Labels that are printed, and that a sentence names; the JSON has them all."""


@dataclass(frozen=True)
class Facts:
    """What the files of the n kept images are, before preprocessing; each int [n], rows as in the cohort."""

    height: np.ndarray
    width: np.ndarray
    bits: np.ndarray
    channels: np.ndarray


@dataclass(frozen=True)
class Warning:
    """One suspicion: its kind (a fixed word), a sentence without subject or path, how many, and how to mend it."""

    kind: str
    sentence: str
    count: int
    how_to_mend: str


@dataclass(frozen=True)
class Size:
    """Whether there are enough subjects for the policy; `cohort_needed` is what the whole cohort would have to have."""

    miss_bound: float
    calibration: int
    calibration_needed: int
    train: int
    test: int
    audit_needed: int
    subjects: int
    cohort_needed: int

    @property
    def enough(self) -> bool:
        """Whether every part is large enough."""
        return self.calibration >= self.calibration_needed and min(self.train, self.test) >= self.audit_needed


@dataclass(frozen=True)
class Understanding:
    """What `unpersonal init` says; `examples` alone names images, for the owner's eyes."""

    layout: str
    subject_from: str
    """Where the subject of every image was taken from."""
    read: int
    images: int
    subjects: int
    images_per_subject: dict[str, float]
    """`min`, `median`, `max`."""
    labels: dict[str, dict[str, dict[str, int]]]
    """Label → split (and `all`) → `images`, `subjects`."""
    unlabelled: int
    splits: dict[str, dict[str, int]]
    """Split → `images`, `subjects`."""
    sizes: list[dict[str, int]]
    """The most frequent: `height`, `width`, `images`."""
    other_sizes: dict[str, int]
    """`sizes` and `images` beyond those."""
    bits: dict[str, int]
    channels: dict[str, int]
    quarantined: dict[str, int]
    ignored: int
    """Files that are no images by name."""
    colour: bool
    duplicates: dict[str, Any]
    names: dict[str, int]
    text: int | None
    size: Size
    notes: list[str]
    warnings: list[Warning]
    examples: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it; with examples that name images."""
        return {**asdict(self), "size": {**asdict(self.size), "enough": self.size.enough}}

    def figures(self) -> dict[str, Any]:
        """Aggregates only: no image, no subject, no sentence that comes from the input."""
        whole = self.to_dict()
        warnings = [{"kind": warning.kind, "count": warning.count} for warning in self.warnings]
        private = ("examples", "notes", "subject_from")
        return {key: whole[key] for key in whole if key not in private} | {"warnings": warnings}


# the size that the policy asks for


def calibration_subjects_needed(miss_bound: float, confidence: float = 0.95) -> int:
    """The fewest subjects n of whom none is missed that bound the miss rate: (1 - miss_bound)^n <= 1 - confidence.

    The one-sided Clopper-Pearson bound of 0 in n is then at most `miss_bound` (0 < miss_bound < 1, else `ValueError`).
    """
    if not 0.0 < miss_bound < 1.0:
        raise ValueError(f"a miss bound must lie strictly between 0 and 1, not {miss_bound}")
    n = max(1, math.ceil(math.log1p(-confidence) / math.log1p(-miss_bound)) - 1)
    while clopper_pearson_upper(0, n, confidence) > miss_bound:
        n += 1
    return n


def judge_size(
    parts: Mapping[str, int],
    miss_bound: float,
    fractions: Mapping[str, float] | None = None,
    confidence: float = 0.95,
) -> Size:
    """Compare subjects per part (those of `SPLITS` and `val-calibration`) with what bounds and audit need.

    `fractions` are the shares of the splits, by default those of `parts`; the calibration half has half of val's.
    """
    subjects = sum(parts[split] for split in SPLITS)
    shares = fractions or {split: parts[split] / subjects for split in SPLITS}
    needed = calibration_subjects_needed(miss_bound, confidence)
    demands = ((needed, shares["val"] / 2), (AUDIT_SUBJECTS, shares["train"]), (AUDIT_SUBJECTS, shares["test"]))
    # a share of 0.1 times 2,990 must not become 2,991 by rounding
    whole = max(math.ceil(round(demand / share, 6)) if share > 0 else 0 for demand, share in demands)
    return Size(
        miss_bound=miss_bound,
        calibration=parts["val-calibration"],
        calibration_needed=needed,
        train=parts["train"],
        test=parts["test"],
        audit_needed=AUDIT_SUBJECTS,
        subjects=subjects,
        cohort_needed=whole,
    )


def subjects_per_part(cohort: Cohort) -> dict[str, int]:
    """Number of subjects of every split and of the halves of val and aux."""
    subjects = cohort.subjects
    return {part: len(set(subjects[cohort.rows(part)])) for part in (*SPLITS, *HALVES)}


# understanding


def understand(
    cohort: Cohort,
    facts: Facts | None = None,
    quarantine: Sequence[Refusal] = (),
    *,
    layout: str = "",
    subject_from: str = "",
    suspicions: Sequence[Warning] = (),
    suspected: Mapping[str, Sequence[Any]] | None = None,
    miss_bound: float = 0.01,
    confidence: float = 0.95,
    fractions: Mapping[str, float] | None = None,
    duplicates: Duplicates | None = None,
    names: NamesCheck | None = None,
    text: np.ndarray | None = None,
    picture_notes: Mapping[str, int] | None = None,
    conflicts: tuple[int, str] = (0, ""),
    notes: Iterable[str] = (),
    ignored: int = 0,
    preprocessing: PreprocessConfig | None = None,
    colour: bool = False,
) -> Understanding:
    """Join what the reading found into one report.

    `quarantine` rows are (path, reason, detail). `fractions` are those of the splits where they were drawn, None where
    the input gives them. `text` holds `burned_text.text_score` of each image [n]; `picture_notes` counts the images
    with each note of `picture.NOTES`; `conflicts` is the number of subjects in two given splits and what became of
    them; `notes` are sentences for the owner; `ignored` counts files of other kinds; `preprocessing` says what becomes
    of the images; `suspicions` are warnings about subjects, which come first, `suspected` the examples of each by its
    kind. Facts that are None were not looked at, and nothing is said about them.
    """
    if facts is not None and len(facts.height) != len(cohort):
        raise ValueError(f"{len(facts.height)} facts for {len(cohort)} images")
    per_subject = cohort.table["subject"].value_counts().to_numpy()
    sizes = _sizes(facts)
    labels, splits = _count_labels(cohort)
    size = judge_size(subjects_per_part(cohort), miss_bound, fractions, confidence)
    found_text = None if text is None else np.flatnonzero(np.asarray(text) >= GLYPHS)
    warnings = [
        *suspicions,
        *_warn_of_copies(cohort, duplicates),
        *_warn_of_conflicts(*conflicts),
        *_warn_of_size(size, given=fractions is None),
        *_warn_of_labels(labels),
        *_warn_of_form(facts, preprocessing),
        *_warn_of_subjects(per_subject, len(cohort)),
        *_warn_of_text(0 if found_text is None else len(found_text)),
        *_warn_of_notes(picture_notes or {}),
        *_warn_of_names(names),
        *_warn_of_quarantine(quarantine, len(cohort)),
    ]
    return Understanding(
        layout=layout,
        subject_from=subject_from,
        read=len(cohort) + len(quarantine),
        images=len(cohort),
        subjects=len(per_subject),
        images_per_subject={
            "min": int(per_subject.min()),
            "median": float(np.median(per_subject)),
            "max": int(per_subject.max()),
        },
        labels=labels,
        unlabelled=sum(not len(row) for row in cohort.table["labels"]),
        splits=splits,
        sizes=sizes[:TOP_SIZES],
        other_sizes={"sizes": len(sizes[TOP_SIZES:]), "images": sum(row["images"] for row in sizes[TOP_SIZES:])},
        bits=_histogram(facts.bits) if facts is not None else {},
        channels=_histogram(facts.channels) if facts is not None else {},
        quarantined=dict(sorted(Counter(reason.value for _, reason, _ in quarantine).items())),
        ignored=ignored,
        colour=colour,
        duplicates=duplicates.figures() if duplicates is not None else {},
        names=names.figures() if names is not None else {},
        text=None if found_text is None else len(found_text),
        size=size,
        notes=list(notes),
        warnings=warnings,
        examples=_examples(cohort, quarantine, duplicates, names, found_text) | dict(suspected or {}),
    )


def _sizes(facts: Facts | None) -> list[dict[str, int]]:
    """Every size with its number of images, most frequent first."""
    if facts is None:
        return []
    pairs, counts = np.unique(np.stack([facts.height, facts.width], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [{"height": int(pairs[i, 0]), "width": int(pairs[i, 1]), "images": int(counts[i])} for i in order]


def _histogram(values: np.ndarray) -> dict[str, int]:
    distinct, counts = np.unique(np.asarray(values), return_counts=True)
    return {str(int(value)): int(count) for value, count in zip(distinct, counts, strict=True)}


def _count_labels(cohort: Cohort) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, dict[str, int]]]:
    """Images and subjects by label and split, and by split alone."""
    subjects, split, targets = cohort.subjects, cohort.splits, cohort.targets > 0
    within = {"all": np.ones(len(cohort), dtype=bool)} | {name: split == name for name in SPLITS}

    def count(rows: np.ndarray) -> dict[str, int]:
        return {"images": int(rows.sum()), "subjects": len(set(subjects[rows]))}

    labels = {
        label: {name: count(targets[:, column] & rows) for name, rows in within.items()}
        for column, label in enumerate(cohort.classes)
    }
    return labels, {name: count(rows) for name, rows in within.items() if name != "all"}


def _examples(
    cohort: Cohort,
    quarantine: Sequence[Refusal],
    duplicates: Duplicates | None,
    names: NamesCheck | None,
    text: np.ndarray | None,
) -> dict[str, Any]:
    """Names of images behind the counts, a few each; empty kinds are left out."""
    images = cohort.table["image"].to_numpy()

    def named(groups: Iterable[Sequence[int]]) -> list[list[str]]:
        return [[str(images[row]) for row in group] for group in groups]

    refused: dict[str, list[str]] = {}
    for path, reason, _ in quarantine:
        if len(refused.setdefault(reason.value, [])) < EXAMPLES:
            refused[reason.value].append(path)
    shown = sorted({0, len(cohort) - 1})
    subjects = cohort.subjects
    found: dict[str, Any] = {"quarantine": refused, "subjects": [[str(images[i]), str(subjects[i])] for i in shown]}
    found["dominant-subject"] = [str(cohort.table["subject"].value_counts().index[0])]
    if duplicates is not None:
        found["exact_within_subjects"] = named(duplicates.within.examples)
        found["exact_across_subjects"] = named(duplicates.across.examples)
        found["near_across_subjects"] = named(duplicates.near.examples if duplicates.near else ())
    if names is not None:
        found["names"] = {kind: list(shown) for kind, shown in names.examples.items()}
    if text is not None:
        found["text"] = [str(images[row]) for row in text[:EXAMPLES]]
    return {kind: examples for kind, examples in found.items() if examples}


# warnings: one function per suspicion


def _warn_of_copies(cohort: Cohort, duplicates: Duplicates | None) -> list[Warning]:
    if duplicates is None:
        return []
    found = []
    mend = "if they are one person, give them one subject (--subject or the table); else remove one of them"
    if duplicates.across.pairs:
        torn = _in_two_splits(cohort, duplicates.across.listed)
        sentence = f"{counted(duplicates.across.pairs, 'pair')} of identical images under different subjects{torn}"
        found.append(Warning("duplicates", sentence, duplicates.across.pairs, mend))
    near = duplicates.near
    if near is not None and near.pairs:
        least = "" if near.complete else "at least "
        torn = _in_two_splits(cohort, near.listed)
        by_chance = near.expected_false or 0.0
        chance = f"; about {counted(math.ceil(by_chance), 'image')} may look so by chance" if by_chance >= 1 else ""
        if near.images > TOO_MANY * len(cohort):
            chance += f"; with {near.images:,} of {len(cohort):,} images in them, strangers may simply look alike here"
        sentence = (
            f"{least}{counted(near.pairs, 'pair')} of nearly identical images under different subjects"
            f"{torn}{chance}{_said_of_recall(near)}"
        )
        found.append(Warning("near-duplicates", sentence, near.pairs, f"look at the examples; {mend}"))
    return found + (_warn_of_unseen_copies(near, len(cohort)) if near is not None else [])


def _said_of_recall(near: NearCopies) -> str:
    if not near.recall:
        return ""
    kind = near.worst_kind
    return (
        f"; at least {math.floor(100 * near.least_recall(kind))} % of copies are found "
        f"({near.found(kind):,} of {near.planted:,} planted ones of the worst kind, {kind})"
    )


def _warn_of_unseen_copies(near: NearCopies, images: int) -> list[Warning]:
    """No pair found means something only where planted copies are found."""
    mend = "where one person may have several names, compare the subjects by other means: dates, numbers, the source"
    if near.too_alike:
        sentence = (
            "most images have one under another subject that is as close as a copy: "
            "copies cannot be told from strangers, and none is reported"
        )
        return [Warning("near-duplicates-unseen", sentence, images, mend)]
    unseen = [kind for kind in near.recall if near.least_recall(kind) < LEAST_RECALL]
    if not unseen:
        return []
    kind = near.worst_kind
    sentence = (
        "a nearly identical image under another subject may be missed: "
        f"{near.found(kind):,} of {near.planted:,} planted copies of the kind {kind!r} were found"
    )
    return [Warning("near-duplicates-unseen", sentence, len(unseen), mend)]


def _in_two_splits(cohort: Cohort, pairs: Sequence[tuple[int, int]]) -> str:
    splits = cohort.splits
    torn = sum(splits[one] != splits[other] for one, other in pairs)
    return f", {torn:,} of them in two splits" if torn else ""


def _warn_of_conflicts(count: int, resolution: str) -> list[Warning]:
    if not count:
        return []
    sentence = f"{counted(count, 'subject')} in two given splits" + (f": {resolution}" if resolution else "")
    return [
        Warning(
            Reason.SPLIT_CONFLICT.value, sentence, count, "give each subject one split, or choose with --split-conflict"
        )
    ]


def _warn_of_size(size: Size, *, given: bool) -> list[Warning]:
    splits = "the given splits" if given else "these splits"
    how = (
        f"about {_about(size.cohort_needed):,} subjects in all would do with {splits}; "
        "with fewer the run ends with exit code 3"
    )
    found = []
    if size.calibration < size.calibration_needed:
        sentence = (
            f"{counted(size.calibration, 'calibration subject')} (half of val): too few for a miss bound of "
            f"{size.miss_bound:g}, which takes {size.calibration_needed:,}"
        )
        found.append(Warning("few-calibration-subjects", sentence, size.calibration, how))
    for part, count in (("train", size.train), ("test", size.test)):
        if count < size.audit_needed:
            sentence = (
                f"{counted(count, f'{part} subject')}: too few for the audit, which needs {size.audit_needed} a side"
            )
            found.append(Warning(f"few-{part}-subjects", sentence, count, how))
    return found


def _warn_of_labels(labels: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[Warning]:
    found = []
    scarce = [(label, counts["test"]["subjects"]) for label, counts in labels.items()]
    scarce = [(label, count) for label, count in scarce if count < FEW_TEST_SUBJECTS]
    if scarce:
        listed = ", ".join(f"{label!r} {count}" for label, count in scarce[:LONGEST_LIST])
        more = f" and {len(scarce) - LONGEST_LIST} more" if len(scarce) > LONGEST_LIST else ""
        sentence = f"{counted(len(scarce), 'label')} with fewer than {FEW_TEST_SUBJECTS} test subjects ({listed}{more})"
        mend = "join them with other labels or leave them out; their utility cannot be measured"
        found.append(Warning("few-test-subjects-of-label", sentence, len(scarce), mend))
    train = {label: counts["train"]["subjects"] for label, counts in labels.items() if counts["train"]["subjects"]}
    if len(train) > 1:
        most, least = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
        ratio = train[most] / train[least]
        if ratio >= IMBALANCE:
            sentence = f"labels are unbalanced: {train[most]:,} train subjects {most!r}, {train[least]:,} {least!r}"
            mend = "expect little gain for the rare label; add subjects, or join it with another"
            found.append(Warning("label-imbalance", sentence, int(ratio), mend))
    return found


def _warn_of_subjects(per_subject: np.ndarray, images: int) -> list[Warning]:
    """Suspect the largest subject, by the images of each [s], if it stands out from the others.

    It has a tenth of all images and five times the others' median, or ten times what 99 % of them have at most.
    """
    *others, most = sorted(map(int, per_subject))
    if not others or most < LEAST_DOMINANT:
        return []
    median, high = float(np.median(others)), others[int(0.99 * (len(others) - 1))]
    if not (most >= max(images / 10, 5 * median) or most >= 10 * high):
        return []
    sentence = f"one subject has {most:,} of the {images:,} images; the median of the others is {median:g}"
    return [Warning("dominant-subject", sentence, most, "check who it is: it may be several people under one name")]


def _warn_of_form(facts: Facts | None, form: PreprocessConfig | None) -> list[Warning]:
    """What the crop takes from images, and images that become larger than they are."""
    if facts is None or form is None:
        return []
    short, long = np.minimum(facts.height, facts.width), np.maximum(facts.height, facts.width)
    images, found = len(short), []
    lost = 1 - short / long
    if form.fit == "crop" and (cropped := int((lost > MUCH_CROPPED).sum())):
        lose = "loses" if cropped == 1 else "lose"
        sentence = (
            f"{_some(cropped, images)} {lose} more than {MUCH_CROPPED:.0%} at the crop to a square, "
            f"{lost.max():.0%} at most: the middle is kept"
        )
        mend = "say --fit pad, which keeps all of each image and adds black (study.toml: fit under [images])"
        found.append(Warning("cropped", sentence, cropped, mend))
    times = form.size / (short if form.fit == "crop" else long)
    if enlarged := int((times > 1).sum()):
        sentence = (
            f"{_some(enlarged, images)} {'is' if enlarged == 1 else 'are'} smaller than {form.size} × {form.size} "
            f"pixels and enlarged, up to {times.max():.2g} times"
        )
        mend = "choose a smaller --size: enlarging adds work and no detail"
        found.append(Warning("enlarged", sentence, enlarged, mend))
    return found


def _warn_of_text(count: int) -> list[Warning]:
    if not count:
        return []
    sentence = f"{counted(count, 'image')} may have text burned into the pixels (nothing was read)"
    mend = "look at the examples; mask or crop text before a study, synthetic images may repeat it"
    return [Warning("burned-in-text", sentence, count, mend)]


_NOTE_MENDS = {
    "burned-in": "mask the annotation or leave those images out",
    "burned-in-unsaid": "look at some of them; DICOM files ought to say NO",
    "header-identity": "nothing of it is carried over; the input itself is not pseudonymous",
    "head": "deface the volumes before the study",
}


def _warn_of_notes(counts: Mapping[str, int]) -> list[Warning]:
    return [
        Warning(
            kind, f"{counted(count, 'image')}: {NOTES.get(kind, kind)}", count, _NOTE_MENDS.get(kind, "look at them")
        )
        for kind, count in sorted(counts.items())
        if count
    ]


def _warn_of_names(names: NamesCheck | None) -> list[Warning]:
    if names is None:
        return []
    return [
        Warning(
            "faces-in-names" if kind == "face" else "identifiers-in-names",
            f"{counted(count, 'name')} of files or folders with {KINDS[kind]}",
            count,
            "check whether images show faces; they would be synthesised too"
            if kind == "face"
            else "nothing of a name is carried over; rename the files if others see them",
        )
        for kind, count in names.counts.items()
    ]


def _warn_of_quarantine(quarantine: Sequence[Refusal], images: int) -> list[Warning]:
    read = images + len(quarantine)
    reasons = Counter(reason for _, reason, _ in quarantine if not reason.chosen)
    spoiled = reasons.total()
    if spoiled <= MUCH_QUARANTINE * read:
        return []
    listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
    sentence = f"{spoiled:,} of {read:,} images ({spoiled / read:.0%}) were refused: {listed}"
    return [Warning("quarantine", sentence, spoiled, "quarantine.csv says why for each; mend the files or leave them")]


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 image, 1,234 images."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _some(count: int, images: int) -> str:
    return f"all {images:,} images" if 1 < count == images else f"{count:,} of {counted(images, 'image')}"


def _about(count: int) -> int:
    """Rounded up to two significant digits."""
    step = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step


# text


def print_understanding(understanding: Understanding, console: Console | None = None) -> None:
    """Print a report for people (on stdout if no console is given), warnings last; names are never taken for markup."""
    from rich.console import Console
    from rich.text import Text

    console = console or Console(highlight=False)
    for line in _overview(understanding):
        console.print(Text(line))
    console.print(_label_table(understanding))
    console.print(Text(_size_line(understanding.size)))
    for note in understanding.notes:
        console.print(Text(f"note: {note}"))
    if understanding.duplicates:
        console.print(Text(f"the search for copies cannot see: {CANNOT_SEE}", style="dim"))
    number = 0
    for mend, together in groupby(understanding.warnings, key=lambda warning: warning.how_to_mend):
        first = number + 1
        for number, warning in enumerate(together, first):
            console.print(Text(f"WARNING {number}: {warning.sentence}.", style="bold yellow"))
            if shown := _shown_examples(understanding, warning.kind):
                console.print(Text(f"  e.g. {shown}", style="dim"))
        what = "it" if number == first else f"{first} {'to' if number > first + 1 else 'and'} {number}"
        console.print(Text(f"  to mend {what}: {mend}."))
    if not understanding.warnings:
        console.print(Text("no warnings"))


EXAMPLES_OF = {
    "duplicates": "exact_across_subjects",
    "near-duplicates": "near_across_subjects",
    "burned-in-text": "text",
    "quarantine": "quarantine",
    "identifiers-in-names": "names",
    "faces-in-names": "names",
}
"""Which examples stand behind a warning."""


def _shown_examples(u: Understanding, kind: str) -> str:
    """Names of the first few images behind a warning, or nothing."""
    examples = u.examples.get(EXAMPLES_OF.get(kind, kind), [])
    if isinstance(examples, dict):
        faces = kind == "faces-in-names"
        lists = [names for name, names in examples.items() if EXAMPLES_OF[kind] != "names" or (name == "face") is faces]
        examples = [name for names in lists for name in names]
    return ", ".join(_equal_names(one) if isinstance(one, list) else one for one in examples[:EXAMPLES])


def _equal_names(names: Sequence[str]) -> str:
    """The names of one picture, a few of them."""
    more = [f"{len(names) - EXAMPLES} more"] if len(names) > EXAMPLES else []
    return " = ".join([*names[:EXAMPLES], *more])


def _overview(u: Understanding) -> list[str]:
    """The lines above the table."""
    per = u.images_per_subject
    lines = [
        f"{counted(u.images, 'image')} of {counted(u.subjects, 'subject')}; "
        f"per subject {per['min']:g} to {per['max']:g}{_largest(u)}, median {per['median']:g}",
        f"read {u.read:,} = kept {u.images:,} + quarantined {u.read - u.images:,}"
        + (f"; layout {u.layout}" if u.layout else ""),
    ]
    if u.subject_from:
        lines.append(f"subject taken from {u.subject_from}")
    if u.ignored:
        lines.append(f"{counted(u.ignored, 'file')} not used")
    if u.quarantined:
        lines.append("quarantined: " + ", ".join(f"{count:,} {reason}" for reason, count in u.quarantined.items()))
    if u.sizes:
        sizes = [f"{row['height']} × {row['width']} ({row['images']:,})" for row in u.sizes]
        if u.other_sizes["sizes"]:
            sizes.append(f"{counted(u.other_sizes['sizes'], 'other size')} ({u.other_sizes['images']:,})")
        lines += ["height × width: " + ", ".join(sizes), f"bits: {_listed(u.bits)}; channels: {_listed(u.channels)}"]
    for image, subject in u.examples.get("subjects", []):
        lines.append(f"e.g. {image} shows {subject}")
    if within := u.duplicates.get("exact_within_subjects", {}).get("pairs"):
        lines.append(f"{counted(within, 'pair')} of identical images within subjects")
    return lines


def _largest(u: Understanding) -> str:
    """Who has the most images, if subjects differ."""
    alike = u.images_per_subject["min"] == u.images_per_subject["max"]
    return "" if alike else "".join(f" ({subject})" for subject in u.examples.get("dominant-subject", []))


def _size_line(size: Size) -> str:
    verdict = "enough" if size.enough else "too few"
    return (
        f"{verdict} for the policy: {counted(size.calibration, 'calibration subject')} of "
        f"{size.calibration_needed:,} for a miss bound of {size.miss_bound:g}; {size.train:,} train and "
        f"{size.test:,} test subjects of {size.audit_needed} each"
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{value} ({count:,})" for value, count in counts.items())


def _label_table(u: Understanding) -> Table:
    """Images and subjects of each label, and subjects by split; the most frequent labels where there are many."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, title="labels, with subjects by split", title_justify="left", pad_edge=False)
    table.add_column("label", overflow="fold", max_width=30)
    for name in ("images", "subjects", *SPLITS):
        table.add_column(name, justify="right", no_wrap=True)
    labels = u.labels
    if len(labels) > LONGEST_TABLE:
        frequent = sorted(labels, key=lambda label: -labels[label]["all"]["subjects"])[:LONGEST_TABLE]
        labels = {label: counts for label, counts in labels.items() if label in frequent}
    for label, counts in labels.items():
        table.add_row(Text(label), *_cells(counts["all"], counts))
    if len(labels) < len(u.labels):
        table.add_row(Text(f"and {counted(len(u.labels) - len(labels), 'more label')}"))
    table.add_section()
    table.add_row("every image", *_cells({"subjects": u.subjects, "images": u.images}, u.splits))
    return table


def _cells(whole: Mapping[str, int], by_split: Mapping[str, Mapping[str, int]]) -> list[str]:
    counts = [whole["images"], whole["subjects"], *(by_split[name]["subjects"] for name in SPLITS)]
    return [f"{count:,}" for count in counts]
