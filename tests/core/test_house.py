"""The house: a room imports from `core` and from rooms above it, never from below, and no module from itself round."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

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

TOP = {
    *("study", "engine", "shards", "planning", "cli", "commands", "init", "init_options", "demo", "presets"),
    *("swap_studies", "verbs", "cohort_keys"),
    *("match", "match_gallery", "match_printing", "match_result", "match_study"),
}
"""Modules above all rooms."""
COHORT = [
    "figures",
    "soft_labels",
    "strata",
    "dealing",
    "table",
    "texts",
    "misread",
    "splits",
    "inspect",
    "refusals",
    "checks",
    "read",
    "stage",
]
"""Modules of the room `cohort`, in the order of the rooms."""
INSPECT = [
    "suspicion",
    "sizes",
    "label_checks",
    "control_checks",
    "picture_checks",
    "text_checks",
    "name_checks",
    "folder_checks",
    "subject_checks",
    "copies",
    "copy_embedding",
    "planted_copies",
    "near_copies",
    "duplicates",
    "copy_checks",
    "understanding",
    "printing",
]
"""Modules of `cohort/inspect`, likewise."""
PHANTOM_USERS = {"cli", "verbs", "demo", "codec.invented", "diffusion.invented"}
"""Modules of the program that invent people; tests and benchmarks do too."""


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
    assert sorted(p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "__pycache__") == sorted(
        [*ROOMS, "commands"]
    )


@pytest.mark.slow
def test_no_room_imports_from_below():
    for number, room in enumerate(ROOMS):
        for path in (ROOT / room).rglob("*.py"):
            below = imported_rooms(path) & (set(ROOMS[number + 1 :]) | TOP)
            assert not below, f"{path.relative_to(ROOT)} imports from {sorted(below)}"


@cache
def module_graph(root: Path) -> dict[str, set[str]]:
    """Modules of a package, by dotted name below it, with those that each imports when it is loaded or used.

    What only a type checker reads (`if TYPE_CHECKING:`) is no import.
    """
    files = {path.relative_to(root).with_suffix("").parts: path for path in root.rglob("*.py")}
    modules = {parts[:-1] if parts[-1] == "__init__" else parts: path for parts, path in files.items()}
    return {
        ".".join(name): {".".join(other) for other in imported_modules(name, path, modules) if other != name}
        for name, path in modules.items()
    }


def imported_modules(name: tuple[str, ...], path: Path, modules: dict[tuple[str, ...], Path]) -> set[tuple[str, ...]]:
    """Those of `modules` that one of them imports, each as the parts of its name below the package."""
    package = name if path.name == "__init__.py" else name[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for child in ast.walk(statement)
    }
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.ImportFrom):
            stem = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                base = (*package[: len(package) - node.level + 1], *stem)
            elif stem[:1] == ("unpersonal",):
                base = stem[1:]
            else:
                continue
            named = [(*base, alias.name) for alias in node.names]
            found |= {one if one in modules else base for one in named}
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
            found |= {one[1:] for one in names if one[0] == "unpersonal"}
    return found & set(modules)


def check_order(folder: str, order: Sequence[str]) -> None:
    """Every module of a folder is in `order`, and imports only those of the folder that stand before it."""
    prefix = f"{folder}."
    graph = {name: others for name, others in module_graph(ROOT).items() if name.startswith(prefix)}

    def of(name: str) -> str:
        return name.removeprefix(prefix).split(".")[0]

    assert {of(name) for name in graph} == set(order)
    for name, others in graph.items():
        inside = {of(other) for other in others if other.startswith(prefix)} - {of(name)}
        late = inside - set(order[: order.index(of(name))])
        assert not late, f"{name} imports {sorted(late)}, which stand after it"


@pytest.mark.slow
def test_the_modules_of_the_cohort_have_an_order():
    check_order("cohort", COHORT)
    check_order("cohort.inspect", INSPECT)


def test_an_order_that_is_not_held_is_seen():
    with pytest.raises(AssertionError, match="stand after it"):
        check_order("cohort", COHORT[::-1])
    with pytest.raises(AssertionError):
        check_order("cohort", COHORT[1:])


def test_no_module_imports_itself_round():
    list(TopologicalSorter(module_graph(ROOT)).static_order())


def test_a_cycle_is_seen_wherever_the_import_stands(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text("")
    (tmp_path / "room" / "a.py").write_text("from . import b\n")
    (tmp_path / "room" / "b.py").write_text("if TYPE_CHECKING:\n    from .a import x\n")
    graph = module_graph(tmp_path)
    assert graph["room.a"] == {"room.b"} and graph["room.b"] == set()
    (tmp_path / "room" / "b.py").write_text("def f():\n    from ..room.a import x\n")
    module_graph.cache_clear()
    with pytest.raises(CycleError):
        list(TopologicalSorter(module_graph(tmp_path)).static_order())


@pytest.mark.slow
def test_people_are_invented_only_for_the_demo():
    graph = module_graph(ROOT)
    users = {name for name, others in graph.items() if any(other.split(".")[0] == "phantom" for other in others)}
    assert {name for name in users if name.split(".")[0] != "phantom"} == PHANTOM_USERS


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_import_is_light():
    code = (
        "import sys, json, unpersonal, unpersonal.cli, unpersonal.study; "
        "print(json.dumps([m for m in ('torch','monai','sklearn','matplotlib','pandas','scipy') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
