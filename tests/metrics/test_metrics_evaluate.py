"""All figures at once: finite or None with a reason, deterministic, and pointing the right way."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from unpersonal.metrics.evaluate import evaluate


def gaussian(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def leaves(value: Any) -> list[Any]:
    return [leaf for item in value.values() for leaf in leaves(item)] if isinstance(value, dict) else [value]


@pytest.mark.parametrize(
    ("sizes", "d"), [((60, 20, 20), 8), ((60, 20, 20), 64), ((5, 5, 20), 3), ((1, 1, 1), 2), ((150, 150, 150), 70)]
)
def test_figures_are_finite_or_explained(sizes: tuple[int, int, int], d: int) -> None:
    figures = evaluate(*(gaussian(i, n, d) for i, n in enumerate(sizes)), seed=1)
    json.dumps(figures, allow_nan=False)
    for key, value in figures.items():
        if value is None:
            assert figures["notes"][key]
        elif key != "notes":
            assert all(isinstance(leaf, (int, float)) for leaf in leaves(value))
    if min(sizes) >= 20:
        missing = {key for key, value in figures.items() if value is None}
        assert missing <= {"ct"}


def test_constant_features_do_not_break_it() -> None:
    figures = evaluate(np.ones((30, 4)), np.ones((25, 4)), np.ones((25, 4)), seed=0)
    json.dumps(figures, allow_nan=False)
    assert figures["fid"] == pytest.approx(0.0, abs=1e-9)
    assert figures["vendi_synthetic"] == pytest.approx(1.0)


def test_zero_features_are_explained() -> None:
    figures = evaluate(np.zeros((30, 4)), np.zeros((25, 4)), np.zeros((25, 4)), seed=0)
    assert figures["vendi_train"] is None
    assert "zero" in figures["notes"]["vendi_train"]


def test_same_seed_same_figures() -> None:
    sets = [gaussian(i, n, 6) for i, n in enumerate((120, 70, 90))]
    assert evaluate(*sets, seed=4) == evaluate(*sets, seed=4)
    assert evaluate(*sets, seed=4) != evaluate(*sets, seed=5)


def test_copies_collapse_and_strangers_are_told_apart() -> None:
    train, test = gaussian(0, 300, 6), gaussian(1, 200, 6)
    fresh = evaluate(train, test, gaussian(2, 200, 6), seed=0, subjects_train=np.arange(300) // 3)
    copies = evaluate(train, test, train[:200], seed=0)
    collapsed = evaluate(train, test, train[:3].repeat(70, axis=0) + 0.01 * gaussian(3, 210, 6), seed=0)
    assert copies["authpct"] == 0.0
    assert copies["ct"] < -5 < fresh["ct"]
    assert fresh["irs_lower"] <= fresh["irs"] <= fresh["irs_upper"]
    assert 0.6 < fresh["irs"] < 1.5
    assert collapsed["irs"] < 0.2
    assert collapsed["vendi_synthetic"] < fresh["vendi_synthetic"]
    assert collapsed["fid"] > 3 * fresh["fid"]
    assert fresh["n_subjects_train"] == 100
    assert 0 < fresh["support_subjects_train"] <= 1


def test_import_is_light() -> None:
    code = (
        "import sys, unpersonal.metrics as m\n"
        "heavy = {'torch', 'sklearn', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert m.auroc([0, 1], [False, True]) == 1.0\n"
        "assert all(callable(getattr(m, name)) for name in m.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
