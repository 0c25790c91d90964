"""Train and held-out people who can be compared: alike in their labels, people as the unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from .rows import DrawnRows, Examples


@dataclass(frozen=True)
class Compared:
    """Latents and conditions of `train`, one image a person, and of `held_out`.

    `people` int64 [m] are numbers of the held-out persons, `groups` int64 [n] and [m] codes of what labels both sides
    are compared within.
    """

    train: Examples
    held_out: Examples
    people: np.ndarray
    groups: tuple[np.ndarray, np.ndarray] = field(repr=False)

    def __iter__(self) -> Iterator[Examples]:
        return iter((self.train, self.held_out))

    @classmethod
    def first(cls, train: Examples, held_out: Examples, count: int) -> Compared:
        """The first `count` rows of either side, each another person, whatever their labels."""
        kept = [_first(each, count) for each in (train, held_out)]
        counts = [latents.shape[0] for latents, _ in kept]
        return cls(kept[0], kept[1], np.arange(counts[1]), (np.zeros(counts[0], int), np.zeros(counts[1], int)))


def _first(examples: Examples, count: int) -> Examples:
    latents, conditions = examples
    rows = np.arange(min(count, latents.shape[0]))
    return DrawnRows(latents, rows), None if conditions is None else DrawnRows(conditions, rows)


@dataclass(frozen=True)
class ComparedRows:
    """Rows of the cohort that are compared: `train` int64 [n], `held_out` int64 [m], and codes of what within.

    `bare` bool [m] marks held-out images that stand against train images which nobody labelled.
    """

    train: np.ndarray
    held_out: np.ndarray
    groups: tuple[np.ndarray, np.ndarray]
    bare: np.ndarray


def compared_rows(
    subjects: np.ndarray,
    groups: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    count: int,
    rng: np.random.Generator,
    labelled: np.ndarray | None = None,
) -> ComparedRows:
    """All images of up to `count` held-out people and one of each of up to `count` train people, alike in labels.

    `subjects` [n] and `groups` [n] (label-set codes) are of the whole cohort, `train` and `held_out` rows of it. Only
    label sets that both sides have take part, train people in the proportions of held-out ones: else a difference
    between kinds of patients passes for memorisation or hides it. Where no labels are shared all are compared.

    Train images that nobody labelled (`labelled` bool [n]; None: all were) stand against held-out images of any
    labels, which give up to them their share of train: whom they would match nobody knows.
    """
    chosen, others = _one_each(subjects, train, rng), _one_each(subjects, held_out, rng)[:count]
    codes = groups.astype(np.int64).copy()
    known = np.ones(len(subjects), bool) if labelled is None else labelled
    nobody = int(codes.max(initial=0)) + 1
    codes[train[~known[train]]] = nobody
    bare_people = subjects[others[: -(-len(others) * int((~known[chosen]).sum()) // max(len(chosen), 1))]]
    bare = held_out[np.isin(subjects[held_out], bare_people)]
    codes[bare] = nobody
    shared = np.intersect1d(codes[chosen], codes[others])
    if not len(shared):
        codes[:], shared = 0, np.zeros(1, np.int64)
    rows = held_out[np.isin(subjects[held_out], subjects[others]) & np.isin(codes[held_out], shared)]
    picked = _in_proportion(chosen, codes, others[np.isin(codes[others], shared)], count)
    order = np.argsort(rng.permutation(len(rows)))
    rows = rows[order]
    return ComparedRows(picked, rows, (codes[picked], codes[rows]), np.isin(rows, bare))


def _in_proportion(chosen: np.ndarray, codes: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` of the rows `chosen`, of each code in the proportion that it has among `others`, in their order."""
    names, wanted = np.unique(codes[others], return_counts=True)
    there = [chosen[codes[chosen] == name] for name in names]
    share: float = min((len(rows) / number for rows, number in zip(there, wanted, strict=True)), default=0.0)
    # a rare label set may not hold the others down: at least as many of each as there are held out, if they are there
    share = min(max(share, 1.0), count / max(int(wanted.sum()), 1))
    kept = [rows[: max(round(share * number), 1)] for rows, number in zip(there, wanted.tolist(), strict=True)]
    found = np.concatenate([np.zeros(0, np.int64), *kept])
    return chosen[np.isin(chosen, found)]


def _one_each(subjects: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One random row of each subject among `rows`, in random order."""
    shuffled = rng.permutation(rows)
    _, first = np.unique(subjects[shuffled].astype(str), return_index=True)
    found: np.ndarray = shuffled[np.sort(first)]
    return found


def one_hot(groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Covariates [n, g] and [m, g] that say of which of g codes a row of either side is."""
    names = np.unique(np.concatenate(groups))
    found = [(np.asarray(each)[:, None] == names[None]).astype(np.float64) for each in groups]
    return found[0], found[1]
