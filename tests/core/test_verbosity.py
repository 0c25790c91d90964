"""How much is said is kept within its levels, and reaches the log of Python."""

from __future__ import annotations

import logging

import pytest

from unpersonal.core.verbosity import DEBUG, QUIET, USUAL, VERBOSE, quiet, set_verbosity, verbosity


@pytest.mark.parametrize(
    ("asked", "level", "log"),
    [
        (-7, QUIET, logging.ERROR),
        (QUIET, QUIET, logging.ERROR),
        (USUAL, USUAL, logging.INFO),
        (VERBOSE, VERBOSE, logging.INFO),
        (DEBUG, DEBUG, logging.DEBUG),
        (9, DEBUG, logging.DEBUG),
    ],
)
def test_levels(asked: int, level: int, log: int) -> None:
    try:
        set_verbosity(asked)
        assert verbosity() == level and quiet() == (level < USUAL)
        assert logging.getLogger("unpersonal").level == log
    finally:
        set_verbosity(USUAL)
