"""What tests of several rooms share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unpersonal.release.figures import StudyFigures
from unpersonal.report.summary import Summary


@pytest.fixture
def offer(tmp_path_factory, monkeypatch):
    """Install a distribution with one plug-in: `offer(kind, name, code)`, where `code` defines `PART`."""
    modules = []

    def install(kind: str, name: str, code: str) -> None:
        folder = tmp_path_factory.mktemp("plugin")
        module = f"offered_{len(modules)}"
        (folder / f"{module}.py").write_text(code)
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[unpersonal.{kind}s]\n{name} = {module}:PART\n")
        (info / "RECORD").write_text(f"{module}.py,,\n")
        monkeypatch.syspath_prepend(str(folder))
        modules.append(module)

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def demo_summary() -> Summary:
    """The summary of a finished demo of invented people, which the policy accepts."""
    path = Path(__file__).parent / "data" / "demo_summary.json"
    return Summary.from_json(json.loads(path.read_text(encoding="utf-8")), where=str(path))


@pytest.fixture
def alter() -> Callable[..., StudyFigures]:
    """`alter(figures, stage, **values)`: the same figures with other values in one stage."""

    def change(figures: StudyFigures, stage: str, **values: Any) -> StudyFigures:
        return replace(figures, **{stage: replace(getattr(figures, stage), **values)})

    return change
