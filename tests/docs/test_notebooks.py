"""Every cell of every notebook is run as it is checked in, and none tells of the machine it was written on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
RUN_ELSEWHERE = {"use_a_release.ipynb"}
"""Needs a release to begin with: `tests/release/test_recipient.py` runs it."""
SMALLER = {"audit_a_dataset.ipynb": ("people = 40", "people = 20")}
"""A line of a notebook, and what stands in its place here; every other line is run as it is."""
TELLS = {"first_release.ipynb": "limits are looser", "audit_a_dataset.ipynb": "fail"}
"""What a notebook must have printed in the end."""
MACHINE = re.compile(r"/(home|root|Users|work|tmp|mnt|data)/|[A-Z]:\\\\|file://")


def cells(path: Path) -> list[Any]:
    notebook: Any = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return list(notebook.cells)


@pytest.fixture
def bare_figures() -> Iterator[None]:
    """No window is opened, and no figure stays."""
    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    yield
    matplotlib.pyplot.close("all")
    matplotlib.use(before)


def test_the_notebooks_are_there() -> None:
    assert {path.name for path in NOTEBOOKS} == {*TELLS, *RUN_ELSEWHERE} and set(SMALLER) <= set(TELLS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_clean_and_names_no_machine(path: Path) -> None:
    found = cells(path)
    assert not MACHINE.search(path.read_text(encoding="utf-8"))
    assert all(not cell.outputs and cell.execution_count is None for cell in found if cell.cell_type == "code")
    assert found[0].cell_type == "markdown" and found[0].source.startswith("# ")
    for target in re.findall(r"\]\(([^)#]+)", "\n".join(cell.source for cell in found)):
        assert target.startswith("https://") or (FOLDER / target).is_file(), target


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TELLS))
def test_every_cell_runs(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bare_figures: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    line, smaller = SMALLER.get(name, ("", ""))
    codes = [cell.source for cell in cells(FOLDER / name) if cell.cell_type == "code"]
    assert sum(code.split("\n").count(line) for code in codes) == (1 if line else 0)
    names: dict[str, Any] = {"__name__": "notebook"}
    for code in codes:
        exec(compile(code.replace(line, smaller) if line else code, name, "exec"), names)
    assert TELLS[name] in capsys.readouterr().out
