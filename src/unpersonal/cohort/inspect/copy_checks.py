"""What the copies that were found, or may have been missed, give reason to suspect."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...core.words import plural
from ..table import Cohort
from .copies import TOO_MANY, Duplicates, NearCopies
from .suspicion import Suspicion

LEAST_RECALL = 0.8
"""Lower bound of the share of planted copies of each kind below which the search is said to be blind."""


def suspect_copies(cohort: Cohort, duplicates: Duplicates | None) -> list[Suspicion]:
    """Copies under different subjects, and copies that the search would miss."""
    if duplicates is None:
        return []
    found = []
    mend = "if they are one person, give them one subject (--subject or the table); else remove one of them"
    if duplicates.across.pairs:
        divided = _in_two_splits(cohort, duplicates.across.listed)
        sentence = f"{plural(duplicates.across.pairs, 'pair')} of identical images under different subjects{divided}"
        found.append(Suspicion("duplicates", sentence, duplicates.across.pairs, mend))
    near = duplicates.near
    if near is not None and near.pairs:
        least = "" if near.complete else "at least "
        divided = _in_two_splits(cohort, near.listed)
        by_chance = near.expected_false or 0.0
        chance = f"; about {plural(math.ceil(by_chance), 'image')} may look so by chance" if by_chance >= 1 else ""
        if near.images > TOO_MANY * len(cohort):
            chance += f"; with {near.images:,} of {len(cohort):,} images in them, strangers may simply look alike here"
        sentence = (
            f"{least}{plural(near.pairs, 'pair')} of nearly identical images under different subjects"
            f"{divided}{chance}{_recall_clause(near)}"
        )
        found.append(Suspicion("near-duplicates", sentence, near.pairs, f"look at the examples; {mend}"))
    return found + (_suspect_unseen_copies(near, len(cohort)) if near is not None else [])


def _recall_clause(near: NearCopies) -> str:
    if not near.recall:
        return ""
    kind = near.worst_kind
    return (
        f"; at least {math.floor(100 * near.least_recall(kind))} % of copies are found "
        f"({near.found(kind):,} of {near.planted:,} planted ones of the worst kind, {kind})"
    )


def _suspect_unseen_copies(near: NearCopies, images: int) -> list[Suspicion]:
    """No pair found means something only where planted copies are found."""
    mend = "where one person may have several names, compare the subjects by other means: dates, numbers, the source"
    if near.too_alike:
        sentence = (
            "most images have one under another subject that is as close as a copy: "
            "copies cannot be told from strangers, and none is reported"
        )
        return [Suspicion("near-duplicates-unseen", sentence, images, mend)]
    unseen = [kind for kind in near.recall if near.least_recall(kind) < LEAST_RECALL]
    if not unseen:
        return []
    kind = near.worst_kind
    sentence = (
        "a nearly identical image under another subject may be missed: "
        f"{near.found(kind):,} of {near.planted:,} planted copies of the kind {kind!r} were found"
    )
    return [Suspicion("near-duplicates-unseen", sentence, len(unseen), mend)]


def _in_two_splits(cohort: Cohort, pairs: Sequence[tuple[int, int]]) -> str:
    splits = cohort.splits
    divided = sum(splits[one] != splits[other] for one, other in pairs)
    return f", {divided:,} of them in two splits" if divided else ""
