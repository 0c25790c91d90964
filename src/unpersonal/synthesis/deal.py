"""Who lends a condition: sources in turn, partners at random, nobody in more draws than a limit allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TRIES = 32


class Room:
    """How many more draws each subject (a number) may take part in: `most` at first."""

    def __init__(self, subjects: np.ndarray, most: int) -> None:
        self._owner = subjects
        self.left = np.full(int(subjects.max(initial=-1)) + 1, most, dtype=np.int64)

    def owner(self, row: int) -> int:
        """The subject of a row."""
        return int(self._owner[row])

    def draws(self, rows: Sequence[int], subjects: int) -> int:
        """At most how many draws of so many `subjects` each can be of the subjects of `rows`."""
        return int(self.left[np.unique(self._owner[list(rows)])].sum()) // subjects if len(rows) else 0

    def take(self, row: int) -> bool:
        """Count a draw of the subject of `row`; False where the subject has no room."""
        owner = self._owner[row]
        if self.left[owner] <= 0:
            return False
        self.left[owner] -= 1
        return True


def deal_sources(rows: Sequence[int], count: int, room: Room) -> list[int]:
    """`count` of `rows`, each as often as any other as far as its subject has room; fewer where nobody has any."""
    dealt: list[int] = []
    while len(dealt) < count:
        before = len(dealt)
        for row in rows:
            if len(dealt) == count:
                break
            if room.take(row):
                dealt.append(row)
        if len(dealt) == before:
            break
    return dealt


def deal_partners(
    sources: Sequence[int], mates: Sequence[int], partners: int, room: Room, rng: np.random.Generator
) -> list[list[int] | None]:
    """For every source `partners` of the rows `mates`, of as many other subjects; None where none are left.

    Subjects have the same probability, and then their images.
    """
    images: dict[int, list[int]] = {}
    for row in mates:
        images.setdefault(room.owner(row), []).append(row)
    subjects = np.array(sorted(images), dtype=np.int64)
    dealt: list[list[int] | None] = []
    for source in sources:
        chosen = _others(subjects, room.owner(source), partners, room, rng)
        if chosen is None:
            dealt.append(None)
            continue
        rows = [images[subject][int(rng.integers(len(images[subject])))] for subject in chosen]
        for row in rows:
            room.take(row)
        dealt.append(rows)
    return dealt


def _others(subjects: np.ndarray, own: int, count: int, room: Room, rng: np.random.Generator) -> list[int] | None:
    """`count` different subjects other than `own` that have room."""
    chosen: list[int] = []
    for _ in range(TRIES * count):
        if len(chosen) == count:
            return chosen
        subject = int(subjects[rng.integers(len(subjects))])
        if subject != own and subject not in chosen and room.left[subject] > 0:
            chosen.append(subject)
    # few are left: look at all of them
    free = subjects[(room.left[subjects] > 0) & (subjects != own)]
    return rng.choice(free, count, replace=False).tolist() if len(free) >= count else None


def largest_counts(subjects: np.ndarray) -> np.ndarray:
    """In how many draws each subject takes part, int64; `subjects` int64 [n,k] are those of every draw."""
    return np.bincount(subjects.reshape(-1), minlength=1)


def within_share(subjects: np.ndarray, share: float) -> np.ndarray:
    """The draws, ascending int64, that can stay so that nobody is in more than `share` of them.

    `subjects` int64 [n,k] are those of every draw. The last draws of whoever is in too many are left out; anybody may
    be in one.
    """
    kept = np.arange(len(subjects))
    while len(kept):
        counts = largest_counts(subjects[kept])
        worst, most = int(counts.argmax()), max(1, int(share * len(kept)))
        if counts[worst] <= most:
            break
        # leaving out r of m draws leaves c - r of its subject: c - r <= share (m - r)
        excess = max(1, int((counts[worst] - share * len(kept)) / max(1 - share, 1e-9)))
        own = np.flatnonzero((subjects[kept] == worst).any(axis=1))
        kept = np.delete(kept, own[-min(excess, int(counts[worst]) - 1) :])
    return kept
