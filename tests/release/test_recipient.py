"""A recipient: unzip, verify without torch, train a classifier by the lines of the page and of the notebook."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.commands.light import HEAVY, without
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.stage import run_stage

DOCS = Path(__file__).parents[2] / "docs"
PAGE, NOTEBOOK = DOCS / "use-a-release.md", DOCS / "notebooks" / "use_a_release.ipynb"


def code() -> str:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]


@pytest.fixture
def sent(make_study: Callable[..., Path], figures: StudyFigures, tmp_path: Path) -> Path:
    """A release as it is sent, in a folder of its own."""
    study = make_study()
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)
    (tmp_path / "mine").mkdir()
    shutil.make_archive(str(tmp_path / "mine" / "release"), "zip", study, "release")
    return tmp_path / "mine"


def test_a_zip_is_verified_where_nothing_but_the_base_is_installed(sent: Path) -> None:
    done = without(HEAVY, "verify", "release.zip", "--json", cwd=sent)
    assert done.returncode == 0 and json.loads(done.stdout)["state"] == "intact", done.stderr
    shutil.unpack_archive(sent / "release.zip", sent)
    done = without(HEAVY, "verify", "release", cwd=sent)
    assert done.returncode == 0 and "every rule holds" in done.stdout, done.stderr


def test_the_lines_of_the_page_train_a_classifier(
    sent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.unpack_archive(sent / "release.zip", sent)
    monkeypatch.chdir(sent)
    exec(compile(code(), str(PAGE), "exec"), {"__name__": "recipient"})
    assert "['normal', 'virus'] loss" in capsys.readouterr().out


def test_the_notebook_has_the_same_lines_and_runs(
    sent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert [line for cell in cells for line in cell.source.splitlines() if line] == [
        line for line in code().splitlines() if line
    ]
    shutil.unpack_archive(sent / "release.zip", sent)
    monkeypatch.chdir(sent)
    names: dict[str, Any] = {"__name__": "notebook"}
    for cell in cells:
        exec(compile(cell.source, str(NOTEBOOK), "exec"), names)
    assert "loss" in capsys.readouterr().out
