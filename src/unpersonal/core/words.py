"""Sentences for people: counts with the right form of the noun, and what a person typed as it was typed."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """`1 image is`, `1,234 images are`: the count before the form that goes with it; `many` is `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def quoted(text: str) -> str:
    """`text` between quotes as it was typed, without doubled backslashes; escaped where it cannot be printed."""
    return f"'{text}'" if text.isprintable() else repr(text)


def share(count: int, whole: int, nouns: str, one: str, many: str) -> str:
    """`1 of 9 images is`, `3 of 9 images are`: the verb goes with the count."""
    return f"{count:,} of {whole:,} {nouns} {one if count == 1 else many}"
