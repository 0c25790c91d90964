"""All layouts by name, and questions to all of them: whatever is said about layouts is looked up here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..core.registry import Registry

if TYPE_CHECKING:
    from .layout import Layout, Word

AUTO = "auto"
"""Stands for the layout that is recognised from the input."""
LAYOUTS: Registry[Layout] = Registry("layout", package="unpersonal.layouts.known", attribute="LAYOUT")


def candidates(name: str) -> Iterator[Layout]:
    """The layouts that a configured `name` may mean: all of ours for `auto`, else that one."""
    return iter(LAYOUTS) if name == AUTO else iter((LAYOUTS.get(name),))


def considered(name: str) -> list[Layout]:
    """All of ours, and the one that is named, if that is a plug-in."""
    return [*LAYOUTS, *(() if name == AUTO or LAYOUTS.is_ours(name) else (LAYOUTS.get(name),))]


def readers_of(key: str) -> tuple[str, ...]:
    """Names of the layouts that read a key of `[cohort]`; none where it is read by all."""
    return tuple(layout.name for layout in LAYOUTS if key in layout.reads)


def word_of(key: str, value: str, name: str) -> tuple[Layout, Word] | None:
    """The layout that alone understands `value` for `key`, if it is such a word; `name` is the layout configured."""
    for layout in considered(name):
        for word in layout.words:
            if word.key == key and re.fullmatch(word.pattern, value):
                return layout, word
    return None


def split_folders_kept(general: str = "") -> str:
    """The options that keep folders train, val and test as splits: `--layout x`.

    With `general` those among them that may be meant instead of that layout; empty where there is none.
    """
    keepers = (layout for layout in LAYOUTS if layout.keeps_split_folders)
    names = [layout.name for layout in keepers if not general or layout.instead == general]
    return f"--layout {' or '.join(names)}" if names else ""
