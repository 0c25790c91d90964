"""What tests of several rooms share."""

from __future__ import annotations

import sys

import pytest

from unpersonal.plugins import REGISTRIES, registry


@pytest.fixture
def offer(tmp_path_factory, monkeypatch):
    """Install a distribution with one plug-in: `offer(kind, name, code)`, where `code` defines `PART`."""
    modules, kinds = [], set()

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
        look_again(kind)

    def look_again(kind: str) -> None:
        # a registry asks once for the entry points
        if kind in REGISTRIES:
            vars(registry(kind)).pop("_theirs", None)
            kinds.add(kind)

    yield install
    monkeypatch.undo()
    for module in modules:
        sys.modules.pop(module, None)
    for kind in list(kinds):
        look_again(kind)
