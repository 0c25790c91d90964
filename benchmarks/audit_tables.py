"""What the tables of `audit_power` share: what is asked for, benches of people, verdicts and how they are told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.audit_bench import Bench, Pool, cheap, verdict_of
from benchmarks.rows import Rows
from unpersonal.metrics.intervals import clopper_pearson

VERDICTS = ("fail", "inconclusive", "pass")


@dataclass(frozen=True)
class Options:
    """What is asked for."""

    sides: tuple[int, ...]
    audits: int
    released: int
    size: int
    auxiliary: int
    study: Path | None
    rows: Rows = field(default_factory=lambda: Rows(None))
    until: float = float("inf")
    """Clock (`time.monotonic`) after which no repetition begins."""

    def repetitions(self, what: list[Any], measure: Callable[[int], Any], times: int | None = None) -> Iterator[Any]:
        """What `measure` gives for 0, 1, …, as far as time allows; `what` says all else that decides it."""
        for number in range(self.audits if times is None else times):
            key = [*what, self.released, self.size, self.auxiliary, self.study and self.study.name, number]
            if not self.rows.known(repetition=key) and time.monotonic() > self.until:
                return
            yield self.rows.measured(lambda number=number: {"value": measure(number)}, repetition=key)["value"]


def share(count: int, trials: int) -> str:
    """A rate with its interval."""
    if not trials:
        return "not measured"
    low, high = clopper_pearson(count, trials)
    return f"{count / trials:.1%} ({low:.1%} to {high:.1%})"


def phantoms(side: int, options: Options, spare: int) -> Bench:
    """A bench of phantoms with so many spare people."""
    pool = Pool.phantom(options.auxiliary + 2 * side + spare, seed=0, size=options.size)
    return Bench.of(pool, side, auxiliary=options.auxiliary, config=cheap())


def judged(bench: Bench, released: int, profile: str, rng: np.random.Generator) -> str:
    """The verdict on a release of people who are in no side; sides and release are dealt by `rng`."""
    train, control = bench.sides(rng)
    chosen = rng.choice(len(bench.spare), min(released, len(bench.spare)), replace=False)
    return verdict_of(bench.audit(train, control, bench.spare[chosen], profile))


def repeated(what: list[Any], options: Options, bench: Callable[[], Bench], profile: str, seed: int) -> Counter[str]:
    """Verdicts on such releases, each dealt anew; `bench` is made where something is left to measure."""

    def measure(number: int) -> str:
        return judged(bench(), options.released, profile, np.random.default_rng([seed, number]))

    return Counter(options.repetitions([*what, profile], measure))


def verdict_row(name: str, found: Counter[str]) -> str:
    """A row of `fail`, `inconclusive` and `pass`."""
    trials = sum(found.values())
    return f"| {name} | {trials} | " + " | ".join(share(found[verdict], trials) for verdict in VERDICTS) + " |"


def real(options: Options, spare: int, side: int) -> Bench:
    """A bench of the people of a study with so many of them spare, `side` a side at most."""
    assert options.study is not None
    pool = Pool.prepared(options.study)
    most = (len(pool.people) - options.auxiliary - spare) // 2
    return Bench.of(pool, min(side, most), auxiliary=options.auxiliary, config=cheap())
