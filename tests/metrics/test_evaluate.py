"""All figures at once: finite or None with a reason, deterministic, and pointing the right way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unpersonal.metrics.evaluate import KNOWN, evaluate
from unpersonal.metrics.registry import METRICS


def gaussian(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def leaves(value: Any) -> list[Any]:
    return [leaf for item in value.values() for leaf in leaves(item)] if isinstance(value, dict) else [value]


@pytest.mark.parametrize(
    ("sizes", "d"), [((60, 20, 20), 8), ((60, 20, 20), 64), ((5, 5, 20), 3), ((1, 1, 1), 2), ((150, 150, 150), 70)]
)
def test_figures_are_finite_or_explained(sizes: tuple[int, int, int], d: int) -> None:
    figures = evaluate(*(gaussian(i, n, d) for i, n in enumerate(sizes)), seed=1).to_json()
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
    figures = evaluate(np.ones((30, 4)), np.ones((25, 4)), np.ones((25, 4)), seed=0).to_json()
    json.dumps(figures, allow_nan=False)
    assert figures["fid"] == pytest.approx(0.0, abs=1e-9)
    assert figures["vendi_synthetic"] == pytest.approx(1.0)


def test_zero_features_are_explained() -> None:
    figures = evaluate(np.zeros((30, 4)), np.zeros((25, 4)), np.zeros((25, 4)), seed=0).to_json()
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
    assert copies.authpct == 0.0
    assert copies.ct < -5 < fresh.ct
    assert fresh.irs_lower <= fresh.irs <= fresh.irs_upper
    assert 0.6 < fresh.irs < 1.5
    assert collapsed.irs < 0.2
    assert collapsed.vendi_synthetic < fresh.vendi_synthetic
    assert collapsed.fid > 3 * fresh.fid
    assert fresh.n_subjects_train == 100
    assert 0 < fresh.support_subjects_train <= 1


PLUGIN = """
from unpersonal.core.config import Config

class Options(Config):
    factor: float = 2.0

class Metric:
    config, keys, needs = Options, ("rows", "width"), ()

    def compute(self, sets, options):
        return {"rows": options.factor * len(sets.synthetic), "width": WIDTH}

PART = Metric()
"""


def with_plugin(options: dict[str, Any], **more: Any) -> dict[str, Any]:
    sets = [gaussian(i, 30, 3) for i in range(3)]
    return evaluate(*sets, seed=0, plugins={"theirs": options}, **more).to_json()


def test_a_plugin_appears_under_its_name_and_changes_no_other_figure(offer: Callable[..., None]) -> None:
    offer("metric", "theirs", PLUGIN.replace("WIDTH", "len(sets.train[0])"))
    found = with_plugin({"factor": 3})
    assert found.pop("by_metric") == {"theirs": {"rows": 90.0, "width": 3.0}}
    assert found == evaluate(*(gaussian(i, 30, 3) for i in range(3)), seed=0).to_json()


@pytest.mark.parametrize(
    ("code", "figures", "note"),
    [
        ("float('nan')", {"rows": 60.0, "width": None}, "not finite"),
        ("1 / 0", None, "ZeroDivisionError"),
        ("'wide'", None, "failed"),
    ],
)
def test_a_plugin_that_fails_costs_its_own_figure_alone(
    offer: Callable[..., None], code: str, figures: dict[str, Any] | None, note: str
) -> None:
    offer("metric", "theirs", PLUGIN.replace("WIDTH", code))
    found = with_plugin({})
    assert found["by_metric"] == {"theirs": figures} and found["fid"] > 0
    assert any(note in text for key, text in found["notes"].items() if key.startswith("theirs"))


def test_a_plugin_is_given_what_it_needs_or_left_out(offer: Callable[..., None]) -> None:
    offer(
        "metric", "theirs", PLUGIN.replace("WIDTH", "len(set(sets.subjects_train))").replace("()", '("subjects",)', 1)
    )
    assert with_plugin({}, subjects_train=np.arange(30) // 3)["by_metric"] == {"theirs": {"rows": 60.0, "width": 10.0}}
    without = with_plugin({})
    assert without["by_metric"] == {"theirs": None} and "subjects" in without["notes"]["theirs"]


def test_every_metric_of_ours_has_figures_of_its_own_name() -> None:
    keys = [key for metric in METRICS for key in metric.keys]
    assert len(set(keys)) == len(keys) and set(keys) <= KNOWN


def test_import_is_light() -> None:
    code = (
        "import sys, unpersonal.metrics as m\n"
        "heavy = {'torch', 'sklearn', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert m.auroc([0, 1], [False, True]) == 1.0\n"
        "assert all(callable(getattr(m, name)) for name in m.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_metric_of_ours_without_a_figure_of_its_own_stands_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one file adds a metric."""
    folder = tmp_path / "more_metrics"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "brand_new.py").write_text(PLUGIN.replace("WIDTH", "3").replace("PART", "METRIC"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(METRICS._ours, "brand-new", "more_metrics.brand_new")
    figures = evaluate(*(gaussian(i, 30, 3) for i in range(3)), seed=0)
    assert figures.by_metric == {"brand-new": {"rows": 60.0, "width": 3.0}}
