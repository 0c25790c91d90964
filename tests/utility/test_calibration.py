"""Calibration against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.utility.calibration import calibration_error, fit_temperature, log_loss, tempered


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_of_the_truth_is_found(exclusive: bool, temperature: float) -> None:
    """Labels drawn from known probabilities; the classifier says those of `temperature` times the logits."""
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1.5, (20_000, 3))
    if exclusive:
        targets = np.eye(3)[(softmax(logits).cumsum(axis=1) > rng.random((len(logits), 1))).argmax(axis=1)]
        said = softmax(temperature * logits)
    else:
        targets = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
        said = 1 / (1 + np.exp(-temperature * logits))
    found = fit_temperature(said, targets, exclusive)
    assert found == pytest.approx(temperature, rel=0.03)
    after = tempered(said, found, exclusive)
    assert calibration_error(after, targets) < 0.01
    assert log_loss(after, targets, exclusive) <= log_loss(said, targets, exclusive) + 1e-6
    if exclusive:
        np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-5)
    else:
        assert (np.diff(after[np.argsort(said[:, 0]), 0]) >= 0).all()


def test_calibration_error_is_that_of_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(2)
    said, targets = rng.random((5000, 2)), rng.random((5000, 2)) < 0.3
    expected = []
    for column in range(2):
        share, mean = calibration_curve(targets[:, column], said[:, column], n_bins=15)
        counts = np.histogram(said[:, column], bins=15, range=(0, 1))[0]
        expected.append(float((np.abs(share - mean) * counts).sum() / counts.sum()))
    assert calibration_error(said, targets) == pytest.approx(np.mean(expected), abs=1e-6)


def test_calibration_error_of_constants_is_their_distance_from_the_share() -> None:
    targets = np.zeros((10, 1))
    targets[:3] = 1
    for said in (0.0, 0.3, 0.9, 1.0):
        assert calibration_error(np.full((10, 1), said), targets) == pytest.approx(abs(said - 0.3))
    assert np.isnan(calibration_error(np.empty((0, 2)), np.empty((0, 2))))


def test_a_temperature_without_labels_is_one() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty((0, 3)), True) == 1.0
    assert fit_temperature(np.full((4, 3), 0.2), np.zeros((4, 3)), False) == 1.0
