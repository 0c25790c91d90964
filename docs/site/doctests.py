"""An extension of griffe: examples in docstrings become blocks of code, whatever section they stand in."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> (?:.+\n?)+", re.MULTILINE)
"""Lines from `>>>` to the next empty line, with what they print."""


class Doctests(griffe.Extension):
    """Puts fences around examples."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Called for every object that was read."""
        if obj.docstring is not None and ">>> " in obj.docstring.value:
            value = obj.docstring.value
            obj.docstring.value = EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", value)
