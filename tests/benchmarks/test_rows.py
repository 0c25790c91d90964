from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rows import Rows, study_key, told
from unpersonal.core.errors import InputError


def test_a_row_that_is_there_is_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    calls: list[int] = []

    def work() -> dict[str, int]:
        calls.append(1)
        return {"value": len(calls)}

    first = Rows(path, study="a").measured(work, volume=10)
    assert first["value"] == 1 and first["seconds"] >= 0
    assert Rows(path, study="a").measured(work, volume=10) == first
    assert Rows(path, study="a").measured(work, volume=20)["value"] == 2
    assert Rows(path, study="b").measured(work, volume=10)["value"] == 3


def test_a_line_that_a_kill_cut_off_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = Rows(path)
    rows.measured(lambda: {"value": 1}, name="a")
    rows.measured(lambda: {"value": 2}, name="b")
    path.write_bytes(path.read_bytes()[:-9])
    again = Rows(path)
    assert again.measured(lambda: {"value": 9}, name="a")["value"] == 1
    assert again.measured(lambda: {"value": 8}, name="b")["value"] == 8
    assert [Rows(path).measured(dict, name=name)["value"] for name in ("a", "b")] == [1, 8]
    path.write_text("something else\n", encoding="utf-8")
    with pytest.raises(InputError, match="file of rows"):
        Rows(path)


def test_the_key_of_a_study_follows_its_files(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1", encoding="utf-8")
    first = study_key(tmp_path, "one")
    assert first == study_key(tmp_path, "one")
    (tmp_path / "one").write_text("2", encoding="utf-8")
    assert first != study_key(tmp_path, "one")


def test_figures_that_are_not_known_are_told_so() -> None:
    assert told([0.5, None, 0.6]) == "0.500 (not known, 0.600)"
    assert told(None) == "not known" and told(12.34, 1) == "12.3"
