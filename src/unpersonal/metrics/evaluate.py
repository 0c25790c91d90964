"""All generative figures of a synthetic set at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from ..core.config import Config, part_config
from .features import as_features, same_width
from .figures import MetricFigures
from .metric import UNMEASURABLE, FeatureSets, Figure, Metric, Noted
from .registry import METRICS

KNOWN = {field.name for field in fields(MetricFigures)}
"""Figures with a place of their own; those of any other metric stand under the metric's name."""
LEFT_OUT = {item.name for item in fields(MetricFigures) if item.metadata.get("absent") and not item.metadata["unless"]}
"""Figures that are not there where they could not be measured, instead of None."""


def evaluate(
    train: np.ndarray,
    test: np.ndarray,
    synthetic: np.ndarray,
    *,
    seed: int,
    subjects_train: np.ndarray | None = None,
    subjects_test: np.ndarray | None = None,
    plugins: Mapping[str, Mapping[str, Any]] | None = None,
) -> MetricFigures:
    """Every figure of `generative` for feature matrices [n, d].

    `irs` is adjusted, as published, with a 90 % interval `irs_lower` to `irs_upper` over test subjects; `fid` is
    `fid_test`, `fid_real` that of train against test, `fid_floor` that of real people at the sizes of `fid`, and
    `fid_excess` what is above, with a 95 % interval over test subjects; `precision`, `recall`, `density` and `coverage`
    are against train; `authpct` is in percent; `support_subjects_*` and `n_subjects_*` need the subjects str [n] of the
    rows. A figure that the sets are too small or too degenerate for is None, and `notes` says why; `notes` also warns
    of biased ones. Random choices derive from `seed`.

    `plugins` maps the name of each plug-in to its options. Its figures are in `by_metric` under its name: numbers, or
    None where it could not be measured, whatever went wrong in it.
    """
    sets = FeatureSets(
        as_features(train, "train"),
        as_features(test, "test"),
        as_features(synthetic, "synthetic"),
        seed,
        subjects_train,
        subjects_test,
    )
    same_width(sets.train, sets.test, sets.synthetic)
    values: dict[str, Any] = {}
    by_metric: dict[str, dict[str, float | None] | None] = {}
    notes: dict[str, str] = {}
    for name in METRICS.own_names():
        metric = METRICS.get(name)
        if not all(sets.has(need) for need in metric.needs):
            continue
        figures = _figures_of(metric, sets)
        if figures.keys() <= KNOWN:
            values |= _plain(figures, notes)
        else:
            by_metric[name] = _plain(figures, notes, f"{name}.")
    for name, options in (plugins or {}).items():
        by_metric[name] = _of_plugin(name, options, sets, notes)
    if by_metric:
        values["by_metric"] = by_metric
    counts = {"n_train": len(sets.train), "n_test": len(sets.test), "n_synthetic": len(sets.synthetic)}
    told = {key: value for key, value in values.items() if value is not None or key not in LEFT_OUT}
    return MetricFigures.from_json({**counts, **told, "notes": notes}, where="metrics")


def _figures_of(metric: Metric, sets: FeatureSets) -> Mapping[str, Figure]:
    try:
        return metric.compute(sets, metric.config())
    except UNMEASURABLE as error:
        return dict.fromkeys(metric.keys, Noted(None, str(error)))


def _plain(figures: Mapping[str, Figure], notes: dict[str, str], prefix: str = "") -> dict[str, Any]:
    """Figures without their remarks, which go into `notes`; a number that is not finite becomes None."""
    found: dict[str, Any] = {}
    for key, figure in figures.items():
        value: Any = figure
        if isinstance(figure, Noted):
            value, notes[prefix + key] = figure.value, figure.note
        if value is not None and not all(map(math.isfinite, value.values() if isinstance(value, Mapping) else [value])):
            value, notes[prefix + key] = None, "the figure is not finite on these features"
        found[key] = value
    return found


def _of_plugin(
    name: str, options: Mapping[str, Any], sets: FeatureSets, notes: dict[str, str]
) -> dict[str, float | None] | None:
    """The figures of a plug-in; its fault costs no other figure."""
    metric, config = METRICS.get(name), part_config(METRICS, name, Config(), options)
    lacking = [need for need in metric.needs if not sets.has(need)]
    if lacking:
        notes[name] = f"it needs {' and '.join(lacking)}, which are not known here"
        return None
    own_notes: dict[str, str] = {}
    try:
        found = _plain(metric.compute(sets, config), own_notes, f"{name}.")
        plain = {str(key): None if value is None else float(value) for key, value in found.items()}
    except Exception as error:  # whatever somebody's code raises
        # what the error says may name a person or a file: it goes to the log, not into the figures
        logging.getLogger(__name__).warning("The metric %s failed: %s: %s", name, type(error).__name__, error)
        notes[name] = f"it failed ({type(error).__name__})"
        return None
    notes.update(own_notes)
    return plain
