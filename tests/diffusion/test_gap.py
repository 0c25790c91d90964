"""The gap of errors: its interval covers, covariates narrow it and bias nothing, and a coarse one does not pretend."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.diffusion.gap import Gap, measure_gap, too_coarse

TRUE = 0.02


def people(rng: np.random.Generator, count: int, *, known: bool) -> tuple[np.ndarray, np.ndarray]:
    """Errors of people whom a network knows or not, and two covariates of how hard their images are."""
    hard = rng.normal(size=(count, 2))
    errors = 1 + hard @ np.array([0.2, 0.1]) + 0.05 * rng.normal(size=count) - TRUE * known
    return errors, np.column_stack([hard, np.full(count, 3.0)])


def test_covariates_narrow_the_interval_which_covers_the_truth() -> None:
    rng, covered, halves = np.random.default_rng(0), [], []
    for _ in range(30):
        (train, x), (held_out, z) = people(rng, 120, known=True), people(rng, 80, known=False)
        plain, found = measure_gap(train, held_out), measure_gap(train, held_out, (x, z))
        covered.append(found.lower <= TRUE <= found.upper)
        halves.append([plain.upper - plain.lower, found.upper - found.lower])
    assert np.mean(covered) >= 0.8
    plain, found = np.mean(halves, axis=0) / 2
    assert plain > 0.05 and found < 0.017


def test_noise_for_covariates_costs_nothing() -> None:
    rng = np.random.default_rng(1)
    train, held_out = rng.normal(size=200), rng.normal(size=200)
    plain = measure_gap(train, held_out)
    found = measure_gap(train, held_out, (rng.normal(size=(200, 50)), rng.normal(size=(200, 50))))
    assert found.upper - found.lower == pytest.approx(plain.upper - plain.lower, rel=0.03)


def test_a_person_counts_once() -> None:
    rng = np.random.default_rng(2)
    train, held_out = rng.normal(size=40), rng.normal(size=30)
    once = measure_gap(train, held_out)
    often = measure_gap(train, np.tile(held_out, 3), people=np.tile(np.arange(30), 3))
    assert (often.value, often.lower, often.upper) == pytest.approx((once.value, once.lower, once.upper))
    assert measure_gap(train, held_out[:1]) is None and measure_gap(train[:1], held_out) is None
    assert measure_gap(train, np.ones(8), people=np.zeros(8, int)) is None


def test_an_upper_bound_ends_training_where_the_interval_tells() -> None:
    margin = 0.02
    assert Gap(0.012, 0.003, 0.021).tells(margin) and Gap(0.012, 0.003, 0.021).passes(margin)
    assert not Gap(0.009, 0.0, 0.018).passes(margin)
    wide = Gap(0.012, -0.02, 0.044)
    assert not wide.tells(margin) and not wide.passes(margin), "few people must still be able to train"
    assert Gap(0.06, 0.03, 0.09).passes(margin), "what surely is above ends training however coarse the interval"
    said = too_coarse(wide, margin, 12)
    assert "12 held-out people" in said and "could not be measured" in said and "0.032" in said
