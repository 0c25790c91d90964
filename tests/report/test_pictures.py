"""Pictures are drawn from aggregates, and say in words what they show."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unpersonal.core.tensors import save_array
from unpersonal.report import pictures
from unpersonal.report.page import Element

from .example import AUDITED, SUMMARY


def alt(elements: list[Element]) -> str:
    """What the one chart says to whoever does not see it."""
    (chart,) = (each for each in elements if each.kind == "chart")
    found = re.match(r'<svg role="img" aria-label="([^"]+)"', chart.content)
    assert found and chart.text
    return found[1]


@pytest.mark.parametrize("people", [(400, 300), (40, 23), (12, 7)])
def test_every_bar_of_the_distances_holds_five_people(people: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    groups = [rng.normal(1, 0.2, count) for count in people]
    edges = pictures.common_edges(np.arange(0, 2, 0.05), groups)
    assert len(edges) >= 2
    for values in groups:
        counts = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)[0]
        assert counts.min() >= 5 and counts.sum() == len(values)


def test_no_end_of_the_distances_is_that_of_a_person(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for side, far in (("train", 7.123456), ("control", 0.0001234)):
        values = np.append(rng.normal(1, 0.1, 300), far)
        save_array(tmp_path / "audit" / f"{side}_distances.npy", np.sort(values).astype(np.float32))
    found = pictures.distances(tmp_path)
    assert "The middle person who was used is at 0.99" in alt(found)
    assert "7.1" not in re.sub(r'd="[^"]*"', "", found[0].content)
    for few in (np.ones(4, dtype=np.float32), np.zeros(0, dtype=np.float32)):
        save_array(tmp_path / "audit" / "train_distances.npy", few)
        assert pictures.distances(tmp_path) == []
    assert pictures.distances(tmp_path / "nowhere") == []


def test_people_who_are_all_as_far_give_no_picture(tmp_path: Path) -> None:
    for side in ("train", "control"):
        save_array(tmp_path / "audit" / f"{side}_distances.npy", np.ones(50, dtype=np.float32))
    assert pictures.distances(tmp_path) == []


def test_the_curve_stands_between_its_bounds() -> None:
    audit = AUDITED.figures.audit
    said = alt(pictures.membership_roc(audit))
    assert "accuses 5 of 100 other people it accuses 7 of 100 people who were used, between 5 of 100 and 9" in said
    assert pictures.membership_roc(replace(audit, roc=None)) == []
    assert pictures.membership_roc(replace(audit, roc=replace(audit.roc, points=audit.roc.points[:1]))) == []


def test_every_attack_stands_once_against_the_limit() -> None:
    audit = AUDITED.figures.audit
    said = alt(pictures.membership_forest(audit))
    assert said.startswith("2 attacks,") and "The strongest, likelihood, reached 53.0 and may reach 55.0." in said
    assert "The limit is 60." in said
    said = alt(pictures.isolation_forest(audit))
    assert "2 attacks" in said and "The limit is 10." in said
    assert alt(pictures.inference_forest(audit)).startswith("1 attack,")
    # predicates of a larger weight decide nothing
    wide = (*audit.isolation, replace(audit.isolation[0], name="isolation_larger_weight", weight=1e-3))
    assert "2 attacks" in alt(pictures.isolation_forest(replace(audit, isolation=wide)))
    for draw in (pictures.membership_forest, pictures.isolation_forest, pictures.inference_forest):
        assert draw(replace(audit, membership=None, isolation=None, inference=None)) == []
    assert "limit" not in alt(pictures.membership_forest(replace(audit, primary=None)))


def test_kinds_below_what_is_needed_are_named() -> None:
    audit, gate = AUDITED.figures.audit, SUMMARY.figures.gate
    assert "of 2 kinds; 90 of 100 are needed. Below it: rotation 20°." in alt(pictures.audit_recall(audit))
    assert pictures.audit_recall(replace(audit, kinds=None)) == []
    assert "Below it: " in alt(pictures.gate_recall(gate))
    few = {name: replace(kind, subjects=4) for name, kind in gate.kinds.items()}
    assert pictures.gate_recall(replace(gate, kinds=few)) == []


def test_a_judge_is_drawn_on_a_coarse_grid() -> None:
    steps = np.linspace(0, 1, 1001)
    chart = pictures.judges_roc("x", {"a": (steps, np.sqrt(steps))}, "Judge")
    assert "a: area 0.667" in alt([chart])
    longest = max(path.count(" L") + path.count("\nL") for path in re.findall(r'd="[^"]*"', chart.content))
    assert longest <= len(pictures.GRID)
