"""Pictures that are none of one person's body: sheets of several, pages of text, thumbnails of others.

Legend: n images, C channels, S size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from .burned_text import GLYPHS
from .contact_sheets import are_sheets

SHEETS, PAGES, THUMBNAILS = "contact-sheets", "pages", "thumbnails"
WORDS = {
    SHEETS: re.compile(r"(contact[ _-]?sheets?|montages?|collages?|mosaics?)"),
    PAGES: re.compile(r"(reports?|befunde?|consent|letters?|invoices?)"),
    THUMBNAILS: re.compile(r"(thumbs?|thumbnails?|tn|previews?|icons?)"),
}
"""Words of a path that say what a file is; each is a word of its own, in small letters."""
PAPER, MOSTLY_PAPER = 224, 0.7
"""Grey value from which a pixel may be paper, and the share of a page that is."""
SMALL, MUCH_SMALLER = 160, 4
"""Pixels of the longer side up to which a picture may be a thumbnail, and how often the median of all is longer."""


def find_others(
    names: Sequence[str], images: np.ndarray, text: np.ndarray, height: np.ndarray, width: np.ndarray
) -> dict[str, np.ndarray]:
    """Rows int64 [k] of the pictures that look like each kind, by content, size or name; kinds without any left out.

    `images` uint8 [n,C,S,S] are prepared, `text` [n] is their `burned_text.text_score`; `height` and `width` [n] are
    those of the files.
    """
    longer = np.maximum(height, width)
    paper = _are_paper(images)  # lines of text repeat like pictures in a grid
    found = {
        SHEETS: are_sheets(images) & ~paper,
        PAGES: paper & (text >= GLYPHS),
        THUMBNAILS: (longer <= SMALL) & (longer * MUCH_SMALLER <= np.median(longer) if len(longer) else False),
    }
    for kind, pattern in WORDS.items():
        said = np.array([_says(name, pattern) for name in names], bool)
        # a word that all names have says nothing about any of them
        found[kind] = found[kind] if said.all() else found[kind] | said
    return {kind: np.flatnonzero(rows) for kind, rows in found.items() if rows.any()}


def _are_paper(images: np.ndarray) -> np.ndarray:
    """bool [n]: which images are mostly white."""
    return np.array([(image >= PAPER).mean() >= MOSTLY_PAPER for image in images], bool)


def _says(name: str, pattern: re.Pattern[str]) -> bool:
    path = PurePosixPath(name.split("#")[0])
    words = (word for part in (*path.parts[:-1], path.stem) for word in re.split(r"[^A-Za-z]+", part.casefold()))
    return pattern.search(name.casefold()) is not None and any(
        pattern.fullmatch(word) for word in (*words, path.stem.casefold(), *map(str.casefold, path.parts[:-1]))
    )
