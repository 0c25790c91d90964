"""JSON as a release writes it: every key once in its table, and numbers that are numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


class NotStrict(ValueError):
    """Text that is no JSON, or of which readers would make different things; the message says which."""


def parse(text: str) -> Any:
    """The value of `text`; `NotStrict` for what is no JSON, a key that stands twice, NaN, infinity, or a number that
    overflows."""
    try:
        return json.loads(text, object_pairs_hook=_table, parse_constant=_no_number, parse_float=_finite)
    except NotStrict:
        raise
    except RecursionError:
        raise NotStrict("nested too deeply") from None
    except ValueError as error:
        raise NotStrict(f"not JSON ({error})") from None


def _table(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotStrict(f"the key {twice!r} stands twice in one table")
    return found


def _no_number(text: str) -> Any:
    raise NotStrict(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise NotStrict(f"{text:.20} is too large a number")
    return value
