"""How the people of a cohort were dealt to the splits: which splits chance made, and whose pictures are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.figures import Figures

SPLITS = ("train", "val", "aux", "test")
CONTROL = "control"
"""A split that there is only where it is asked for: given to train, and held out for the audit alone."""


@dataclass(frozen=True)
class Dealing(Figures):
    """`dealt` are the splits into which chance divided one pool of people, train among them; others were given.

    `joined` people share a picture with another and were dealt as one. `shared` are pairs of people of two splits who
    share a picture all the same, because these were given. `untold`: people are too alike to tell who does.
    """

    dealt: tuple[str, ...] = SPLITS
    joined: int = 0
    shared: tuple[tuple[str, str], ...] = ()
    untold: bool = False


def join(subjects: Sequence[str] | np.ndarray, links: Iterable[tuple[int, int]]) -> dict[str, str]:
    """Subjects who share pictures, directly or through others: the first name of their group, of each.

    `links` are pairs of rows [n] with one picture; subjects who share none are left out.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, codes = np.unique(np.asarray(subjects).astype(str), return_inverse=True)
    pairs = codes[np.array(list(links), dtype=np.int64).reshape(-1, 2)]
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(names), len(names)))
    _, group = connected_components(graph, directed=False)
    _, first, sizes = np.unique(group, return_index=True, return_counts=True)
    return {
        str(name): str(names[first[number]]) for name, number in zip(names, group, strict=True) if sizes[number] > 1
    }


def divided(
    subjects: Sequence[str] | np.ndarray, links: Iterable[tuple[int, int]], split: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Pairs of people of two splits who share a picture, sorted."""
    pairs = {tuple(sorted((str(subjects[one]), str(subjects[other])))) for one, other in links}
    return tuple(sorted((a, b) for a, b in pairs if a in split and b in split and split[a] != split[b]))
