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


UNPICKLER = ROOT / "checkpoints" / "pickles.py"
"""The one module that may subclass `pickle.Unpickler`."""


def faults_of(tree: ast.AST, path: Path) -> list[str]:
    """What in a module could run code that a file names."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {a.name for a in node.names} | {getattr(node, "module", None) or ""}
            banned = {"pickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "subprocess"} & names
            plain = isinstance(node, ast.Import) and all(a.asname is None for a in node.names)
            found += sorted(banned - ({"pickle"} if path == UNPICKLER and plain else set()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            call = f"{ast.unparse(node.func.value)}.{node.func.attr}"
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            found += [call] if call in ("yaml.load", "os.system", "os.popen") else []
            found += [call] if call == "torch.load" and given.get("weights_only") != "True" else []
            found += [call] if call in ("np.load", "numpy.load") and given.get("allow_pickle") != "False" else []
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            found += [f"torch.{a.name}" for a in node.names if a.name == "load"]
    return found + faults_of_pickle(tree)


def faults_of_pickle(tree: ast.AST) -> list[str]:
    """Uses of the module `pickle` for anything but a subclass of its `Unpickler` that says what may be looked up."""
    bases = [
        base
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(inner, ast.FunctionDef) and inner.name == "find_class" for inner in node.body)
        for base in node.bases
        if ast.unparse(base) == "pickle.Unpickler"
    ]
    good = {id(base.value) for base in bases if isinstance(base, ast.Attribute)}
    return [
        "pickle"
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "pickle" and id(node) not in good
    ]


def test_nothing_that_can_run_code_is_loaded():
    for path in ROOT.rglob("*.py"):
        assert not faults_of(ast.parse(path.read_text(encoding="utf-8")), path), path


def test_the_finder_of_what_can_run_sees_it():
    class_of = "import pickle\nclass U(pickle.Unpickler):\n    def {}(self): pass\n"
    good = (class_of.format("find_class"), "import torch\ntorch.load(p, weights_only=True)")
    assert not any(faults_of(ast.parse(code), UNPICKLER) for code in good)
    assert faults_of(ast.parse(good[0]), ROOT / "cli.py")
    for code in (
        class_of.format("other"),
        good[0] + "pickle.loads(b'')",
        good[0] + "x = pickle",
        "import pickle as p",
        "from pickle import loads",
        "import torch\ntorch.load(p)",
        "import torch\ntorch.load(p, weights_only=flag)",
        "from torch import load",
        "import subprocess",
        "import numpy as np\nnp.load(p)",
    ):
        assert faults_of(ast.parse(code), UNPICKLER), code
