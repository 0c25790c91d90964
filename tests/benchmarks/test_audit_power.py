"""Small versions of the tables of the audit's power."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import audit_tables, audit_verdicts
from benchmarks.audit import least_p
from benchmarks.audit_bench import Bench, Remembering, verdict_of
from benchmarks.audit_bounds import isolated_bound, membership_bounds, within
from benchmarks.audit_kinds import found_copies, released_of_kind
from benchmarks.audit_tables import Options, phantoms, verdict_row
from benchmarks.rows import Rows
from unpersonal.audit.attack import SubjectScores
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.target import make_target
from unpersonal.matching.base import Scores
from unpersonal.matching.kinds import kind

TRIALS = 200


@dataclass
class Counting:
    """A matcher whose score is the negative distance of mean grey values; counts the queries it was asked."""

    asked: int = 0

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and subjects."""
        return images.mean(axis=(1, 2, 3)), subjects

    def score(
        self, queries: np.ndarray, gallery: tuple[np.ndarray, np.ndarray], own: np.ndarray | None = None
    ) -> Scores:
        """See `Matcher.score`."""
        self.asked += len(queries)
        means, subjects = gallery
        apart = -np.abs(queries.mean(axis=(1, 2, 3))[:, None] - means[None])
        if own is not None:
            apart[np.asarray(own)[:, None] == subjects[None]] = -1e3
        return Scores(apart.max(axis=1).astype(np.float32), apart.argmax(axis=1))


@pytest.fixture(scope="module")
def bench() -> Bench:
    return phantoms(40, Options((40,), 1, 60, 32, 80, None), 80)


def test_a_remembering_matcher_scores_as_the_matcher_does_and_asks_it_once() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 1, 4, 4), dtype=np.uint8)
    subjects, queries = np.repeat(["c", "a", "b"], 4), images[::-1][:7].copy()
    plain, counted = Counting(), Counting()
    remembering = Remembering(counted)
    for order in (np.arange(12), rng.permutation(12)):
        for own in (None, np.repeat(["a"], 7)):
            expected = plain.score(queries, plain.enrol(images[order], subjects[order]), own)
            found = remembering.score(queries, remembering.enrol(images[order], subjects[order]), own)
            assert np.array_equal(found.score, expected.score) and np.array_equal(found.nearest, expected.nearest)
    assert counted.asked == 14


@pytest.mark.parametrize(("lam", "copies"), [(0.0, 1), (1.0, 60), (0.25, 120), (20.0, 5)])
def test_the_bound_of_isolated_people_holds_with_repeats(lam: float, copies: int) -> None:
    rng = np.random.default_rng(1)
    held = sum(isolated_bound(150, lam, copies, rng, 1e-4)[1] for _ in range(60))
    # binomial(60, 0.95) is below 50 with probability 0.0002; the former bound held 12 to 40 times
    assert held >= 50


def test_bounds_of_membership_hold() -> None:
    rng = np.random.default_rng(2)
    held = np.sum([membership_bounds(300, 0.2, rng) for _ in range(TRIALS)], axis=0)
    # binomial(200, 0.95) is below 179 with probability 0.0005
    assert (held >= 179).all()


@pytest.mark.slow
def test_few_verbatim_copies_are_found_and_fresh_people_are_not(bench: Bench) -> None:
    rng = np.random.default_rng(3)
    assert all(found_copies(bench, 5, 1, 60, rng)[0] for _ in range(4))
    assert not any(found_copies(bench, 0, 1, 60, rng)[0] for _ in range(4))


@pytest.mark.slow
def test_a_null_release_does_not_fail_and_mirrored_copies_do(bench: Bench) -> None:
    train, control = bench.sides(np.random.default_rng(4))
    assert verdict_of(bench.audit(train, control, bench.spare[:60])) != "fail"
    _, first = np.unique(train.subjects, return_index=True)
    for name, part in (("mirror", 1.0), ("exact", 0.05)):
        released = released_of_kind(bench, kind(name), train.images[first], part, 5)
        assert verdict_of(bench.audit(train, control, released)) == "fail", name


def test_every_further_score_costs_passes() -> None:
    rng = np.random.default_rng(6)
    few, many = (sum(within(450, count, PROFILES["agreement"], rng) for _ in range(60)) for count in (1, 40))
    assert few >= 54 and many < few


def test_a_row_tells_all_verdicts() -> None:
    row = verdict_row("x", Counter({"fail": 1, "pass": 3}))
    assert row.startswith("| x | 4 | 25.0%") and "75.0%" in row and "| 0.0%" in row


def test_repetitions_are_kept_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    kept, asked = tmp_path / "kept.jsonl", []

    def measure(number: int) -> int:
        asked.append(number)
        return 10 * number

    def found(audits: int, until: float = float("inf")) -> list[int]:
        options = Options((40,), audits, 60, 32, 80, None, Rows(kept), until)
        return list(options.repetitions(["table", 40], measure))

    assert found(2) == [0, 10]
    with kept.open("a", encoding="utf-8") as stream:
        stream.write('["cut off')
    assert found(4, until=0.0) == [0, 10]
    assert found(3) == [0, 10, 20] and asked == [0, 1, 2]
    other = Options((40,), 1, 61, 32, 80, None, Rows(kept))
    assert list(other.repetitions(["table", 40], measure)) == [0] and asked == [0, 1, 2, 0]


def test_a_table_that_was_measured_is_printed_without_a_bench(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_verdicts, "phantoms", lambda *_: "a bench")
    monkeypatch.setattr(audit_tables, "judged", lambda *_: "inconclusive")
    options = Options((40,), 3, 60, 32, 80, None, Rows(tmp_path / "kept.jsonl"))
    audit_verdicts.alarms(options)
    first = capsys.readouterr().out
    monkeypatch.setattr(audit_verdicts, "phantoms", None)
    audit_verdicts.alarms(replace(options, rows=Rows(tmp_path / "kept.jsonl")))
    assert capsys.readouterr().out == first and "| 3 | 0.0%" in first


def test_scores_that_tell_train_people_have_a_small_p() -> None:
    people = [SubjectImages(np.zeros((40, 1, 8, 8), np.uint8), np.array([f"{s}{n}" for n in range(40)])) for s in "tc"]
    target = make_target(people[0], people[1], AuditConfig(permutations=999), 0)
    noise = np.random.default_rng(7).normal(size=80)
    told = [SubjectScores(noise, "a"), SubjectScores(noise - 2.0 * target.train, "b")]
    assert least_p(told, target) <= 0.005 < least_p(told[:1], target)
