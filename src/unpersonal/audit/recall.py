"""Kinds of copies: which of them the audit's matchers see, and which it is blind to.

Copies of train subjects are planted, one kind after the other at one strength each: the hardest to which no release may
be blind by default, or the weakest where it may be blind to all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.seeds import numpy_rng
from ..matching.kinds import LEAST_RECALL, MAY_BE_BLIND, PICTURE_KINDS, Kind
from ..metrics.intervals import clopper_pearson_lower
from .background import Background
from .figures import KindRow
from .target import Target

CONFIDENCE = 0.95
"""One-sided confidence of the lower bound of a kind's recall."""
NAMED_RATE = 0.01
"""Share of strangers above whose scores a copy must be named."""


def strength_of(kind: Kind) -> float:
    """The strength at which a kind is planted."""
    kept = [strength for strength in kind.strengths if kind.named(strength) not in MAY_BE_BLIND]
    return kept[-1] if kept else kind.strengths[0]


def measure_kinds(background: Background, target: Target) -> tuple[KindRow, ...]:
    """For every kind the share of copies that some matcher names after their own subject."""
    config, seed = background.config, background.seed
    train = np.flatnonzero(target.train)
    chosen = numpy_rng(seed, "audit", "kinds").permutation(train)[: config.kind_copies]
    _, first = np.unique(target.subjects, return_index=True)
    images, hosts = np.array(target.images[first[chosen]]), np.array(background.certify.images)
    copies = [
        kind.copies(images, hosts, strength_of(kind), numpy_rng(seed, "audit", "kinds", kind.name))
        for kind in PICTURE_KINDS
    ]
    seen = np.zeros((len(copies), len(chosen)), dtype=bool)
    for enrolled in target.enrolled(background):
        naming = enrolled.names(np.concatenate(copies))
        named = naming.at(NAMED_RATE) & (naming.subject == np.tile(chosen, len(copies)))
        seen |= named.reshape(seen.shape)
    return tuple(_row(kind, found) for kind, found in zip(PICTURE_KINDS, seen, strict=True))


def _row(kind: Kind, seen: np.ndarray) -> KindRow:
    found, copies = int(seen.sum()), len(seen)
    lower = clopper_pearson_lower(found, copies, CONFIDENCE)
    return KindRow(kind=kind.named(strength_of(kind)), copies=copies, seen=found / copies, seen_lower=lower)


def blind_kinds(kinds: Sequence[KindRow]) -> tuple[str, ...]:
    """Names of the kinds whose recall may be below `LEAST_RECALL`."""
    return tuple(row.kind for row in kinds if row.seen_lower < LEAST_RECALL)
