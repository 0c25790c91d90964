"""Many queries against one gallery, in blocks of a fixed size that `core.spread` hands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..core.spread import spread
from .base import Matcher, Scores

QUERIES = 128
"""Queries of a block. It is fixed: products of other shapes have other last bits."""
WORTH = 1_000_000
"""Pairs of a query and a gallery image above which other processes are worth their start."""


class Asked(Protocol):
    """Somebody who has a matcher and its gallery."""

    @property
    def matcher(self) -> Matcher[Any]:
        """The matcher."""

    @property
    def gallery(self) -> Any:
        """What it enrolled."""


def score_in_blocks(asked: Asked, queries: np.ndarray, own: np.ndarray | None = None, *, enrolled: int) -> Scores:
    """`Matcher.score` of queries uint8 [q,C,H,W], `own` str [q], in a gallery of so many `enrolled` images."""
    starts = range(0, max(len(queries), 1), QUERIES)
    blocks = [
        (queries[start : start + QUERIES], None if own is None else own[start : start + QUERIES]) for start in starts
    ]
    found = spread(score_block, asked, blocks, worth=len(queries) * enrolled >= WORTH)
    words = [each.how for each in found if each.how is not None]
    return Scores(
        np.concatenate([each.score for each in found]),
        np.concatenate([each.nearest for each in found]),
        np.concatenate(words) if len(words) == len(found) else None,
    )


def score_block(asked: Asked, block: Sequence[Any]) -> Scores:
    """The scores of one block: its images, and whose each is or None."""
    images, own = np.ascontiguousarray(block[0]), block[1]
    if own is None:
        return asked.matcher.score(images, asked.gallery)
    return asked.matcher.score(images, asked.gallery, own)
