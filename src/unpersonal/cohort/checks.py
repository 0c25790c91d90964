"""Whether a cohort has what a study needs: subjects for every split, several labels, each of them in every subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..core.words import plural
from ..layouts.config import Splits
from ..layouts.labels import doubts
from ..layouts.listing import LISTED_LABELS, Problems, Refusal
from ..layouts.options import label_options
from .dealing import SPLITS
from .refusals import note_refusals
from .table import HALVES, Cohort

FEW_OF_A_LABEL = 5
"""Mean subjects of a label below which it is the labels that leave splits empty."""
ENOUGH_FOR_ANY = 20
"""Subjects that fill every split where the labels are few."""
ENOUGH_OF_A_LABEL = 10
"""Subjects of a label that reach every subset, the halves of val too, by the default splits."""
MORE_SUBJECTS = "add images of more people, or correct --subject if it joins people"
ONE_SUBJECT = ("All images show one subject; a split needs several", MORE_SUBJECTS)
# a label absent here could neither be learned, nor calibrated, nor tested
LABELLED_SUBSETS = {"train": "train", "val-calibration": "val (its calibration half)", "test": "test"}


def check_cohort(
    cohort: Cohort,
    where: str,
    quarantine: Sequence[Refusal] = (),
    fractions: Mapping[str, float] | None = None,
    layout: str = "",
) -> None:
    """Raise one `InputError` for too few subjects, too few labels, and labels absent from a subset that needs them.

    It also counts what lies in `quarantine`, for then no quarantine.csv says why so little is left. `fractions` are
    those of the splits where they were drawn: they tell how many subjects would do.
    """
    problems = Problems(where)
    if problems_of_cohort(cohort, problems, fractions, layout):
        for what, how in doubts(cohort.classes):
            problems.add(what, how)
        note_refusals(quarantine, len(cohort) + len(quarantine), problems)
    problems.raise_any()


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
        problems.add(f"{subjects} subjects are too few for the splits ({short})", _more_subjects(cohort, fractions))
    if len(cohort.classes) < 2:
        problems.add(*few_labels(cohort.classes, layout))
    elif not short:
        _check_labels_everywhere(cohort, problems, layout)
    return bool(problems)


def _labels_are_to_blame(cohort: Cohort, subjects: int) -> bool:
    """Whether splits are empty because of the labels: subjects are divided label by label."""
    labels = len(cohort.classes)
    return labels > 2 and (_named_like_subjects(cohort) or ENOUGH_FOR_ANY <= subjects < FEW_OF_A_LABEL * labels)


def _named_like_subjects(cohort: Cohort) -> bool:
    """Whether most labels are names of subjects."""
    subjects = set(cohort.subjects)
    return sum(label in subjects for label in cohort.classes) * 2 > len(cohort.classes)


def _many_labels(cohort: Cohort, subjects: int, short: str, layout: str) -> tuple[str, str]:
    what = f"There are {len(cohort.classes)} labels (among them {cohort.classes[0]!r}) for {subjects} subjects"
    what += ", and they are names of subjects" if _named_like_subjects(cohort) else ""
    how = f"check {_where_labels_are(layout)}: what is no label may have been taken for one"
    return f"{what}: too many for the splits, which are drawn label by label ({short})", how


def _more_subjects(cohort: Cohort, fractions: Mapping[str, float] | None) -> str:
    """The mend of a cohort with too few subjects: how many would do where the default splits are drawn."""
    if fractions != Splits().model_dump():
        return MORE_SUBJECTS
    labels = len(cohort.classes)
    enough = max(ENOUGH_FOR_ANY, ENOUGH_OF_A_LABEL * labels)
    return f"{MORE_SUBJECTS}; about {enough} subjects would do, {ENOUGH_OF_A_LABEL} or more with each label"


def few_labels(labels: Sequence[str], layout: str) -> tuple[str, str]:
    """What to say where there are fewer than two labels, and how to mend it."""
    return (
        f"There are fewer than two labels ({', '.join(labels) or 'none'})",
        f"check {_where_labels_are(layout)}; utility is measured between labels",
    )


def _where_labels_are(layout: str) -> str:
    return label_options(layout) if layout else "--label-from or --label-column"


def _check_labels_everywhere(cohort: Cohort, problems: Problems, layout: str) -> None:
    targets = cohort.targets
    for subset, title in LABELLED_SUBSETS.items():
        absent = np.flatnonzero(targets[cohort.rows(subset)].sum(axis=0) == 0)
        for column in absent[:LISTED_LABELS]:
            subjects = cohort.table["subject"][targets[:, column] > 0].nunique()
            problems.add(
                f"The label {cohort.classes[column]!r} ({plural(subjects, 'subject')}) does not occur in {title}",
                "add subjects with that label, join it with another label, or leave its images out",
            )
        if len(absent) > LISTED_LABELS:
            problems.add(
                f"Nor do {len(absent) - LISTED_LABELS} more of {len(cohort.classes)} labels",
                f"check {_where_labels_are(layout)} if these are no labels",
            )
