"""Planted copies: would this audit have seen a leak? Perturbed copies of train images take the place of the release."""

from __future__ import annotations

import numpy as np

from ..core.seeds import numpy_rng
from ..metrics.intervals import clopper_pearson_lower
from .background import PRIMARY, Background
from .distances import Hits
from .figures import Planted, PlantedRow
from .game import Roles
from .perturbations import PERTURBATIONS, perturbed_copies
from .target import Target


def measure_planted(background: Background, target: Target, weight: float) -> Planted:
    """Perturbed copies of train images as predicates: how many isolate their own subject."""
    config, rng = background.config, numpy_rng(background.seed, "audit", "planted")
    embedded = target.embedded(background.space(PRIMARY))
    chosen = rng.permutation(np.flatnonzero(target.train))[: config.planted_copies]
    count = embedded.images_per_subject[chosen]
    rows = embedded.rows[embedded.starts[chosen] + rng.integers(0, count)]
    copies, kinds = perturbed_copies(target.images[rows], rng)
    (hits,) = target.hits_of(background.balls_around(copies, PRIMARY), weight)
    success = isolates_own(hits, chosen, target.roles)
    found = int(success.sum())
    return Planted(
        copies=len(chosen),
        power=found / len(chosen),
        power_lower=clopper_pearson_lower(found, len(chosen), config.confidence),
        kinds=tuple(
            PlantedRow(kind, int((kinds == kind).sum()), float(success[kinds == kind].mean()))
            for kind in PERTURBATIONS
            if (kinds == kind).any()
        ),
    )


def isolates_own(hits: Hits, subjects: np.ndarray, roles: Roles) -> np.ndarray:
    """Whether predicate j is met by train subject `subjects[j]` and nobody else in that subject's block, bool [p]."""
    block = roles.role[subjects][hits.predicate]
    inside = (roles.role[hits.subject] == block) | (roles.pad[hits.subject] & (block == roles.blocks - 1))
    total = np.bincount(hits.predicate[inside], minlength=hits.predicates)
    own = np.bincount(hits.predicate[hits.subject == subjects[hits.predicate]], minlength=hits.predicates)
    alone: np.ndarray = (total == 1) & (own == 1)
    return alone
