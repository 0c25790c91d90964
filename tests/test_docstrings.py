"""The examples in docstrings of what is public are run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from unpersonal import Study, verbs

VERBS = [name for name in verbs.__all__ if getattr(getattr(verbs, name), "__module__", "") == verbs.__name__]
UNRUN = {"demo"}
"""Minutes long; `make demo` runs it."""


def run_examples(part: object, name: str, module: str) -> int:
    """Run the examples of a function or a class and of its methods; returns how many there are."""
    found = 0
    for test in doctest.DocTestFinder().find(part, name, module=import_module(module), globs={}):
        result = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test)
        assert not result.failed, f"{test.name}, line {test.lineno}"
        found += result.attempted
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_examples_of_a_verb_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert bool(run_examples(getattr(verbs, name), name, verbs.__name__)) == (name not in UNRUN)


@pytest.mark.slow
def test_examples_of_a_study_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_examples(Study, "Study", Study.__module__)


def test_an_example_that_does_not_hold_is_seen() -> None:
    def wrong() -> None:
        """
        >>> 1 + 1
        3
        """

    wrong.__module__ = verbs.__name__
    with pytest.raises(AssertionError, match="wrong, line"):
        run_examples(wrong, "wrong", verbs.__name__)
