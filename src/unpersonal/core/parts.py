"""Work in idempotent parts: any process may make any part, in any order, and only a whole set is joined.

A part is a function of its number and of the study, and appears at once (atomically) when it is done. Who makes which
is decided here: one process all of them, shard i of n every n-th (`--shard i/n`), `torchrun` ranks likewise, Ray tasks
one each (`ray_tasks.py`). So a killed process, a lost machine or a repeated task costs a part, and changes no byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from .claims import open_claims
from .config import Config
from .errors import InputError
from .workers import Pool

CLAIMS = ".parts.lock"
"""The file of a study on which parts are claimed: two processes never make the same part at once."""
MOST_SHARDS = 100_000
PATIENCE = 1e7
"""Seconds that a part may take: no clock says that it hangs."""


class Parts(Protocol):
    """A fixed number of parts of one stage of a study."""

    def __len__(self) -> int: ...

    def open(self) -> object:
        """Load what parts are made with: done before a process divides itself, so that all have it in common."""
        ...

    def made(self, number: int) -> bool:
        """Whether part `number` (0 …) is there; one that is damaged or not of this work is an `InputError`."""
        ...

    def make(self, number: int) -> None:
        """Make part `number`: the same bytes whoever makes it, and whenever; atomically."""
        ...


OpenParts = Callable[[], Parts]
"""Opens the parts of a study from its folder. For Ray it can be pickled, and holds paths and settings, no arrays."""


@dataclass(frozen=True)
class Shard:
    """One of `of` processes that share parts without talking: it makes those whose number is `index` modulo `of`."""

    index: int = 0
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `i/n`, i from 0 to n - 1; anything else is an `InputError`."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        index, of = (int(part) for part in found.groups()) if found else (0, 0)
        if not index < of <= MOST_SHARDS:
            raise InputError(
                f"{text!r} is no shard",
                where="--shard",
                how=f"write i/n, i from 0 to n - 1 and n up to {MOST_SHARDS:,}: 0/4, 1/4, 2/4 and 3/4 are all four",
            )
        return cls(index, of)

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def numbers(self, count: int) -> range:
        """The numbers, of `count` parts, that are this shard's."""
        return range(self.index, count, self.of)


class ClusterConfig(Config):
    """Where the parts of a study are made. It changes no result, so that no stage becomes stale by it."""

    engine: Literal["local", "ray"] = Field("local", description="local: in this process; ray: as tasks of Ray")
    workers: int = Field(
        0, ge=0, description="processes of a local run (0 = its threads), or Ray tasks at once (0 = cores, or GPUs)"
    )
    address: str = Field("", description="a running Ray cluster (host:port, or auto); empty = one on this machine")


def missing(parts: Parts, numbers: Iterable[int] | None = None) -> list[int]:
    """Those of `numbers` (all where absent) whose parts are not there."""
    return [number for number in (range(len(parts)) if numbers is None else numbers) if not parts.made(number)]


def make_parts(study: Path, parts: Parts, numbers: Iterable[int], done: Callable[[int], None]) -> int:
    """Make those of `numbers` that are not there, calling `done(number)` after each; returns how many were made.

    A part that another process is making is waited for, and is then there.
    """
    made = 0
    with open_claims(study / CLAIMS) as claims:
        for number in numbers:
            if not parts.made(number):
                with claims.held(number):
                    # whoever was waited for has made it
                    if not parts.made(number):
                        parts.make(number)
                        made += 1
            done(number)
    return made


def make_in_processes(
    study: Path, parts: Parts, numbers: Sequence[int], done: Callable[[int], None], workers: int
) -> int:
    """`make_parts` by so many `workers`, processes that end with this one; what a part refuses is raised here."""
    if workers < 2 or len(numbers) < 2:
        return make_parts(study, parts, numbers, done)
    parts.open()
    pool = Pool(
        _make_here,
        lost=_lost,
        prepare=_take,
        arguments=(study, parts),
        workers=min(workers, len(numbers)),
        limit=PATIENCE,
        silent=False,
    )
    made = 0
    for number, results in zip(numbers, pool.map([number] for number in numbers), strict=True):
        made += results[0]
        done(number)
    return made


_work: list[tuple[Path, Parts]] = []
"""What a process of `make_in_processes` works on: the memory that it was divided with."""


def _take(study: Path, parts: Parts) -> None:
    _work[:] = [(study, parts)]


def _make_here(numbers: Sequence[int]) -> list[int]:
    return [make_parts(*_work[0], [number], lambda _: None) for number in numbers]


def _lost(number: int, why: str) -> int:
    raise InputError(
        f"Part {number} could not be made: its process died twice",
        where="[cluster] workers",
        how="lower it where memory runs out, then give the same command again",
    )
