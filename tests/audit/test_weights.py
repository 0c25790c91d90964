"""Predicate weights against populations that can be sampled without end."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.spaces import fit_space
from unpersonal.audit.weights import calibration, fit_tails
from unpersonal.core.errors import InputError
from unpersonal.phantom import phantom_cohort


def pairwise(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum((centres**2).sum(1)[:, None] + (points**2).sum(1)[None] - 2 * centres @ points.T, 0.0))


def test_tail_of_an_exact_power_law_is_recovered() -> None:
    """P(d <= r) = r^7 on [0,1]: the pooled dimension is 7 and the realised weight is r^7."""
    rng = np.random.default_rng(0)
    model = fit_tails(rng.random((400, 150)) ** (1 / 7))
    assert model.lid == pytest.approx(7, rel=0.03)
    assert model.lid_lower < model.lid
    for nominal in (1e-2, 1e-3, 1e-5):
        realised = np.mean(np.minimum(model.radii(nominal), 1.0) ** 7)
        assert nominal / 5 <= realised <= nominal


@pytest.mark.parametrize("dimension", [4, 8, 12])
def test_realised_weight_on_fresh_gaussian_vectors(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    centres = rng.normal(size=(200, dimension))
    model = fit_tails(pairwise(centres, rng.normal(size=(120, dimension))))
    fresh = pairwise(centres, rng.normal(size=(20_000, dimension)))
    for nominal in (1e-2, 1e-3, 1e-4):
        realised = float((fresh <= model.radii(nominal)[:, None]).mean())
        assert nominal / 8 <= realised <= 1.5 * nominal


@pytest.mark.slow
def test_realised_weight_on_fresh_phantoms_is_not_above_nominal() -> None:
    images, subjects, _ = phantom_cohort(1300, 11, 32)
    names = np.asarray(subjects)
    space = fit_space("appearance", images[np.isin(names, np.unique(names)[:80])], size=16, components=24, seed=0)
    points = space.embed(images)
    first = np.unique(names, return_index=True)[1]  # one image a subject is enough here
    certify, centres, fresh = points[first[80:190]], points[first[190:300]], points[first[300:]]
    model = fit_tails(pairwise(centres, certify))
    for nominal in (1e-2, 1e-3, 1e-4):
        realised = float((pairwise(centres, fresh) <= model.radii(nominal)[:, None]).mean())
        assert realised <= 2 * nominal
        if nominal == 1e-2:
            assert realised >= nominal / 5


def test_own_subject_is_left_out_and_duplicates_make_the_radius_smaller() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(100, 6))
    distances = pairwise(points[:30], points)
    distances[np.arange(30), np.arange(30)] = np.inf
    model = fit_tails(distances)
    assert model.subjects == 99 and np.isfinite(model.radii(1e-4)).all() and (model.radii(1e-4) > 0).all()
    twins = fit_tails(np.where(np.isinf(distances), 0.0, distances))
    assert (twins.radii(1e-4) < model.radii(1e-4)).all()


def test_calibration_sees_a_population_that_is_denser_than_the_auxiliary_one() -> None:
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(150, 6))
    model = fit_tails(pairwise(centres, rng.normal(size=(120, 6))))
    honest = calibration(pairwise(centres, rng.normal(size=(400, 6))), model, (0.05, 0.02, 1e-3, 1e-9))
    assert all(row.holds and row.lower <= row.observed <= row.upper for row in honest)
    assert [row.resolvable for row in honest] == [True, True, True, False]
    assert honest[-1].observed == 0 and 0 < honest[-1].upper < 1e-3
    twins = centres[rng.integers(0, 150, 400)] + 0.05 * rng.normal(size=(400, 6))
    assert not all(row.holds for row in calibration(pairwise(centres, twins), model, (0.02, 1e-3)))


def test_too_few_auxiliary_subjects_are_refused() -> None:
    with pytest.raises(InputError, match="auxiliary"):
        fit_tails(np.ones((3, 3)))
