"""Recall and misses by direct counting; what cannot be made is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from unpersonal.judges.copies import every_kind
from unpersonal.judges.panel import Enrolled
from unpersonal.judges.recall import Found, kind_figures, try_copies
from unpersonal.matching.base import Scores
from unpersonal.matching.kinds import KINDS, names

ROWS = np.arange(100, 140)


class Says:
    """Scores a query by its first pixel."""

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> None:
        return None

    def score(self, queries: np.ndarray, gallery: None, own: np.ndarray | None = None) -> Scores:
        return Scores(queries[:, 0, 0, 0].astype(np.float32), np.zeros(len(queries), int))


class Maker:
    """Copies of a row are flagged unless `missed` names the kind and the row; generated kinds cannot be made."""

    def __init__(self, missed: dict[str, set[int]]) -> None:
        self.missed = missed

    def can_make(self, kind: Any) -> bool:
        return kind.make is not None

    def most(self, kind: Any) -> int | None:
        return 5 if kind.name == "half" else None

    def make(self, kind: Any, strength: float, rows: np.ndarray) -> np.ndarray:
        lost = self.missed.get(kind.named(strength), set())
        return np.array([0 if row in lost else 9 for row in rows], np.uint8)[:, None, None, None]


def tried(missed: dict[str, set[int]], others: int = 0) -> Found:
    panel = [Enrolled("says", Says(), None)]
    return try_copies(panel, {"says": 5.0}, Maker(missed), ROWS, others=others)  # type: ignore[arg-type]


def test_a_subject_is_missed_once_however_many_promised_copies_are():
    found = tried({"mirror": {100, 101}, "codec": {101, 102}, "half": {110}})
    figures = found.misses(0.95)
    assert (figures.subjects, figures.missed, figures.miss_rate) == (40, 3, 3 / 40)
    exact = binomtest(3, 40, alternative="less").proportion_ci(0.95, "exact").high
    assert figures.miss_rate_upper == pytest.approx(exact)
    promised = {kind.named(s) for kind in KINDS for s in kind.promised}
    assert found.promised == promised == set(found.flagged) and "half" not in found.flagged


def test_other_kinds_are_tried_on_the_first_subjects_and_what_cannot_be_made_is_named():
    found = tried({"half": {101}, "region 0.5": {100, 119, 120}}, others=20)
    assert set(found.flagged) | set(found.untried) == set(names())
    assert {name.split()[0] for name in found.untried} == {"re-noised", "over-fitted", "other-visit"}
    kinds = found.kinds()
    assert kinds["half"].subjects == 5 and kinds["half"].recall == 0.8
    assert kinds["region 0.5"].subjects == 20 and kinds["region 0.5"].recall == 0.9
    assert kinds["mirror"].subjects == 40 and kinds["mirror"].promised and not kinds["half"].promised


@pytest.mark.parametrize(
    ("hits", "total", "blind"), [(29, 29, False), (28, 28, True), (371, 400, False), (370, 400, True)]
)
def test_blind_is_a_lower_bound_under_nine_tenths(hits, total, blind):
    figures = kind_figures(np.arange(total) < hits, False)
    assert figures.blind is blind
    assert figures.recall_lower == pytest.approx(binomtest(hits, total, alternative="greater").proportion_ci(0.95).low)


def test_every_kind_at_every_strength():
    assert tuple(kind.named(strength) for kind, strength in every_kind()) == names()
    assert len(set(names())) == len(names())


class Asked(Says):
    """Sees copies whose first pixel is what it says, and counts what it was asked."""

    def __init__(self, sees: set[int]) -> None:
        self.sees, self.asked = sees, 0

    def score(self, queries: np.ndarray, gallery: None, own: np.ndarray | None = None) -> Scores:
        self.asked += len(queries)
        seen = np.isin(queries[:, 0, 0, 0], sorted(self.sees))
        return Scores(seen.astype(np.float32), np.zeros(len(queries), int))


def test_evidence_says_whom_to_ask_first_and_changes_nothing():
    """Whoever sees copies of a kind is asked first, if it costs little; the others about what it leaves."""
    missed = {"mirror": {100, 105}, "half": {103}}
    found, asked = [], []
    for evidence in (None, {name: np.array([[0.0] * 8, [1.0] * 8], np.float32) for name in names()}):
        poses, parts = Asked({0}), Asked({9})
        panel = [Enrolled("poses", poses, None), Enrolled("parts", parts, None)]
        levels = {"poses": 1.0, "parts": 1.0}
        got = try_copies(panel, levels, Maker(missed), ROWS, others=20, evidence=evidence)  # type: ignore[arg-type]
        found.append({name: flagged.tolist() for name, flagged in got.flagged.items()})
        asked.append((poses.asked, parts.asked))
    assert found[0] == found[1] and all(map(all, found[0].values()))
    # the dear one is asked about what the cheap one does not see
    assert asked[0] == asked[1] and asked[0][0] == 3 < asked[0][1]
    blind = {name: np.array([[1.0] * 8, [0.0] * 8], np.float32) for name in names()}
    poses, parts = Asked({0, 9}), Asked(set())
    panel = [Enrolled("parts", parts, None), Enrolled("poses", poses, None)]
    levels, evidence = {"parts": 1.0, "poses": 1.0}, {name: scores[::-1] for name, scores in blind.items()}
    try_copies(panel, levels, Maker({}), ROWS, evidence=evidence)  # type: ignore[arg-type]
    # a cheap one that sees nothing is asked last, and then nothing is left; but for kinds without evidence
    assert parts.asked == 0 and poses.asked > 0
