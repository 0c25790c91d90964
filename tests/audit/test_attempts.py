"""The ledger of attempts: what counts as one, what survives, what is found when somebody touches it."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from unpersonal.audit.attempts import LEDGER, SHARED, Attempt, Ledger, remembered, shared_ledger, study_problems
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.profiles import ISOLATED
from unpersonal.audit.rows import PrimaryRow
from unpersonal.core.errors import InputError

FIRST = Attempt("people", "config", 1, "release")
ROW = PrimaryRow(
    name=ISOLATED, attack="isolation", value=0.2, lower=0.1, upper=0.3, margin=0.05, outcome="above", needed=None
)
FOUND = AuditFigures(
    verdict="fail",
    reasons=("x",),
    notes=(),
    advantage=0.2,
    advantage_upper=0.3,
    policy_upper=0.05,
    profile="open",
    tests=(),
    primary=(ROW,),
)


def try_once(path: Path, seed: int, figures: AuditFigures = FOUND) -> AuditFigures:
    ledger, attempt = Ledger(path), replace(FIRST, seed=seed)
    ledger.begin(attempt)
    return replace(figures, attempts=ledger.end(attempt, figures, "none", 0.02))


def test_every_other_audit_is_an_attempt_and_the_same_is_none(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    others = [replace(FIRST, **{name: value}) for name, value in (("seed", 2), ("config", "x"), ("release", "x"))]
    assert [ledger.begin(each) for each in (FIRST, FIRST, *others, others[1], FIRST)] == [1, 1, 2, 3, 4, 3, 1]
    assert len(ledger.links()) == 4 and ledger.problems() == []


def test_an_end_is_noted_once(tmp_path: Path) -> None:
    path = tmp_path / LEDGER
    told = try_once(path, 1).attempts
    data = path.read_bytes()
    assert try_once(path, 1).attempts == told and path.read_bytes() == data
    assert told.attempts == 1 and [each.event for each in told.ledger] == ["begun", "ended"]
    assert told.ledger[1].verdict == "fail" and told.ledger[1].bounds == {"isolated_people_upper": 0.3}


def test_nothing_that_may_be_told_has_seed_or_names(tmp_path: Path) -> None:
    told = json.dumps(try_once(tmp_path / LEDGER, 424242).attempts.to_json())
    assert "424242" not in told and '"people"' not in told
    assert "424242" in (tmp_path / LEDGER).read_text()


def test_people_count_apart_in_one_ledger(tmp_path: Path) -> None:
    path, other = tmp_path / LEDGER, replace(FIRST, people="others")
    assert Ledger(path, "people").begin(FIRST) == 1 and Ledger(path, "others").begin(other) == 1
    told = Ledger(path, "others").end(other, FOUND, "none", 0.02)
    assert told.attempts == 1 and {each.identity for each in told.ledger} == {other.identity}
    assert Ledger(path).begin(replace(FIRST, seed=5)) == 3


def begin(path: Path, seed: int) -> int:
    return Ledger(path).begin(replace(FIRST, seed=seed))


def test_writers_at_once_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / LEDGER
    with ProcessPoolExecutor(4) as pool:
        found = list(pool.map(begin, [path] * 24, range(24)))
    assert sorted(found) == list(range(1, 25)) and Ledger(path).problems() == []


def test_half_a_line_of_a_killed_process_is_none(tmp_path: Path) -> None:
    path = tmp_path / LEDGER
    try_once(path, 1)
    whole = path.read_bytes()
    for cut in (1, 40, len(whole.splitlines(keepends=True)[1]) - 1):
        path.write_bytes(whole + whole.splitlines(keepends=True)[1][:cut])
        assert Ledger(path).problems() == []
        assert Ledger(path).begin(replace(FIRST, seed=2)) == 2 and Ledger(path).problems() == []
        assert path.read_bytes().startswith(whole)


def test_the_seal_opens_for_one_release(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    ledger.begin(FIRST)
    assert not ledger.opened()
    assert ledger.unseal(FIRST) and ledger.opened() and ledger.unseal(replace(FIRST, config="y"))
    assert not ledger.unseal(replace(FIRST, release="other"))
    assert [each.event for each in ledger.links()] == ["begun", "opened"]


def test_a_ledger_that_was_shortened_says_so_for_ever(tmp_path: Path) -> None:
    path = tmp_path / LEDGER
    figures = [try_once(path, seed) for seed in range(3)][-1]
    known = remembered(figures.to_json())
    assert known == 3 and study_problems(tmp_path, figures) == []
    data = path.read_bytes()
    path.unlink()
    assert study_problems(tmp_path, figures)
    path.write_bytes(data)
    Ledger(path).begin(replace(FIRST, seed=8))
    assert study_problems(tmp_path, figures) == [f"{LEDGER}: it has other attempts than the audit tells of"]
    path.unlink()
    assert Ledger(path).begin(replace(FIRST, seed=9), known) == 1
    assert any("fewer attempts" in problem for problem in Ledger(path).problems())
    assert any("fewer attempts" in problem for problem in study_problems(tmp_path, try_once(path, 10)))


@pytest.mark.parametrize("what", ["last", "first", "verdict", "seed", "garbage"])
def test_what_somebody_did_to_the_ledger_is_found(tmp_path: Path, what: str) -> None:
    path = tmp_path / LEDGER
    figures = [try_once(path, seed) for seed in range(2)][-1]
    lines = path.read_text().splitlines(keepends=True)
    if what in ("last", "first"):
        lines.pop(-1 if what == "last" else 0)
    elif what == "garbage":
        lines[1] = "{\n"
    else:
        values = json.loads(lines[1])
        lines[1] = json.dumps({**values, what: "pass" if what == "verdict" else 77}) + "\n"
    path.write_text("".join(lines))
    assert study_problems(tmp_path, figures)
    if what == "garbage":
        with pytest.raises(InputError, match="broken"):
            Ledger(path).begin(FIRST)


def test_what_cannot_be_read_remembers_nothing() -> None:
    assert remembered(None) == remembered({}) == remembered({"attempts": {"attempts": "3"}}) == 0


def test_a_folder_in_its_place_is_the_inputs_fault(tmp_path: Path) -> None:
    (tmp_path / LEDGER).mkdir()
    with pytest.raises(InputError):
        Ledger(tmp_path / LEDGER).begin(FIRST)
    assert Ledger(tmp_path / LEDGER).problems()


def test_results_in_another_folder_begin_no_new_chain(tmp_path: Path) -> None:
    root = tmp_path / "audits"
    numbers = [
        shared_ledger(root / out, people).begin(replace(FIRST, people=people, seed=seed))
        for out, people, seed in (("a", "x", 1), ("b", "x", 2), ("c", "y", 1), ("a", "x", 3), ("a/../d", "x", 4))
    ]
    assert numbers == [1, 2, 1, 3, 4] and [path.name for path in root.iterdir()] == [SHARED]


def test_a_ledger_within_the_results_goes_on_where_there_is_none_beside_them(tmp_path: Path) -> None:
    out = tmp_path / "moved" / "out"
    Ledger(out / LEDGER, "people").begin(FIRST)
    assert shared_ledger(out, "people").path == out / LEDGER
    assert shared_ledger(out, "people").begin(replace(FIRST, seed=2)) == 2
    Ledger(out.parent / SHARED, "people").begin(FIRST)
    assert shared_ledger(out, "people").path == out.parent / SHARED


def test_where_nothing_can_be_written_beside_the_results_the_ledger_is_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert shared_ledger(tmp_path / "out", "people").path == tmp_path / "out" / LEDGER
