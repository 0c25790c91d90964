"""The veto: any matcher, NaN, an exception or a missing threshold refuses, and nothing takes a refusal back."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unpersonal.core.errors import InputError
from unpersonal.judges.panel import Enrolled
from unpersonal.matching.base import Scores, flags
from unpersonal.synthesis.gate import Gate, open_gate

CANDIDATES = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 1, 4, 4), np.uint8)


@pytest.mark.parametrize("score", [1.0, 1.5, np.nan, np.inf, -np.inf])
def test_what_is_not_strictly_below_the_threshold_is_flagged(score):
    assert flags(np.array([score, 0.5]), 1.0).tolist() == [True, False]


@pytest.mark.parametrize("threshold", [np.nan, np.inf, -np.inf])
def test_a_threshold_that_is_not_finite_flags_everything(threshold):
    assert flags(np.array([-5.0, 0.0]), threshold).all()


@dataclass(frozen=True)
class Scripted:
    """A matcher that says what it was told to; the candidates are told apart by their first pixel."""

    scores: tuple[Any, ...]

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> None:
        return None

    def score(self, queries: np.ndarray, gallery: None, own: np.ndarray | None = None) -> Scores:
        which = queries[:, 0, 0, 0].astype(int)
        return Scores(np.array(self.scores, np.float32)[which], np.full(len(queries), 7))


class Broken(Scripted):
    """Raises, gives too few scores, or changes what it is given."""

    def score(self, queries: np.ndarray, gallery: None, own: np.ndarray | None = None) -> Scores:
        return broken(self.scores[0], queries)


def broken(kind: Any, queries: np.ndarray) -> Scores:
    if kind == "raises":
        raise RuntimeError("somebody's mistake")
    if kind == "short":
        return Scores(np.zeros(len(queries) - 1, np.float32), np.zeros(len(queries) - 1, np.int64))
    queries[:] = 255
    return Scores(np.zeros(len(queries), np.float32), np.zeros(len(queries), np.int64))


def gate(*others: Scripted, threshold: float = 1.0) -> Gate:
    named = {"re-identifier": Scripted((0, 0, 5, 0, 0)), **{f"theirs {i}": other for i, other in enumerate(others)}}
    panel = [Enrolled(name, matcher, None) for name, matcher in named.items()]
    return Gate(panel, {"re-identifier": 1.0, **{f"theirs {i}": threshold for i in range(len(others))}})


def test_a_candidate_is_refused_if_any_matcher_flags_it_and_the_re_identifier_gives_the_score():
    alone = gate().rule(CANDIDATES)
    assert alone.flagged.tolist() == [False, False, True, False, False] and (alone.nearest == 7).all()
    both = gate(Scripted((0, 2, -9, 0, 0)), Scripted((0, 0, -9, 0, 3))).rule(CANDIDATES)
    assert both.flagged.tolist() == [False, True, True, False, True]
    np.testing.assert_array_equal(both.score, alone.score)
    assert both.by.tolist() == [-1, 1, 0, -1, 2]


def test_what_a_matcher_cannot_tell_is_refused():
    unsure = gate(Scripted((0, np.nan, 0, np.inf, -np.inf))).rule(CANDIDATES)
    assert unsure.flagged.tolist() == [False] + [True] * 4
    assert gate(Scripted((0,) * 5), threshold=float("nan")).rule(CANDIDATES).flagged.all()


@pytest.mark.parametrize("kind", ["raises", "short"])
@pytest.mark.parametrize("last", [True, False])
def test_a_matcher_that_fails_refuses_everything_and_says_so(kind, last, capsys):
    others = [Broken((kind,)), *(() if last else (Scripted((0,) * 5),))]
    ruling = gate(*others).rule(CANDIDATES)
    assert ruling.flagged.all() and ruling.score.tolist() == [0, 0, 5, 0, 0]
    said = " ".join("".join(capsys.readouterr()).split())
    assert "theirs" in said and "5 refused" in said


def test_a_matcher_cannot_change_what_the_others_see_or_what_is_released():
    before = CANDIDATES.copy()
    ruling = gate(Broken(("changes",)), Scripted((0, 2, 0, 0, 0))).rule(CANDIDATES)
    np.testing.assert_array_equal(CANDIDATES, before)
    assert ruling.flagged.tolist() == [False, True, True, False, False]


def test_a_mistake_of_the_re_identifier_ends_the_run():
    for others in ((), (Enrolled("theirs", Scripted((0,) * 5), None),)):
        panel = [Enrolled("re-identifier", Broken(("raises",)), None), *others]
        with pytest.raises(InputError, match="somebody's mistake"):
            Gate(panel, {"re-identifier": 1.0, "theirs": 1.0}).rule(CANDIDATES)


def test_a_gate_of_other_matchers_than_those_that_were_calibrated_is_refused():
    clean, names = Scripted((0, 0, 0, 0, 0)), ("re-identifier", "known")

    def opened(*loaded: str) -> Gate:
        rates = {name: SimpleNamespace(threshold=1.0) for name in names}
        judges = SimpleNamespace(
            reidentifier=clean,
            matchers=dict.fromkeys(loaded, clean),
            gate=SimpleNamespace(threshold=1.0, matchers=rates),
        )
        return open_gate(judges, CANDIDATES, np.array(list("abcde")))

    assert not opened("known").rule(CANDIDATES).flagged.any()
    for loaded in ((), ("known", "more"), ("other",)):
        with pytest.raises(InputError, match="calibrated with known, re-identifier"):
            opened(*loaded)


def test_a_matcher_without_a_threshold_flags_everything():
    panel = [Enrolled(name, Scripted((0,) * 5), None) for name in ("re-identifier", "forgotten")]
    assert Gate(panel, {"re-identifier": 1.0}).rule(CANDIDATES).flagged.all()
