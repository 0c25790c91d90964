"""Every cell of every notebook is run as it is checked in, and none tells of the machine it was written on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import pytest

from unpersonal.audit.config import AuditConfig

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
RUN_ELSEWHERE = {"use_a_release.ipynb"}
"""Needs a release to begin with: `tests/release/test_recipient.py` runs it."""
SMALL = AuditConfig(permutations=999, size=16, components=16, planted_copies=20, kind_copies=1, network_steps=20)
"""What the audit of folders takes in place of its own, a minute long; every line of a notebook is run as it is."""
TELLS = {"first_release.ipynb": "limits are looser", "audit_a_dataset.ipynb": "\nfail\n"}
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
    assert {path.name for path in NOTEBOOKS} == {*TELLS, *RUN_ELSEWHERE}


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
    monkeypatch.setattr("unpersonal.audit.folders.config_of", lambda size: SMALL)
    names: dict[str, Any] = {"__name__": "notebook"}
    for cell in cells(FOLDER / name):
        if cell.cell_type == "code":
            exec(compile(cell.source, name, "exec"), names)
    assert TELLS[name] in capsys.readouterr().out
