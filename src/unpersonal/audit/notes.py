"""What a reader of an audit should know beside its verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.hashing import sha256_bytes
from ..matching.kinds import LEAST_RECALL
from .background import Background
from .config import AuditConfig
from .figures import Weights
from .game import smallest_trials
from .matchers import FEWEST_LEARNED, learns
from .profiles import Profile
from .result import masked
from .target import Target

CANNOT_PASS = "so this audit cannot pass"
LESS_IS_WEAKER = (
    "confidence",
    "permutations",
    "size",
    "components",
    "network_steps",
    "planted_copies",
    "kind_copies",
    "placebo_images",
    "shadows",
    "shadow_width",
    "shadow_images",
)
MORE_IS_WEAKER = ("weight_divisor", "weight_confidence")


def too_few(people: int, profile: Profile, confidence: float) -> list[str]:
    """A note where so many train people cannot keep the margin of isolated people."""
    needed = smallest_trials(profile.isolated, confidence)
    if people >= needed:
        return []
    return [
        f"{people} train people: with fewer than {needed} the upper bound of those isolated stays above"
        f" {profile.isolated:.3f} even if nobody is, {CANNOT_PASS}"
    ]


def notes_of(background: Background, target: Target, weights: Weights, profile: Profile) -> tuple[str, ...]:
    """Sizes too small to pass, weights that are not certified, the same picture in train and control."""
    config, side = background.config, target.side
    notes = too_few(int(target.train.sum()), profile, config.confidence)
    if side < config.smallest_side:
        notes.append(f"{side} subjects a side is a small audit (below {config.smallest_side})")
    if weaker := _weaker(config):
        notes.append(f"settings that look less closely than the default: {', '.join(weaker)}")
    if not weights.certified:
        notes.append(
            "the predicate weights are not certified: on control subjects predicates were satisfied more often than"
            " their nominal weight allows"
        )
    twins = _duplicates(target)
    if twins:
        notes.append(f"{masked(twins)} control images are pixel for pixel train images; is the same person in both?")
    return tuple(notes)


def notes_of_matching(background: Background, blind: Sequence[str]) -> tuple[str, ...]:
    """Kinds of copies that the matchers may not see, and a network that could not be trained."""
    notes = []
    if not learns(background.network.subjects):
        notes.append(
            f"the audit trained no network of its own: it has {len(background.network.names)} people to learn on, and"
            f" needs {FEWEST_LEARNED}; it searches with the closed forms alone"
        )
    if blind:
        notes.append(
            "kinds of which the audit may overlook single copies, for its matchers may see fewer than"
            f" {LEAST_RECALL:.0%}: {', '.join(blind)}"
        )
    return tuple(notes)


def _weaker(config: AuditConfig) -> list[str]:
    """Settings that make attacks weaker, or the audit less sure of itself, than the default does."""
    usual = AuditConfig()
    return [
        f"{name} = {getattr(config, name):g} instead of {getattr(usual, name):g}"
        for names, sign in ((LESS_IS_WEAKER, 1), (MORE_IS_WEAKER, -1))
        for name in names
        if sign * getattr(config, name) < sign * getattr(usual, name)
    ]


def _duplicates(target: Target) -> int:
    digests = [sha256_bytes(np.ascontiguousarray(image).tobytes()) for image in target.images]
    train = set(digests[: target.train_images])
    return sum(digest in train for digest in digests[target.train_images :])
