"""What a reader of an audit should know beside its verdict."""

from __future__ import annotations

import numpy as np

from ..core.hashing import sha256_bytes
from .background import Background
from .figures import Weights
from .game import smallest_trials
from .target import Target


def notes_of(background: Background, target: Target, weights: Weights, policy: float) -> tuple[str, ...]:
    """Sizes too small to pass, weights that are not certified, the same picture in train and control."""
    notes = []
    config, side, released = background.config, target.side, len(background.released)
    needed = smallest_trials(policy, config.confidence)
    if min(side, released) < needed:
        notes.append(
            f"{side} subjects a side and {released} released images: with fewer than {needed} of either the upper bound"
            f" stays above {policy:.3f} even if nothing is found, so this audit cannot pass"
        )
    if side < config.smallest_side:
        notes.append(f"{side} subjects a side is a small audit (below {config.smallest_side})")
    if not weights.certified:
        notes.append(
            "the predicate weights are not certified: on control subjects predicates were satisfied more often than"
            " their nominal weight allows"
        )
    twins = _duplicates(target)
    if twins:
        notes.append(f"{twins} control images are pixel for pixel train images; is the same person in both?")
    return tuple(notes)


def _duplicates(target: Target) -> int:
    digests = [sha256_bytes(np.ascontiguousarray(image).tobytes()) for image in target.images]
    train = set(digests[: target.train_images])
    return sum(digest in train for digest in digests[target.train_images :])
