"""Reasons for quarantine: one enum, told in the docs, and no second list of them in the program."""

from __future__ import annotations

import ast
import json
import pickle
import re
from pathlib import Path

import pytest

import unpersonal
from unpersonal.images.picture import ImageError
from unpersonal.images.reasons import Reason

ROOT = Path(unpersonal.__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "formats.md"
WORDS = {reason.value for reason in Reason}


def test_a_reason_is_its_word():
    assert Reason.NOT_FINITE == "not-finite" == str(Reason.NOT_FINITE) == f"{Reason.NOT_FINITE}"
    assert {"view": 1}[Reason.VIEW] == 1 and json.dumps({Reason.VIEW: Reason.VIEW}) == '{"view": "view"}'
    assert pickle.loads(pickle.dumps(Reason.VIEW)) is Reason.VIEW  # noqa: S301
    assert ImageError(Reason("empty"), "x").reason is Reason.EMPTY


def test_an_unknown_reason_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        ImageError("nonsense", "x")  # type: ignore[arg-type]


def test_the_docs_name_each_reason_with_its_meaning():
    table = re.search(r"\| reason \| meaning \|\n\|---\|---\|\n((?:\|.*\|\n?)+)", DOCS.read_text(encoding="utf-8"))
    assert table is not None
    assert table[1].strip().splitlines() == [f"| `{reason}` | {reason.meaning} |" for reason in Reason]
    assert all(reason.meaning for reason in Reason)


def spelled(code: str) -> list[str]:
    """Reasons that a module writes as text where a reason is meant; words with a hyphen mean nothing else."""
    found = []

    def is_word(node: ast.AST) -> bool:
        return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in WORDS

    for node in ast.walk(ast.parse(code)):
        meant: list[ast.AST] = []
        if isinstance(node, ast.Constant) and "-" in str(node.value):
            meant = [node]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            meant = node.args[:1] if called.endswith("ImageError") else []
            meant = [*meant, *(word.value for word in node.keywords if word.arg == "reason")]
        elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
            meant = [node.elts[1]]
        elif isinstance(node, ast.Compare) and "reason" in ast.unparse(node):
            meant = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
        found += [str(word.value) for word in meant if isinstance(word, ast.Constant) and is_word(word)]
    return found


def test_no_reason_is_spelled_in_the_program():
    for path in ROOT.rglob("*.py"):
        if path.name != "reasons.py":
            assert not spelled(path.read_text(encoding="utf-8")), path


def test_the_search_finds_each_way_to_spell_one():
    assert spelled('raise ImageError("empty", "x")') == ["empty"]
    assert spelled('ImageFacts(reason="missing")') == ["missing"]
    assert spelled('rows.append((name, "view", why))') == ["view"]
    assert spelled('x = {"no-label": 1}') == ["no-label"]
    assert spelled('if set(reasons) == {"frames"}: pass') == ["frames"]
    assert spelled('word = "missing"') == []
