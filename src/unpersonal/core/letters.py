"""Letters that nobody can tell apart: one spelling for them, and their code points where they are shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

REPLACED = "\ufffd"
"""What a decoder writes for bytes that it cannot read: different bytes become one letter."""
FORMLESS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Characters without a form of their own that Unicode does not count among the formatting ones."""
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0000-\U000e0fff]")
"""Variation selectors, and tags that spell text invisibly."""
WIDE = re.compile("[\u3000\uff01-\uff5e]")
"""The full-width forms of ASCII, which East Asian keyboards type."""
CYRILLIC = ("АВЕЅІЈКМНОРСТУХаеѕіјорсухԁԛԝһ", "ABESIJKMHOPCTYXaesijopcyxdqwh")
GREEK = ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαορν", "ABEZHIKMNOPTYXaopv")
MARKS = ("‐‑‒–—―−‘’‛′“”„″⁄∕", "-------''''\"\"\"\"//")
ALIKE = str.maketrans(*("".join(parts) for parts in zip(CYRILLIC, GREEK, MARKS, strict=True)))
"""Letters of other alphabets, hyphens and quotation marks in the form of ASCII (after Unicode's confusables)."""

UNDECLARED = ("utf-8", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1251", "koi8_r", "iso8859_5", "cp1253")


def one_spelling(text: str) -> str:
    """Text in the one spelling that its indistinguishable variants share.

    Composed letters (NFC); without zero-width, bidirectional, control and other invisible characters; blanks of every
    kind as ordinary ones, none at the ends; full-width forms as ASCII.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    composed = unicodedata.normalize("NFC", WIDE.sub(_narrow, SELECTORS.sub("", text)))
    return "".join(" " if c.isspace() else c for c in composed if c.isspace() or not _is_invisible(c)).strip()


def _narrow(match: re.Match[str]) -> str:
    return " " if match[0] == "\u3000" else chr(ord(match[0]) - 0xFEE0)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc") or character in FORMLESS


def is_undecodable(text: str) -> bool:
    """Whether some letters could not be decoded: replacement characters, stray bytes, remains of escape sequences."""
    if text.isascii() and text.isprintable():
        return False
    return any(c == REPLACED or unicodedata.category(c) == "Cs" or (_is_control(c)) for c in text)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and not character.isspace()


def look(text: str) -> str:
    """What a reader sees: the one spelling, with letters of other alphabets that look like ASCII as these."""
    return text if text.isascii() else unicodedata.normalize("NFKC", one_spelling(text).translate(ALIKE))


def mended(text: str) -> str:
    """What was meant where UTF-8 was read as Windows-1252 or Latin-1 (`MÃ¼ller`); else the text as it is."""
    for encoding in () if text.isascii() else ("cp1252", "latin-1"):
        try:
            return text.encode(encoding).decode()
        except UnicodeError:
            continue
    return text


def read_otherwise(text: str) -> set[str]:
    """What the bytes of a text that was read as Latin-1 spell in the character sets that headers fail to declare."""
    if text.isascii():
        return set()
    try:
        raw = text.encode("latin-1")
    except UnicodeError:
        return set()
    found = set()
    for encoding in UNDECLARED:
        try:
            found.add(one_spelling(raw.decode(encoding)))
        except UnicodeError:
            continue
    return found - {text}


def with_code_points(text: str) -> str:
    """The text in quotes and the code points of what is no plain ASCII: `'Edema␣' (U+00A0)`; unprintable as `␣`."""
    shown = "".join(c if c.isprintable() else "\u2423" for c in text)
    points = ", ".join(f"U+{ord(c):04X}" for c in text if not (c.isascii() and c.isprintable()))
    return f"{shown!r} ({points})" if points else repr(text)


def spellings(texts: Iterable[str]) -> str:
    """Several spellings of one thing, each with its code points."""
    return " and ".join(map(with_code_points, texts))
