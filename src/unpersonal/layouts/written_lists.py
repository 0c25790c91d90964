"""Lists of labels that a program wrote into one cell of a table: `['a', 'b']`, `["a"]`, `['a' 'b']`, `[a, b]`, `[]`."""

from __future__ import annotations

import json
import re

LONGEST = 10_000
"""Characters up to which a cell may be a list."""
NOTHING = frozenset(("none", "nan", "null", "na", "n/a", "<na>", "nat", ""))
"""What Python, NumPy, pandas and JSON write for no value, in small letters."""
WRAPPED = re.compile(r"(?:array|Index|set|frozenset|list|tuple)\((.*?)(?:,\s*dtype=[^,()]+)?\)", re.DOTALL)
ITEM = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^,"'\[\](){}]+))\s*""")
BETWEEN = re.compile(r"[\s,\[\](){}]*")
PAIRS = {"[": "]", "(": ")", "{": "}"}


def written_list(text: str) -> list[str] | None:
    """The items of a list written as text, without those that stand for no value; None where the text is no list.

    Brackets are a list whatever they hold; parentheses and braces only around items in quotation marks. The whole may
    stand in quotation marks once more, or in the name of a type (`array([...], dtype=object)`). Nothing is evaluated.
    """
    inside = _bare(text)
    if inside[:1] not in PAIRS or inside[-1:] != PAIRS.get(inside[:1]) or len(inside) < 2 or len(inside) > LONGEST:
        return None
    found: list[str] = []
    at, end = BETWEEN.match(inside).end(), len(inside)  # type: ignore[union-attr]
    while at < end:
        item = ITEM.match(inside, at)
        if item is None:
            return None
        double, single, plain = item.groups()
        if plain is not None and inside[0] != "[":
            return None
        found.append(_text(double, single, plain))
        at = BETWEEN.match(inside, item.end()).end()  # type: ignore[union-attr]
    if inside[0] != "[" and not found:
        return None
    return [name for name in found if name.strip().lower() not in NOTHING]


def _bare(text: str) -> str:
    """Without quotation marks around the whole, and without the name of a type."""
    plain = text.strip()
    while len(plain) > 2 and plain[0] == plain[-1] and plain[0] in "\"'" and plain[1:-1].strip()[:1] in PAIRS:
        plain = plain[1:-1].strip().replace('""', '"')
    if wrapped := WRAPPED.fullmatch(plain):
        plain = wrapped[1].strip()
    return plain


def _text(double: str | None, single: str | None, plain: str | None) -> str:
    if double is not None:
        try:
            return str(json.loads(f'"{double}"'))
        except ValueError:
            return re.sub(r"\\(.)", r"\1", double)
    if single is not None:
        return re.sub(r"\\(.)", r"\1", single)
    return (plain or "").strip()
