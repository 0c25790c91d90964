"""Images and subjects of each label, and labels that are too rare to be measured or learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...core.words import plural
from ..dealing import CONTROL, SPLITS
from ..misread import AS_TEXT, read_otherwise
from ..table import Cohort
from .suspicion import LONGEST_LIST, Suspicion

FEW_TEST_SUBJECTS = 20
IMBALANCE = 10.0
"""Ratio of train subjects, most frequent label to rarest, from which imbalance is reported."""


def count_labels(cohort: Cohort) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, dict[str, int]]]:
    """Images and subjects by label and split, and by split alone."""
    subjects, split, targets = cohort.subjects, cohort.splits, cohort.targets > 0
    names = SPLITS if CONTROL not in set(split) else (*SPLITS, CONTROL)
    within = {"all": np.ones(len(cohort), dtype=bool)} | {name: split == name for name in names}

    def count(rows: np.ndarray) -> dict[str, int]:
        return {"images": int(rows.sum()), "subjects": len(set(subjects[rows]))}

    labels = {
        label: {name: count(targets[:, column] & rows) for name, rows in within.items()}
        for column, label in enumerate(cohort.classes)
    }
    return labels, {name: count(rows) for name, rows in within.items() if name != "all"}


def suspect_labels(labels: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[Suspicion]:
    """Labels that too few subjects of test have, and labels of very different frequency."""
    found = []
    scarce = [(label, counts["test"]["subjects"]) for label, counts in labels.items()]
    scarce = [(label, count) for label, count in scarce if count < FEW_TEST_SUBJECTS]
    if scarce:
        listed = ", ".join(f"{label!r} {count}" for label, count in scarce[:LONGEST_LIST])
        more = f" and {len(scarce) - LONGEST_LIST} more" if len(scarce) > LONGEST_LIST else ""
        sentence = f"{plural(len(scarce), 'label')} with fewer than {FEW_TEST_SUBJECTS} test subjects ({listed}{more})"
        mend = "join them with other labels or leave them out; their utility cannot be measured"
        found.append(Suspicion("few-test-subjects-of-label", sentence, len(scarce), mend))
    train = {label: counts["train"]["subjects"] for label, counts in labels.items() if counts["train"]["subjects"]}
    if len(train) > 1:
        most, least = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
        ratio = train[most] / train[least]
        if ratio >= IMBALANCE:
            sentence = f"labels are unbalanced: {train[most]:,} train subjects {most!r}, {train[least]:,} {least!r}"
            mend = "expect little gain for the rare label; add subjects, or join it with another"
            found.append(Suspicion("label-imbalance", sentence, int(ratio), mend))
    return found


def suspect_misread(labels: Sequence[Sequence[str]]) -> list[Suspicion]:
    """Labels of images [n] that come out of a release's tables as something else, where a loader is not told better."""
    other = {text: now for text, now in read_otherwise("|".join(names) for names in labels).items() if now != text}
    if not other:
        return []
    listed = ", ".join(f"{text!r} as {now}" for text, now in list(other.items())[:LONGEST_LIST])
    more = f" and {len(other) - LONGEST_LIST} more" if len(other) > LONGEST_LIST else ""
    sentence = (
        f"{plural(len(other), 'label is', 'labels are')} read as something else by programs that read tables"
        f" ({listed}{more})"
    )
    mend = f"call them by words, or read the tables of a release as text: {AS_TEXT}"
    return [Suspicion("labels-read-otherwise", sentence, len(other), mend)]
