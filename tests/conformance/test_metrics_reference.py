"""Every figure recorded under metrics/, recomputed by replaying the recorded random choices.

Cases, sizes, orders and values of k come from the files. `UNPERSONAL_REFERENCE` names the folder; without it the subset
that the repository carries is used.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from unpersonal.metrics.generative.authpct import authpct
from unpersonal.metrics.generative.ct import COMPONENTS, ct, z_score
from unpersonal.metrics.generative.fid import frechet_distance
from unpersonal.metrics.generative.irs import (
    RetrievalScore,
    irs_adjusted,
    log_probability,
    log_stirling2,
    log_stirling2_row,
    solve_irs,
)
from unpersonal.metrics.generative.kid import kid, kid_subset_size, mmd2_unbiased
from unpersonal.metrics.generative.prdc import prdc
from unpersonal.metrics.generative.support import support_fraction
from unpersonal.metrics.generative.vendi import vendi
from unpersonal.metrics.neighbours import nearest

TOLERANCE = 1e-4
COUNTED = 1e-6
"""Shares and counts are exact up to the float32 in which some were recorded."""

NOT_FIGURES = ("numpy_seed", "torch_seed")
"""Seeds of the reference's own generators; the choices they led to are recorded and replayed instead."""


NO_NUMBER = "no number"
"""Our z of a cell of C_T that lacks rows of one set. Programs write a filler, 0 or null, which then must be it."""

FILLERS = (None, 0.0)


def folder() -> Path:
    """The folder of the recorded metrics; a missing one is a failure, not a skip."""
    default = Path(__file__).parents[1] / "data" / "reference"
    path = Path(os.environ.get("UNPERSONAL_REFERENCE") or default) / "metrics"
    assert path.is_dir(), f"no recorded metrics in {path}"
    return path


@cache
def recorded() -> dict[str, Any]:
    return json.loads((folder() / "values.json").read_text())


@cache
def irs_tables() -> dict[str, Any]:
    return json.loads((folder() / "irs_tables.json").read_text())


def least_term() -> float:
    """The term at which the recorded program ended the sum of a tail."""
    return float(irs_tables()["prob_tolerance"])


@cache
def features() -> dict[str, np.ndarray]:
    return load_file(folder() / "features.safetensors")


@cache
def choices() -> dict[str, np.ndarray]:
    with np.load(folder() / "indices.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(str(key), item) for key, item in enumerate(value)]
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in items:
        flat |= flatten(item, f"{prefix}/{key}" if prefix else key)
    return flat


class Case:
    """One recorded case: its three feature sets, its recorded choices and values."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values = recorded()[name]
        self.train, self.test, self.synth = (
            features().get(f"{name}.{which}", features().get(f"base.{which}")).astype(np.float64)
            for which in ("train", "test", "synth")
        )

    def choice(self, what: str) -> np.ndarray | None:
        return choices().get(f"{self.name}.{what}")

    def reference(self, side: str) -> np.ndarray:
        return self.train if side == "train" else self.test

    def sampled(self, side: str) -> np.ndarray:
        rows = self.test if side == "test" else self.synth
        subset = self.choice(f"irs_{side}_subset")
        return rows if subset is None else rows[subset]


def retrieval(case: Case) -> dict[str, Any]:
    """Nearest rows, their agreement with the recorded ones, and the score from the recorded ones."""
    figures: dict[str, Any] = {}
    scores: dict[str, RetrievalScore] = {}
    for side in ("test", "synth"):
        hit, first = nearest(case.sampled(side), case.train)
        expected = case.choice(f"irs_nearest_train_of_{side}")
        assert expected is not None
        figures[f"irs_argmin_float64_agrees/{side}"] = bool(np.array_equal(hit, expected))
        gaps = []
        for query, row, distance in zip(case.sampled(side), hit, first, strict=True):
            second = np.delete(np.linalg.norm(case.train - query, axis=1), row).min()
            gaps.append(1.0 - (distance / second) ** 2)
        figures[f"irs_min_relative_gap_to_second/{side}"] = min(gaps)
        counts = case.train.shape[0], expected.size, np.unique(expected).size
        score = scores[side] = solve_irs(*counts, tail=irs_tables()["alpha_e"], least_term=least_term())
        named = f"irs/{'snth' if side == 'synth' else side}"
        figures |= {
            f"{named}/n_train": score.n_train,
            f"{named}/n_sampled": score.n_sampled,
            f"{named}/k_measured": score.k_measured,
            f"{named}/alpha": score.irs_alpha,
            f"{named}/irs_alpha": score.irs_alpha,
            f"{named}/irs_inf": score.irs_inf,
            f"{named}/irs_inf_l": score.irs_inf_lower,
            f"{named}/irs_inf_u": score.irs_inf_upper,
            f"{named}/k_pred_inf": score.k_pred_inf,
            f"irs_n_learned_exact/{side}": score.n_learned,
        }
    figures["irs/irs_adjusted"] = irs_adjusted(scores["synth"], scores["test"])
    figures["support_fraction/train_vs_synth"] = support_fraction(case.train, case.synth)
    figures["support_fraction/test_vs_synth"] = support_fraction(case.test, case.synth)
    return figures


def distances(case: Case) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for side in ("train", "test"):
        reference = case.reference(side)
        gap = frechet_distance(reference, case.synth)
        for component in ("fid", "mean", "var", "cov"):
            figures[f"fid/fid_{side}/{component}"] = getattr(gap, component)
        figures[f"fid_float64_check/{side}"] = gap.fid
        result = kid(
            reference,
            case.synth,
            reference_subsets=case.choice(f"kid_{side}_ref_subsets"),
            synthetic_subsets=case.choice(f"kid_{side}_synth_subsets"),
        )
        figures[f"kid/kid_{side}"] = figures[f"kid_float64_mean/{side}"] = result.kid
        figures[f"kid_std/{side}"] = result.std
        figures[f"kid_subset_size/{side}"] = kid_subset_size(reference.shape[0], case.synth.shape[0])
        assert result.subset_size == figures[f"kid_subset_size/{side}"]
        figures |= {f"kid_first5_subsets/{side}/{i}": value for i, value in enumerate(result.per_subset)}
        m = min(reference.shape[0], case.synth.shape[0])
        figures[f"kid_single_firstm/{side}/m"] = m
        figures[f"kid_single_firstm/{side}/mmd2_unbiased"] = mmd2_unbiased(reference[:m], case.synth[:m])
    return figures


def neighbourhoods(case: Case) -> dict[str, Any]:
    subsets = {"real_subset": case.choice("prdc_train_subset"), "synthetic_subset": case.choice("prdc_synth_subset")}
    figures: dict[str, Any] = {}
    for name, neighbours in [("prdc_train_k5", 5), ("prdc_float64_check", 5)] + [
        (f"prdc_extra/{key}", int(key.removeprefix("k"))) for key in case.values.get("prdc_extra", {})
    ]:
        figures |= flatten(vars(prdc(case.train, case.synth, k=neighbours, **subsets)), name)
    if case.test.shape[0] == case.synth.shape[0]:
        figures |= flatten(vars(prdc(case.test, case.synth)), "prdc_test_k5")
    percentage = authpct(case.train, case.synth)
    figures["authpct_minus50"] = percentage - 50.0
    figures["authpct_percent_authentic"] = figures["authpct_percent_float64_check"] = percentage
    return figures


def copying(case: Case) -> dict[str, Any]:
    cells = tuple(case.choice(f"ct_cell_of_{which}") for which in ("train", "test", "synth"))
    result = ct(case.train, case.test, case.synth, cells=cells)  # type: ignore[arg-type]
    return {
        "ct/value": result.value,
        "ct/cells": len(result.used),
        "ct/tau": 20 / case.synth.shape[0],
        "ct/pca_to_64": case.train.shape[1] > COMPONENTS,
        "ct_single_cell_zu": z_score(case.train, case.test, case.synth),
        **flatten([NO_NUMBER if z is None else z for z in result.z_per_cell], "ct/zu_per_cell"),
        **flatten(list(result.test_share), "ct/test_fraction_per_cell"),
        **flatten(list(result.synthetic_share), "ct/synth_fraction_per_cell"),
        **flatten(list(result.train_share), "ct/train_fraction_per_cell"),
    }


def diversity(case: Case) -> dict[str, Any]:
    figures = {}
    for which, rows in (("train", case.train), ("test", case.test), ("synth", case.synth)):
        key = "snth" if which == "synth" else which
        figures[f"vendi/vendi_{key}"] = figures[f"vendi_float64_check/{key}"] = vendi(rows)
    for order in case.values.get("vendi_synth_other_orders_float64", {}):
        figures[f"vendi_synth_other_orders_float64/{order}"] = vendi(case.synth, float(order))
    return figures


@cache
def measured(name: str) -> dict[str, Any]:
    """Our value of every figure that a case may record, by its path in values.json."""
    case = Case(name)
    sizes = {"train": case.train.shape[0], "test": case.test.shape[0], "synth": case.synth.shape[0]}
    figures = flatten(sizes | {"dim": case.train.shape[1]}, "sizes")
    for figures_of in (retrieval, distances, neighbourhoods, copying, diversity):
        figures |= figures_of(case)
    return figures


def scale(path: str, expected: dict[str, Any]) -> float:
    """What 1e-4 is relative to: the value, or for a KID estimate, whose zero means nothing, its spread at least."""
    value = abs(float(expected[path]))
    if path.startswith(("kid/", "kid_float64_mean/", "kid_first5_subsets/", "kid_single_firstm/")):
        side = "train" if "train" in path else "test"
        return max(value, float(expected[f"kid_std/{side}"]))
    return value


def is_counted(path: str) -> bool:
    if "gap" in path:
        return False
    return path.startswith(("prdc", "irs", "support", "authpct")) or "_fraction_per_cell" in path


def disagreements(expected: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Recorded figures that we do not reproduce; a figure we know nothing of is one too."""
    wrong = []
    for path, value in expected.items():
        if path.endswith(NOT_FIGURES):
            continue
        if path not in ours:
            wrong.append(f"{path}: recorded, but not computed")
        elif ours[path] == NO_NUMBER:
            if value not in FILLERS and value == value:
                wrong.append(f"{path}: recorded {value} where there is no number")
        elif isinstance(value, (bool, int)):
            if ours[path] != value:
                wrong.append(f"{path}: recorded {value}, ours {ours[path]}")
        elif value is None or ours[path] is None:
            if value is not ours[path]:
                wrong.append(f"{path}: recorded {value}, ours {ours[path]}")
        else:
            tolerance = (COUNTED if is_counted(path) else TOLERANCE) * scale(path, expected)
            if not abs(ours[path] - value) <= tolerance + 1e-12:
                wrong.append(f"{path}: recorded {value}, ours {ours[path]}")
    return wrong


def altered(value: Any) -> Any:
    if value is None:
        return 0.0
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value * 1.001 if value else 0.001


def test_cases_are_recorded() -> None:
    assert recorded(), "values.json holds no case"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(recorded()))
def test_every_recorded_figure_is_reproduced(name: str) -> None:
    assert disagreements(flatten(recorded()[name]), measured(name)) == []


@pytest.mark.parametrize("name", sorted(recorded()))
def test_an_altered_figure_is_noticed(name: str) -> None:
    expected = flatten(recorded()[name])
    missed = []
    for path, value in expected.items():
        # The tolerance of a KID estimate is relative to its spread, so that is what it is moved by.
        step = 0.001 * scale(path, expected) if path.startswith("kid") and isinstance(value, float) else None
        changed = expected | {path: value + step if step else altered(value)}
        if not path.endswith(NOT_FIGURES) and not disagreements(changed, measured(name)):
            missed.append(path)
    assert missed == []


@pytest.mark.parametrize("name", sorted(recorded()))
def test_an_altered_feature_is_noticed(name: str) -> None:
    case = Case(name)
    case.synth = case.synth + 0.05
    assert disagreements(flatten(recorded()[name]), measured(name) | distances(case))


@pytest.mark.parametrize(("value", "is_one"), [(0.0, True), (None, True), (float("nan"), True), (0.001, False)])
def test_where_a_cell_is_empty_a_filler_is_recorded(value: float | None, is_one: bool) -> None:
    name = "ct/zu_per_cell/0"
    assert (not disagreements({name: value}, {name: NO_NUMBER})) == is_one


def irs_disagreements(entry: dict[str, Any], tail: float) -> list[str]:
    counts = entry["n_train"], entry["n_sampled"], entry["k"]
    score, true = solve_irs(*counts, tail=tail, least_term=least_term()), solve_irs(*counts, tail=tail)
    ours = {
        "irs_alpha": score.irs_alpha,
        "irs_inf": score.irs_inf,
        "irs_inf_lower": score.irs_inf_lower,
        "irs_inf_upper": score.irs_inf_upper,
        "n_learned": score.n_learned,
        "n_lower": score.n_lower,
        "n_upper": score.n_upper,
        "k_pred_inf_as_reported": score.k_pred_inf,
    }
    wrong = [
        f"{key}: {entry[key]} recorded, {value} ours"
        for key, value in ours.items()
        if abs(entry.get(key, value) - value) > 1e-12
    ]
    exact = entry.get("exact", {})
    wrong += [
        f"exact {key}: {value} recorded, {getattr(true, key)} ours"
        for key, value in exact.items()
        if getattr(true, key) != value
    ]
    if "log_prob_at_n_learned" in entry:
        value = entry["log_prob_at_n_learned"]
        log_p = log_probability(entry["n_sampled"], entry["k"], score.n_learned, approximate=True)
        # ln P is a difference of terms near n ln n, so the recorded number carries 1e-9 of rounding noise too.
        if not abs(log_p - value) <= TOLERANCE * abs(value) + 1e-9:
            wrong.append(f"log_prob_at_n_learned: {value} recorded, {log_p} ours")
    return wrong


def test_irs_solver_table() -> None:
    tables = irs_tables()
    assert tables["irs_table"]
    wrong = {
        (entry["n_train"], entry["n_sampled"], entry["k"]): found
        for entry in tables["irs_table"]
        if (found := irs_disagreements(entry, tables["alpha_e"]))
    }
    assert wrong == {}


@pytest.mark.slow
def test_an_altered_irs_entry_is_noticed() -> None:
    tables = irs_tables()
    for entry in tables["irs_table"]:
        for key in entry.keys() - {"n_train", "n_sampled", "k", "seconds", "reference", "exact"}:
            changed = entry | {key: altered(entry[key])}
            if key != "log_prob_at_n_learned" or abs(entry[key]) > 1e-5:
                assert irs_disagreements(changed, tables["alpha_e"]), (key, entry)
        for key, value in entry.get("exact", {}).items():
            assert irs_disagreements(entry | {"exact": {key: value + 1}}, tables["alpha_e"]), (key, entry)


def test_log_stirling_table() -> None:
    table = irs_tables()["log_stirling2"]
    assert table
    for entry in table:
        assert float(log_stirling2(entry["n"], entry["k"])) == pytest.approx(entry["approx"], rel=TOLERANCE, abs=1e-9)
        assert log_stirling2_row(entry["n"])[entry["k"]] == pytest.approx(entry["exact"], rel=TOLERANCE, abs=1e-9)
