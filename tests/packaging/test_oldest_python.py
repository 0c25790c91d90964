"""What Python 3.10 does not have; the type checker sees names, but lets modules pass that it does not find."""

from __future__ import annotations

import re

import pytest

from tests.packaging.conftest import ROOT

LATER = re.compile(r"^\s*(?:import|from) (tomllib|annotationlib|compression)\b", re.MULTILINE)
"""Modules of the standard library that came with 3.11 and later."""


def test_nothing_is_imported_that_the_oldest_python_lacks() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")}
    assert len(texts) > 100 and not {name: LATER.findall(text) for name, text in texts.items() if LATER.search(text)}


@pytest.mark.parametrize("line", ["import tomllib", "    from tomllib import loads"])
def test_an_import_of_a_later_module_is_found(line: str) -> None:
    assert LATER.search(f"def read():\n{line}\n")
