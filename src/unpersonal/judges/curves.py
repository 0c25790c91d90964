"""ROC curves for roc.json, thinned to what a picture shows."""

from __future__ import annotations

import numpy as np

from ..metrics.roc import auroc, roc_curve

ROC_POINTS = 200

Curve = dict[str, list[float]]
"""`fpr` and `tpr`, of one length."""


def thin(fpr: np.ndarray, tpr: np.ndarray, points: int = ROC_POINTS) -> Curve:
    """At most `points` points of a ROC curve, half of them even in its length, half in the logarithm of the rate."""
    if len(fpr) > points:
        even = np.linspace(0, len(fpr) - 1, points // 2).round().astype(int)
        least = max(float(fpr[fpr > 0].min()), 1e-9) if (fpr > 0).any() else 1e-9
        rates = np.geomspace(least, 1.0, points - points // 2 - 1)
        kept = np.unique(np.concatenate([[0], even[1:-1], np.searchsorted(fpr, rates), [len(fpr) - 1]]))
        kept = kept[kept < len(fpr)]
        fpr, tpr = fpr[kept], tpr[kept]
    return {"fpr": [float(value) for value in fpr], "tpr": [float(value) for value in tpr]}


def copies_roc(copies: np.ndarray, strangers: np.ndarray) -> tuple[Curve, float]:
    """ROC and AUROC of scores of copies [n] against those of strangers [s], each by its best match in the gallery."""
    values = np.concatenate([copies, strangers])
    positives = np.arange(len(values)) < len(copies)
    fpr, tpr, _ = roc_curve(values, positives)
    return thin(fpr, tpr), auroc(values, positives)


def class_curves(probabilities: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]) -> dict[str, Curve]:
    """ROC of every class with both positives and negatives."""
    curves: dict[str, Curve] = {}
    for index, name in enumerate(classes):
        positives = targets[:, index] > 0.5
        if positives.any() and not positives.all():
            fpr, tpr, _ = roc_curve(probabilities[:, index], positives)
            curves[name] = thin(fpr, tpr)
    return curves
