"""The paired comparison against brute force and closed cases."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unpersonal.metrics.roc import macro_auroc
from unpersonal.utility.paired import compare, mean_macro_auroc

CLASSES = ("a", "b", "c")


def world(seed: int, strength: float, subjects: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(probabilities [n,3], targets, subjects): scores rise with the label by `strength`; two images a subject."""
    rng = np.random.default_rng(seed)
    subject_of = np.repeat(np.arange(subjects), 2)
    targets = np.eye(3, dtype=np.float32)[subject_of % 3]
    noise = np.random.default_rng(99).normal(size=targets.shape)
    return (targets * strength + noise + 0.1 * rng.normal(size=targets.shape)).astype(np.float32), targets, subject_of


def test_equal_arms_have_no_gap() -> None:
    scores, targets, subject_of = world(0, 2.0)
    result = compare([scores], [scores], targets, subject_of, CLASSES, replicates=200, rng=np.random.default_rng(0))
    assert result.gap == 0.0 and result.gap_upper == 0.0
    assert result.auroc_real == macro_auroc(scores, targets) == result.auroc_synthetic


@pytest.mark.slow
def test_estimates_and_bound_equal_brute_force() -> None:
    real, targets, subject_of = world(1, 2.0)
    second, _, _ = world(2, 2.0)
    synthetic, _, _ = world(3, 1.0)
    result = compare(
        [real, second], [synthetic], targets, subject_of, CLASSES, replicates=300, rng=np.random.default_rng(4)
    )
    mean = (macro_auroc(real, targets) + macro_auroc(second, targets)) / 2
    assert result.auroc_real == pytest.approx(mean, abs=1e-12)
    assert result.gap == pytest.approx(mean - macro_auroc(synthetic, targets), abs=1e-12)
    rng, gaps = np.random.default_rng(4), []
    for _ in range(300):
        rows = np.concatenate([np.flatnonzero(subject_of == drawn) for drawn in rng.integers(0, 120, size=120)])
        both = mean_macro_auroc([real[rows], second[rows]], targets[rows])
        gaps.append(both - macro_auroc(synthetic[rows], targets[rows]))
    assert result.gap_upper == pytest.approx(np.quantile(gaps, 0.95), abs=0.01)
    assert result.gap is not None and result.gap < result.gap_upper
    assert (
        result.auroc_real_interval is not None and result.auroc_real_interval[0] < mean < result.auroc_real_interval[1]
    )
    assert result.worst_class == max(result.classes, key=lambda name: result.classes[name].gap or 0.0)
    json.dumps(result.classes[result.worst_class].to_json(), allow_nan=False)


@pytest.mark.slow
def test_the_bound_covers_the_true_gap() -> None:
    """Over repeated draws of test subjects, the bound lies above the population's gap about 95 % of the time."""
    rng = np.random.default_rng(11)

    def draw(subjects: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        targets = np.eye(2, dtype=np.float32)[np.arange(subjects) % 2]
        shared = rng.normal(size=targets.shape)
        real = targets * 1.5 + shared + 0.5 * rng.normal(size=targets.shape)
        return real, targets * 1.2 + shared + 0.5 * rng.normal(size=targets.shape), targets

    real, synthetic, targets = draw(60_000)
    truth = macro_auroc(real, targets) - macro_auroc(synthetic, targets)
    above = 0
    for trial in range(60):
        real, synthetic, targets = draw(80)
        result = compare(
            [real], [synthetic], targets, np.arange(80), ("a", "b"), replicates=100, rng=np.random.default_rng(trial)
        )
        above += result.gap_upper >= truth
    # binomial(60, 0.95) is below 50 with probability 0.001
    assert above >= 50


@pytest.mark.slow
def test_rows_of_a_subject_stay_together() -> None:
    """Repeating every row of every subject changes no subject, so the bootstrap may not get narrower."""
    real, targets, subject_of = world(1, 2.0)
    synthetic, _, _ = world(3, 1.0)
    once = compare([real], [synthetic], targets, subject_of, CLASSES, replicates=400, rng=np.random.default_rng(0))
    many = np.repeat(np.arange(len(subject_of)), 8)
    often = compare(
        [real[many]],
        [synthetic[many]],
        targets[many],
        subject_of[many],
        CLASSES,
        replicates=400,
        rng=np.random.default_rng(0),
    )
    assert often.gap_upper == pytest.approx(once.gap_upper, abs=1e-9)


def test_a_class_without_both_outcomes_is_left_out_and_without_any_nothing_is_claimed() -> None:
    scores, targets, subject_of = world(0, 2.0)
    targets = targets.copy()
    targets[:, 2] = 0
    result = compare([scores], [scores], targets, subject_of, CLASSES, replicates=100, rng=np.random.default_rng(0))
    assert set(result.classes) == {"a", "b"} and result.gap == 0.0
    result = compare([scores], [scores], targets * 0, subject_of, CLASSES, replicates=100, rng=np.random.default_rng(0))
    assert result.gap_upper == 1.0 and result.gap is None and result.auroc_real is None and result.note


def test_too_few_test_subjects_claim_nothing() -> None:
    scores = np.array([[0.1, 0.9], [0.9, 0.1]], dtype=np.float32)
    targets = np.array([[0, 1], [1, 0]], dtype=np.float32)
    result = compare(
        [scores], [scores], targets, np.arange(2), ("a", "b"), replicates=200, rng=np.random.default_rng(0)
    )
    assert result.gap_upper == 1.0 and result.auroc_synthetic is None


def test_a_real_arm_at_chance_level_cannot_vouch_for_a_release() -> None:
    rng = np.random.default_rng(5)
    targets = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 300)]
    guesses = [rng.random((300, 3)), rng.random((300, 3))]
    subject_of = np.array([f"s{i}" for i in range(300)])
    result = compare(
        [guesses[0]], [guesses[1]], targets, subject_of, CLASSES, replicates=200, rng=np.random.default_rng(0)
    )
    assert result.gap_upper == 1.0 and "chance" in result.note
