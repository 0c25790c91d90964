"""The house: a room imports from `core` and from rooms above it, never from below."""

from __future__ import annotations

import ast
from pathlib import Path

import unpersonal

ROOT = Path(unpersonal.__file__).parent
ROOMS = [
    "core",
    "metrics",
    "images",
    "layouts",
    "cohort",
    "phantom",
    "checkpoints",
    "codec",
    "matching",
    "features",
    "diffusion",
    "judges",
    "synthesis",
    "audit",
    "utility",
    "release",
    "report",
]


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a module imports from, relative and absolute imports alike, wherever in the file they stand."""
    package = ("unpersonal", *path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            names = [module] if len(module) > 1 else [(*module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        found |= {name[1] for name in names if len(name) > 1 and name[0] == "unpersonal"}
    return found


def test_every_room_is_there_and_no_other():
    assert sorted(p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "__pycache__") == sorted(ROOMS)


def test_no_room_imports_from_below():
    for number, room in enumerate(ROOMS):
        for path in (ROOT / room).rglob("*.py"):
            below = imported_rooms(path) & (set(ROOMS[number + 1 :]) | {"study", "cli", "init", "demo", "presets"})
            assert not below, f"{path.relative_to(ROOT)} imports from {sorted(below)}"


def test_the_import_finder_sees_relative_and_absolute_imports():
    code = "from ..judges.stage import x\nimport unpersonal.release.verify\ndef f():\n    from .. import report\n"
    assert imported_rooms_of(code, ROOT / "metrics" / "never_written.py") == {"judges", "release", "report"}


def imported_rooms_of(code: str, path: Path) -> set[str]:
    """`imported_rooms` for code that is not on disk."""
    import unittest.mock

    with unittest.mock.patch.object(Path, "read_text", return_value=code):
        return imported_rooms(path)


def test_nothing_that_can_run_code_is_loaded():
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "joblib", "dill", "shelve", "marshal", "subprocess"} & set(names), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                call = f"{owner}.{node.func.attr}"
                assert call not in ("torch.load", "yaml.load", "os.system", "os.popen"), path
                if call in ("np.load", "numpy.load"):
                    allowed = {k.arg: ast.unparse(k.value) for k in node.keywords}
                    assert allowed.get("allow_pickle") == "False", path
