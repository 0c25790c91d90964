"""Every figure recorded in anonymeter/confidence.json: success rates, residuals, evaluations, warnings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from unpersonal.metrics.confidence import Rate, Risk, evaluate_attack, residual_success, success_rate
from unpersonal.metrics.intervals import probit, wilson

TOLERANCE = 1e-4
ABSOLUTE = 1e-12
"""Bounds that are 0 up to rounding were recorded as 1e-17."""


def recorded() -> dict[str, list[dict[str, Any]]]:
    default = Path(__file__).parents[1] / "data" / "reference"
    path = Path(os.environ.get("UNPERSONAL_REFERENCE") or default) / "anonymeter" / "confidence.json"
    assert path.is_file(), f"no recorded numbers in {path}"
    return json.loads(path.read_text())


def pair(rate: Rate | None) -> list[float] | None:
    return None if rate is None else [rate.value, rate.error]


def interval(risk: Risk) -> list[float]:
    return [risk.lower, risk.upper]


def of_probit(entry: dict[str, Any]) -> dict[str, Any]:
    return {"z": probit(entry["confidence"])}


def of_success_rate(entry: dict[str, Any]) -> dict[str, Any]:
    rate = success_rate(entry["n_success"], entry["n_total"], entry["confidence"])
    assert interval(rate.risk()) == pytest.approx(
        wilson(entry["n_success"], entry["n_total"], entry["confidence"]), abs=1e-12
    )
    return {
        "value": rate.value,
        "error": rate.error,
        "lower_unclipped": rate.value - rate.error,
        "upper_unclipped": rate.value + rate.error,
        "risk_value": rate.risk().value,
        "risk_ci": interval(rate.risk()),
    }


def of_residual_success(entry: dict[str, Any]) -> dict[str, Any]:
    rate = residual_success(Rate(*entry["attack"]), Rate(*entry["control"]))
    return {"value": rate.value, "error": rate.error, "risk": rate.risk().value, "risk_ci": interval(rate.risk())}


def of_evaluation(entry: dict[str, Any]) -> dict[str, Any]:
    result = evaluate_attack(
        entry["n_attacks"], entry["n_success"], entry["n_baseline"], entry["n_control"], entry["confidence"]
    )
    ours = {
        "attack": pair(result.attack),
        "baseline": pair(result.baseline),
        "control": pair(result.control),
        "risk": result.risk.value,
        "risk_ci": interval(result.risk),
        "baseline_risk": result.baseline_risk.value,
        "baseline_risk_ci": interval(result.baseline_risk),
        "n_warnings": len(result.warnings),
    }
    if result.control is not None:
        ours["residual_unclipped"] = pair(residual_success(result.attack, result.control))
    return ours


def of_bind_value(entry: dict[str, Any]) -> dict[str, Any]:
    risk = Rate(entry["point"], entry["error"]).risk()
    return {"value": risk.value, "ci": interval(risk)}


COMPUTE = {
    "probit": of_probit,
    "success_rate": of_success_rate,
    "residual_success": of_residual_success,
    "evaluation": of_evaluation,
    "bind_value": of_bind_value,
}

INPUTS = {
    "probit": {"confidence"},
    "success_rate": {"n_total", "n_success", "confidence"},
    "residual_success": {"attack", "control"},
    "evaluation": {"n_attacks", "n_success", "n_baseline", "n_control", "confidence"},
    "bind_value": {"point", "error"},
}

CASES = [(kind, i, entry) for kind, entries in recorded().items() for i, entry in enumerate(entries)]


def agrees(ours: Any, value: Any) -> bool:
    if isinstance(value, list):
        return len(ours) == len(value) and all(agrees(a, b) for a, b in zip(ours, value, strict=True))
    if value is None or ours is None:
        return value is ours
    return abs(ours - value) <= TOLERANCE * abs(value) + ABSOLUTE


def outputs(kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The recorded outputs; of warnings only their number counts, the words are ours."""
    values = {key: value for key, value in entry.items() if key not in INPUTS[kind]}
    if "warnings" in values:
        values["n_warnings"] = len(values.pop("warnings"))
    return values


def disagreements(expected: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    return [key for key, value in expected.items() if key not in ours or not agrees(ours[key], value)]


def test_cases_are_recorded() -> None:
    assert CASES


@pytest.mark.parametrize(("kind", "i", "entry"), CASES, ids=[f"{kind}-{i}" for kind, i, _ in CASES])
def test_every_recorded_figure_is_reproduced(kind: str, i: int, entry: dict[str, Any]) -> None:
    assert disagreements(outputs(kind, entry), COMPUTE[kind](entry)) == []


def altered(value: Any) -> Any:
    if isinstance(value, list):
        return [altered(value[0]), *value[1:]]
    if value is None:
        return 0.5
    return value + 1 if isinstance(value, int) else value * 1.001 + 1e-9


def test_an_altered_figure_is_noticed() -> None:
    missed = []
    for kind, i, entry in CASES:
        expected, ours = outputs(kind, entry), COMPUTE[kind](entry)
        for key, value in expected.items():
            if not disagreements(expected | {key: altered(value)}, ours):
                missed.append((kind, i, key))
    assert missed == []
