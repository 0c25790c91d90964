"""How far a classifier's probabilities may be believed: temperature, and calibration error."""

from __future__ import annotations

import numpy as np

LEAST = 1e-7
"""Probabilities are kept this far from 0 and 1, where a logarithm is taken."""
HOTTEST = 20.0
"""Temperatures are sought from its reciprocal to this."""
BINS = 15


def tempered(probabilities: np.ndarray, temperature: float, exclusive: bool) -> np.ndarray:
    """Probabilities [n, C] of the logits over `temperature`, float32; the order within a sigmoid's class is kept.

    `exclusive` as in `judges.classifier.Classifier`: one softmax over the C classes, else a sigmoid each.
    """
    p = np.clip(np.asarray(probabilities, dtype=np.float64), LEAST, 1 - LEAST)
    if not exclusive:
        odds = (np.log(p) - np.log1p(-p)) / temperature
        return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)
    logits = np.log(p) / temperature
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)


def log_loss(probabilities: np.ndarray, targets: np.ndarray, exclusive: bool) -> float:
    """Mean negative log-likelihood of multi-hot `targets` [n, C]: of the class (exclusive), or over all C outcomes."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), LEAST, 1 - LEAST)
    y = np.asarray(targets) > 0.5
    if exclusive:
        return float(-np.log(p[y]).mean())
    return float(-np.where(y, np.log(p), np.log1p(-p)).mean())


def fit_temperature(probabilities: np.ndarray, targets: np.ndarray, exclusive: bool) -> float:
    """The temperature of least `log_loss` on held-out images (Guo et al., ICML 2017, section 4.2).

    `probabilities` [n, C] at temperature 1, `targets` [n, C] multi-hot; 1 where they tell nothing of it.
    """
    if not (np.asarray(targets) > 0.5).any():
        return 1.0
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        return log_loss(tempered(probabilities, float(np.exp(logarithm)), exclusive), targets, exclusive)

    end = float(np.log(HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=(-end, end), method="bounded").x))


def calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> float:
    """Classwise expected calibration error in [0, 1] (Kull et al., NeurIPS 2019, equation 3).

    Of every class the `bins` of equal width: |mean probability − share of positives|, weighted by the images in the
    bin; then the mean over the classes. `probabilities` and multi-hot `targets` are both [n, C]; NaN where n is 0.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(targets) > 0.5
    if not len(p):
        return float("nan")
    place = np.clip((p * bins).astype(np.int64), 0, bins - 1)
    apart = [np.bincount(place[:, c], weights=p[:, c] - y[:, c], minlength=bins) for c in range(p.shape[1])]
    return float(np.abs(apart).sum(axis=1).mean() / len(p))
