"""Placebo predicates: around auxiliary images, which no leak of the release can reach.

Train and control must look alike to them. Where they do not, the two groups cannot be compared.
"""

from __future__ import annotations

import numpy as np

from ..core.seeds import numpy_rng
from ..metrics.hypothesis import permutation_p
from .background import PRIMARY, Background
from .distances import find_hits, nearest_centre, subject_distances
from .figures import Placebo
from .game import play
from .membership import auroc_with_null
from .target import Target


def measure_placebo(background: Background, target: Target, weight: float) -> Placebo:
    """Isolation and distance by predicates around certifying images, two-sided.

    The own subject of an image is left out of the tail of its predicate.
    """
    config, certifying = background.config, background.certifying(PRIMARY)
    rows = np.arange(len(certifying.points))
    if len(rows) > config.placebo_images:
        chosen = numpy_rng(background.seed, "audit", "placebo").choice(rows, config.placebo_images, replace=False)
        rows = np.sort(chosen)
    centres = certifying.points[rows]
    own = np.searchsorted(certifying.starts, rows, side="right") - 1
    to_certifying = subject_distances(centres, certifying)
    to_certifying[np.arange(len(rows)), own] = np.inf
    radii = background.tails(to_certifying).radii(weight)
    embedded = target.embedded(background.space(PRIMARY))
    (hits,) = find_hits(centres, embedded, [radii])
    outcome = play(hits, target.roles, target.codes)
    nearest, _ = nearest_centre(centres, embedded)
    auroc, null = auroc_with_null(-nearest, target.codes, target.train, target.roles.blocks)
    isolation_p, distance_p = _two_sided(outcome.advantage, outcome.null), _two_sided(auroc - 0.5, null - 0.5)
    return Placebo(
        predicates=len(rows),
        isolation_difference=outcome.advantage,
        isolation_p=isolation_p,
        distance_auroc=auroc,
        distance_p=distance_p,
        # two looks at one question: Bonferroni
        difference=min(1.0, 2.0 * min(isolation_p, distance_p)) <= config.alpha,
    )


def _two_sided(observed: float, null: np.ndarray) -> float:
    return min(1.0, 2.0 * min(permutation_p(observed, null), permutation_p(-observed, -null)))
