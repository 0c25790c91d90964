"""How much is said on stderr: nothing but errors, the usual, what is done and where files are, or all for debugging."""

from __future__ import annotations

import logging
from dataclasses import dataclass

QUIET, USUAL, VERBOSE, DEBUG = -1, 0, 1, 2


@dataclass
class _Said:
    level: int = USUAL


_SAID = _Said()


def verbosity() -> int:
    """`QUIET`, `USUAL`, `VERBOSE` or `DEBUG`."""
    return _SAID.level


def set_verbosity(level: int) -> None:
    """From now on this much is said; beyond the known levels the nearest counts."""
    _SAID.level = level = max(QUIET, min(DEBUG, level))
    # of warnings of the package's parts too
    logging.getLogger("unpersonal").setLevel({QUIET: logging.ERROR, DEBUG: logging.DEBUG}.get(level, logging.INFO))


def quiet() -> bool:
    """Whether nothing but errors and results is said."""
    return _SAID.level < USUAL
