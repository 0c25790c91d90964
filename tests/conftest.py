"""What tests of several rooms share."""

from __future__ import annotations

import sys

import pytest


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
