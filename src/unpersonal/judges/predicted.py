"""Labels for images that nobody labelled: the classifier's, calibrated on val, with the error that this makes.

Temperature and thresholds are fitted on `val-stop`; what is reported is measured on `val-calibration`, whose subjects
chose nothing. Legend: n images, C classes, S label sets that occur in train.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.seeds import numpy_rng
from ..core.tensors import load_tensors, save_tensors
from ..metrics.intervals import subject_bootstrap
from ..metrics.roc import as_frequent
from .figures import AssessmentFigures, ReliabilityRow

FILE = ("models", "judges", "predicted.safetensors")
BINS = 10
REPLICATES = 1000
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Labeller:
    """How logits become labels: `temperature`, `thresholds` float64 [C] (not used if exclusive), `sets` float32 [S,C].

    The labels of an image are always one of the sets, so that nothing contradicts itself in a way that no image does.
    """

    temperature: float
    thresholds: np.ndarray
    sets: np.ndarray
    exclusive: bool

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities float64 [n,C]."""
        return activate(logits / self.temperature, self.exclusive)

    def predict(self, logits: np.ndarray) -> np.ndarray:
        """Multi-hot labels float32 [n,C]: the likeliest of the sets, a label counting from its threshold on."""
        scores = logits.astype(np.float64) / self.temperature
        if not self.exclusive:
            scores = scores - np.log(self.thresholds / (1 - self.thresholds))
        return self.sets[(scores @ self.sets.T).argmax(axis=1)]


def activate(logits: np.ndarray, exclusive: bool) -> np.ndarray:
    """Softmax (exclusive) or sigmoid of logits [n,C], float64."""
    logits = logits.astype(np.float64)
    if not exclusive:
        return 0.5 * (1 + np.tanh(logits / 2))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_labeller(logits: np.ndarray, targets: np.ndarray, sets: np.ndarray, exclusive: bool) -> Labeller:
    """Fit on logits and multi-hot `targets` [n,C] of val-stop; `sets` are the multi-hot rows that occur in train.

    The temperature minimises the mean log loss. A label's threshold lets as many images through as have the label, so
    that the predictions are as frequent as the labels.
    """
    temperature = fit_temperature(logits, targets, exclusive)
    probabilities = activate(logits / temperature, exclusive)
    thresholds = np.array(
        [as_frequent(column, positives) for column, positives in zip(probabilities.T, targets.T, strict=True)]
    )
    return Labeller(temperature, thresholds, np.unique(sets, axis=0).astype(np.float32), exclusive)


def fit_temperature(logits: np.ndarray, targets: np.ndarray, exclusive: bool) -> float:
    """The temperature in 0.05..20 that minimises the log loss of logits [n,C] (arXiv 1706.04599); 1 without images.

    The loss is that of `softened` targets: where a few dozen images are all told apart, hard ones would be fitted best
    by a temperature of zero, and every prediction would be called certain.
    """
    from scipy.optimize import minimize_scalar

    if not len(logits):
        return 1.0
    logits, targets = logits.astype(np.float64), softened(targets, exclusive)

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if exclusive:
            return float((np.logaddexp.reduce(scaled, axis=1) - (scaled * targets).sum(axis=1)).mean())
        return float((np.logaddexp(0, scaled) - scaled * targets).mean())

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def softened(targets: np.ndarray, exclusive: bool) -> np.ndarray:
    """Targets float64 [n,C] as Platt (1999) fits them: (m + 1)/(m + 2) instead of 1 for a label of m images.

    And 1/(m + 2) instead of 0 for its absence in m images; exclusive rows still sum to 1.
    """
    there = np.asarray(targets, dtype=np.float64) > 0.5
    with_label = there.sum(axis=0)
    present = (with_label + 1) / (with_label + 2)
    if exclusive:
        own = (there * present).sum(axis=1, keepdims=True)
        return np.where(there, own, (1 - own) / max(there.shape[1] - 1, 1))
    return np.where(there, present, 1 / (len(there) - with_label + 2))


def reliability(probabilities: np.ndarray, hits: np.ndarray) -> tuple[float, tuple[ReliabilityRow, ...]]:
    """Expected calibration error of `probabilities` [m] of events that `hits` [m] say happened, and its table.

    Ten bins of equal width; the error is the mean over events of |mean probability - share of hits| of their bin.
    """
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    error, table = 0.0, []
    for number in np.unique(bins):
        inside = bins == number
        confidence, share = float(probabilities[inside].mean()), float(hits[inside].mean())
        error += abs(confidence - share) * float(inside.mean())
        begin, images = float(number) / BINS, int(inside.sum())
        table.append(ReliabilityRow(begin=begin, images=images, confidence=confidence, share=share))
    return error, tuple(table)


def events(probabilities: np.ndarray, targets: np.ndarray, exclusive: bool) -> tuple[np.ndarray, np.ndarray]:
    """What is said with which probability, and whether it is so: the likeliest class of images [n], or all [n·C]."""
    if exclusive:
        top = probabilities.argmax(axis=1)
        rows = np.arange(len(top))
        return probabilities[rows, top], targets[rows, top] > 0.5
    return probabilities.reshape(-1), targets.reshape(-1) > 0.5


def brier(probabilities: np.ndarray, targets: np.ndarray, exclusive: bool) -> float:
    """Mean squared error of the probabilities [n,C]: summed over classes (exclusive), or averaged."""
    squares = (probabilities - targets) ** 2
    return float(squares.sum(axis=1).mean() if exclusive else squares.mean())


def assess(
    labeller: Labeller, logits: np.ndarray, targets: np.ndarray, subjects: np.ndarray, seed: int
) -> AssessmentFigures:
    """Error of the predictions on labelled images [n] of other subjects, with 95 % intervals over subjects."""
    probabilities, predicted = labeller.probabilities(logits), labeller.predict(logits)
    raw = activate(logits, labeller.exclusive)
    right = (predicted == targets).all(axis=1)

    def calibration(rows: np.ndarray) -> float:
        return reliability(*events(probabilities[rows], targets[rows], labeller.exclusive))[0]

    def measured(name: str, measure: Callable[[np.ndarray], float]) -> tuple[float, tuple[float, float]]:
        rng = numpy_rng(seed, "predicted labels", name)
        draws = subject_bootstrap(subjects, measure, replicates=REPLICATES, rng=rng)
        low, high = (float(value) for value in np.quantile(draws, (0.025, 0.975)))
        return measure(np.arange(len(logits))), (low, high)

    error, error_interval = measured("calibration_error", calibration)
    squares, squares_interval = measured(
        "brier", lambda rows: brier(probabilities[rows], targets[rows], labeller.exclusive)
    )
    accuracy, accuracy_interval = measured("accuracy", lambda rows: float(right[rows].mean()))
    return AssessmentFigures(
        held_out_images=len(logits),
        held_out_subjects=len(set(subjects)),
        calibration_error=error,
        calibration_error_interval=error_interval,
        brier=squares,
        brier_interval=squares_interval,
        accuracy=accuracy,
        accuracy_interval=accuracy_interval,
        calibration_error_before_scaling=reliability(*events(raw, targets, labeller.exclusive))[0],
        temperature=labeller.temperature,
        reliability=reliability(*events(probabilities, targets, labeller.exclusive))[1],
    )


def save_predictions(study: Path, rows: np.ndarray, logits: np.ndarray, labeller: Labeller) -> np.ndarray:
    """Write the labels of the cohort's unlabelled `rows` int64 [m] with their probabilities; returns them [m,C]."""
    import torch

    targets = labeller.predict(logits)
    tensors = {
        "rows": rows.astype(np.int64),
        "targets": targets,
        "probabilities": labeller.probabilities(logits),
        "thresholds": labeller.thresholds,
        "temperature": np.array([labeller.temperature]),
    }
    save_tensors(study.joinpath(*FILE), {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
    return targets


def complete_cohort(study: Path, cohort: Cohort) -> Cohort:
    """The cohort with predicted labels in the rows that have none; itself where all are labelled.

    `Cohort.labelled` still tells which labels were given. Predictions that are missing, or of another cohort, are an
    `InputError`.
    """
    bare = np.flatnonzero(~cohort.labelled)
    if not len(bare):
        return cohort
    path = study.joinpath(*FILE)
    tensors, _ = load_tensors(path)
    rows, targets = tensors["rows"].numpy(), tensors["targets"].numpy()
    if not np.array_equal(rows, bare) or targets.shape != (len(bare), len(cohort.classes)):
        raise InputError(
            "The predicted labels are of another cohort", where=str(path), how="run the judges stage again"
        )
    table = cohort.table.copy()
    labels = [list(row) for row in table["labels"]]
    for row, predicted in zip(bare, targets, strict=True):
        labels[row] = [name for name, there in zip(cohort.classes, predicted, strict=True) if there > 0.5]
    table["labels"] = labels
    return replace(cohort, table=table)
