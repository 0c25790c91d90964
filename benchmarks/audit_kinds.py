"""Tables of `audit_power`: releases of copies of every kind, and few verbatim copies among many images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from benchmarks.audit_bench import Bench, cheap, verdict_of
from benchmarks.audit_tables import Options, phantoms, real, share
from benchmarks.novel_kinds import NOVEL
from unpersonal.audit.copied import search_copied
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.recall import strength_of
from unpersonal.audit.target import make_target
from unpersonal.matching.kinds import PICTURE_KINDS, Kind

COPIED = ((1, 1), (2, 1), (5, 1), (10, 1), (20, 1), (1, 5))
"""People copied, and identical copies of each."""
SHARES = (1.0, 0.05)
"""Shares of a release that are copies of one kind; the rest are fresh people."""


def released_of_kind(bench: Bench, kind: Kind, originals: np.ndarray, part: float, seed: int) -> np.ndarray:
    """A release of which a part are copies of that kind, of different people; the rest are spare people."""
    rng = np.random.default_rng(seed)
    count = max(round(part * len(originals)), 1)
    copies = kind.copies(originals[:count], bench.auxiliary[1].images, strength_of(kind), rng)
    rest = rng.choice(len(bench.spare), min(len(originals) - count, len(bench.spare)), replace=False)
    return np.concatenate([copies, bench.spare[rest]])


@dataclass(frozen=True)
class OfKinds:
    """A bench with its sides dealt, and an image of each of the people whose copies are made."""

    bench: Bench
    train: SubjectImages
    control: SubjectImages
    originals: np.ndarray

    @classmethod
    def of(cls, bench: Bench, released: int) -> OfKinds:
        """Deal the sides."""
        rng = np.random.default_rng(3)
        train, control = bench.sides(rng)
        _, first = np.unique(train.subjects, return_index=True)
        return cls(bench, train, control, train.images[rng.permutation(first)[:released]])

    def unseen(self) -> list[str]:
        """The kinds that an audit of fresh people calls unseen."""
        full = replace(self.bench, config=cheap(kind_copies=60))
        return list(full.audit(self.train, self.control, self.bench.spare[: len(self.originals)]).blind or ())

    def verdict(self, kind: Kind, part: float) -> str:
        """The verdict on a release of which a part are copies of that kind."""
        return verdict_of(
            self.bench.audit(self.train, self.control, released_of_kind(self.bench, kind, self.originals, part, 5))
        )


def dealt(options: Options) -> dict[str, Callable[[], OfKinds]]:
    """Invented people, and the real ones of a study, dealt where something is left to measure."""
    side, released = options.sides[0], options.released
    found = {"phantoms": cache(lambda: OfKinds.of(phantoms(side, options, released), released))}
    if options.study is not None:
        found["Kermany"] = cache(lambda: OfKinds.of(real(options, released, side), released))
    return found


def verdicts_on(kind: Kind, called: str, options: Options, what: list[Any], made: Callable[[], OfKinds]) -> list[str]:
    """Verdicts on releases of that kind, wholly and in part, as far as time allows."""
    return list(options.repetitions([*what, called], lambda number: made().verdict(kind, SHARES[number]), len(SHARES)))


def shown(verdicts: list[str]) -> list[str]:
    """A cell for each of `SHARES`."""
    return [*verdicts, *["not measured"] * (len(SHARES) - len(verdicts))]


def novel(options: Options) -> None:
    """Kinds of copies that no matcher was made for: verdicts on releases of them."""
    for name, made in dealt(options).items():
        print(f"\n{name}: {options.released} images, {options.sides[0]} people a side")
        print("| kind, unknown to gate and audit | wholly of it | 5 % of it |\n|---|---|---|")
        for kind in NOVEL:
            verdicts = verdicts_on(kind, kind.name, options, ["novel", name, options.sides[0]], made)
            print(f"| {kind.title} | {' | '.join(shown(verdicts))} |", flush=True)


def kinds(options: Options) -> None:
    """Every kind of copy that pictures alone can make: verdicts, and whether the claim names it as unseen."""
    side = options.sides[0]
    for name, made in dealt(options).items():
        what = ["kinds", name, side]
        found = list(options.repetitions([*what, "unseen"], lambda _, made=made: made().unseen(), 1))
        if not found:
            return
        unseen = set(found[0])
        print(f"\n{name}: {options.released} images, {side} people a side")
        print("| kind | wholly of it | 5 % of it | named as unseen |\n|---|---|---|---|")
        silent = []
        for kind in PICTURE_KINDS:
            called = kind.named(strength_of(kind))
            verdicts = verdicts_on(kind, called, options, what, made)
            silent += [called] if "pass" in verdicts and called not in unseen else []
            print(f"| {called} | {' | '.join(shown(verdicts))} | {'yes' if called in unseen else ''} |", flush=True)
        print(f"pass and are not named: {', '.join(silent) or 'none'}")


def found_copies(bench: Bench, people: int, copies: int, released: int, rng: np.random.Generator) -> tuple[int, int]:
    """Whether any verbatim copy of so many train people is found among `released` images, and how many images are."""
    train, control = bench.sides(rng)
    _, first = np.unique(train.subjects, return_index=True)
    copied = np.repeat(train.images[rng.permutation(first)[:people]], copies, axis=0)
    rest = rng.permutation(len(bench.spare))[: released - len(copied)]
    images = np.concatenate([copied, bench.spare[rest]])
    with bench.shared():
        background = bench.background(images)
        found = search_copied(background, make_target(train, control, bench.config, 0))
    pictures = set(found.pictures.tolist())
    return int(bool(pictures)), len(pictures - set(range(len(copied))))


def copied(options: Options) -> None:
    """Few verbatim copies among many fresh people: how often the search for copied people finds any."""
    side = options.sides[0]
    bench = cache(lambda: phantoms(side, options, options.released))
    print(f"\n{options.released} images, {side} phantoms a side")
    print("| verbatim copies | audits | found | other images named as well, on average |\n|---|---|---|---|")
    for people, copies in (*COPIED, (0, 1)):

        def tried(number: int, people: int = people, copies: int = copies) -> tuple[int, int]:
            return found_copies(bench(), people, copies, options.released, np.random.default_rng([11, number]))

        found = list(options.repetitions(["copied", side, people, copies], tried))
        hits, others = (sum(pair[column] for pair in found) for column in (0, 1))
        name = f"{people} people × {copies}" if people else "none (false findings)"
        mean = others / max(len(found), 1)
        print(f"| {name} | {len(found)} | {share(hits, len(found))} | {mean:.2f} |", flush=True)
