"""Planted copies: would this audit have seen a leak? Perturbed copies of train images take the place of the release."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.seeds import numpy_rng
from ..metrics.hypothesis import permutation_p
from ..metrics.intervals import clopper_pearson_lower
from .background import PRIMARY, Background
from .config import AuditConfig
from .distances import Hits, join_hits
from .figures import MixtureRow, Planted, PlantedRow
from .game import Roles, advantage_upper, play
from .perturbations import PERTURBATIONS, perturbed_copies
from .target import Target

MIXTURES = (0.02, 0.05, 0.1, 0.2)
"""Shares of planted copies in releases that are tried."""
FEWER_PERMUTATIONS = 1999
"""Permutations of such a trial."""


@dataclass(frozen=True)
class Thresholds:
    """What decides about a release: the size of the family of tests, and the largest bound that the policy allows."""

    family: int
    policy: float


def measure_planted(background: Background, target: Target, weight: float, limits: Thresholds) -> Planted:
    """Perturbed copies of train images as predicates: how many isolate their own subject; mixtures with the release."""
    config, rng = background.config, numpy_rng(background.seed, "audit", "planted")
    embedded = target.embedded(background.space(PRIMARY))
    chosen = rng.permutation(np.flatnonzero(target.train))[: config.planted_copies]
    count = embedded.images_per_subject[chosen]
    rows = embedded.rows[embedded.starts[chosen] + rng.integers(0, count)]
    copies, kinds = perturbed_copies(target.images[rows], rng)
    (hits,) = target.hits_of(background.balls_around(copies, PRIMARY), weight)
    success = isolates_own(hits, chosen, target.roles)
    found = int(success.sum())
    (released,) = target.hits(background, PRIMARY, weight)
    return Planted(
        copies=len(chosen),
        power=found / len(chosen),
        power_lower=clopper_pearson_lower(found, len(chosen), config.confidence),
        kinds=tuple(
            PlantedRow(kind, int((kinds == kind).sum()), float(success[kinds == kind].mean()))
            for kind in PERTURBATIONS
            if (kinds == kind).any()
        ),
        mixtures=tuple(_mixture(share, hits, released, target, config, rng, limits) for share in MIXTURES),
    )


def isolates_own(hits: Hits, subjects: np.ndarray, roles: Roles) -> np.ndarray:
    """Whether predicate j is met by train subject `subjects[j]` and nobody else in that subject's block, bool [p]."""
    block = roles.role[subjects][hits.predicate]
    inside = (roles.role[hits.subject] == block) | (roles.pad[hits.subject] & (block == roles.blocks - 1))
    total = np.bincount(hits.predicate[inside], minlength=hits.predicates)
    own = np.bincount(hits.predicate[hits.subject == subjects[hits.predicate]], minlength=hits.predicates)
    alone: np.ndarray = (total == 1) & (own == 1)
    return alone


def _mixture(
    share: float,
    planted: Hits,
    released: Hits,
    target: Target,
    config: AuditConfig,
    rng: np.random.Generator,
    limits: Thresholds,
) -> MixtureRow:
    """The primary game with a release of which `share` are planted copies."""
    copies = max(1, min(round(share * released.predicates), planted.predicates))
    kept = min(round(copies * (1.0 - share) / share), released.predicates - copies)
    clean = released.only(np.sort(rng.permutation(released.predicates)[: max(kept, 0)]))
    leaky = planted.only(np.sort(rng.permutation(planted.predicates)[:copies]))
    outcome = play(join_hits(leaky, clean), target.roles, target.codes[:FEWER_PERMUTATIONS])
    p = permutation_p(outcome.advantage, outcome.null)
    # the hardest threshold that Holm's procedure can set
    detected = p <= config.alpha / max(limits.family, 1)
    return MixtureRow(
        copied_share=copies / (copies + clean.predicates),
        released=copies + clean.predicates,
        advantage=outcome.advantage,
        p=p,
        detected=detected,
        refused=detected or advantage_upper(outcome, target.roles, config.confidence) > limits.policy,
    )
