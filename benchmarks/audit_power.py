"""What the audit notices, and what its verdicts mean: `python -m benchmarks.audit_power [TABLE ...]`.

Tables: `alarms` (false alarms of releases of fresh people), `bounds` (coverage, repeats included), `scores` (how many
scores of membership a pass can bear), `kinds` (releases of copies of every kind, wholly and in part), `copied` (few
verbatim copies among many images), `nulls` (verdicts on releases that leak nothing), `practice` (the reference's gate
re-enacted in a finished study). All are Markdown, with 95 % intervals. What repetitions share is said in `audit_bench`;
no attack that trains a network on the release is run.

`--out FILE` keeps every repetition as a line of JSON: the same command goes on where it was stopped, and with more
`--audits` it adds to what is there. `--minutes` begins no further repetition after so long.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from benchmarks.audit_bench import Bench, Pool, cheap, verdict_of
from benchmarks.rows import Rows
from unpersonal.audit.attack import Predicates
from unpersonal.audit.bounds import auroc_estimate, tpr_estimate, z_of
from unpersonal.audit.copied import search_copied
from unpersonal.audit.distances import sorted_hits
from unpersonal.audit.game import deal_roles
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.isolation_rows import isolation_rows
from unpersonal.audit.profiles import PROFILES, Profile
from unpersonal.audit.recall import strength_of
from unpersonal.audit.target import make_target
from unpersonal.matching.kinds import PICTURE_KINDS, Kind
from unpersonal.metrics.intervals import clopper_pearson

if TYPE_CHECKING:
    from benchmarks.audit_practice import Reenacted

VERDICTS = ("fail", "inconclusive", "pass")
CONFIDENCE = 0.95
COPIED = ((1, 1), (2, 1), (5, 1), (10, 1), (20, 1), (1, 5))
"""People copied, and identical copies of each."""
SHARES = (1.0, 0.05)
"""Shares of a release that are copies of one kind; the rest are fresh people."""


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


def alarms(options: Options) -> None:
    """False alarms: the release shows fresh people, and no audit may fail."""
    print("\n| people a side, release of fresh people | audits | fail | inconclusive | pass |\n|---|---|---|---|---|")
    for side in options.sides:
        bench = cache(lambda side=side: phantoms(side, options, 2 * options.released))
        found = repeated(["alarms", side], options, bench, "open", side)
        print(verdict_row(f"{side:,} phantoms, {options.released} images", found), flush=True)


def nulls(options: Options) -> None:
    """How often a release of disjoint real people passes, under the profile that the number of people is for."""
    print("\n| null release | audits | fail | inconclusive | pass |\n|---|---|---|---|---|")
    for side, profile in ((1_500, "open"), (450, "agreement")):
        benches = {"phantoms": cache(lambda side=side: phantoms(side, options, 2 * options.released))}
        if options.study is not None:
            benches["Kermany"] = cache(lambda side=side: real(options, options.released, side))
        for name, bench in benches.items():
            found = repeated(["nulls", name, side], options, bench, profile, side)
            print(verdict_row(f"at most {side:,} {name} a side, `{profile}`", found), flush=True)


def real(options: Options, spare: int, side: int) -> Bench:
    """A bench of the people of a study with so many of them spare, `side` a side at most."""
    assert options.study is not None
    pool = Pool.prepared(options.study)
    most = (len(pool.people) - options.auxiliary - spare) // 2
    return Bench.of(pool, min(side, most), auxiliary=options.auxiliary, config=cheap())


def isolated_bound(people: int, lam: float, copies: int, rng: np.random.Generator, weight: float) -> tuple[float, bool]:
    """The printed upper bound of isolated people after a leak of Poisson(`lam`) people, `copies` images of each.

    Whether it holds the expected share: that of the leak, and of chance at `weight` in as many predicates as people.
    """
    train = np.repeat([True, False], people)
    copied = rng.choice(people, min(rng.poisson(lam) if lam < 1 else round(lam), people), replace=False)
    count = max(people, len(copied) * copies)
    # chance: each predicate is met by each person with probability `weight`
    by_chance = rng.poisson(weight * count * 2 * people)
    predicate = np.concatenate([np.arange(len(copied) * copies), rng.integers(0, count, by_chance)])
    subject = np.concatenate([np.repeat(copied, copies), rng.integers(0, 2 * people, by_chance)])
    pairs = np.unique(np.stack([predicate, subject], axis=1), axis=0)
    hits = sorted_hits(pairs[:, 0], pairs[:, 1], count)
    family = Predicates(hits, np.zeros(count), weight)
    (row,) = isolation_rows([family], ["isolation"], deal_roles(train, rng), CONFIDENCE, 1)
    return row.isolated_upper, row.isolated_upper >= min(lam / people + 1.0 - np.exp(-weight * count), 1.0)


def membership_bounds(people: int, d: float, rng: np.random.Generator) -> tuple[bool, bool]:
    """Whether the bounds of AUROC and of the true-positive rate hold those of two Gaussians `d` apart."""
    train = np.repeat([True, False], people)
    scores = rng.normal(size=2 * people) + d * train
    z = z_of(CONFIDENCE)
    auroc, tpr = auroc_estimate(scores, train).upper(z), tpr_estimate(scores, train).upper(z)
    return auroc >= norm.cdf(d / np.sqrt(2.0)), tpr >= norm.sf(norm.isf(0.01) - d)


def bounds(options: Options) -> None:
    """Coverage of the printed upper bounds, drawn with known truth: nominal 95 %."""
    trials = max(options.audits * 5, 100)
    print("\n| upper bound (nominal 95 %) | repetitions | holds the truth |\n|---|---|---|")
    for people in options.sides:
        for lam, copies in ((0.0, 1), (1.0, 60), (0.25, 120), (10.0, 1), (10.0, 10)):

            def isolated(number: int, people: int = people, lam: float = lam, copies: int = copies) -> bool:
                rng = np.random.default_rng([people, copies, round(100 * lam), number])
                return bool(isolated_bound(people, lam, copies, rng, 1.0 / (100 * max(people, copies)))[1])

            held = list(options.repetitions(["bounds", "isolated", people, lam, copies], isolated, trials))
            name = f"isolated, {people:,} people a side, {lam:g} people × {copies}"
            print(f"| {name} | {len(held)} | {share(sum(held), len(held))} |", flush=True)
        for d in (0.0, 0.15):

            def membership(number: int, people: int = people, d: float = d) -> list[bool]:
                rng = np.random.default_rng([people, round(100 * d), number])
                return [bool(one) for one in membership_bounds(people, d, rng)]

            pairs = list(options.repetitions(["bounds", "membership", people, d], membership, trials))
            for column, name in enumerate(("AUROC", "TPR at 1 %")):
                count = sum(pair[column] for pair in pairs)
                print(
                    f"| {name}, {people:,} a side, d' = {d:g} | {len(pairs)} | {share(count, len(pairs))} |", flush=True
                )


def within(side: int, scores: int, profile: Profile, rng: np.random.Generator) -> bool:
    """Whether all upper bounds of independent scores that know nothing, each with its twin, keep the margins."""
    train, z = np.repeat([True, False], side), z_of(CONFIDENCE)
    for values in rng.normal(size=(scores, 2 * side)):
        for signed in (values, -values):
            auroc, tpr = auroc_estimate(signed, train).upper(z), tpr_estimate(signed, train).upper(z)
            if auroc > profile.auroc or tpr > profile.tpr:
                return False
    return True


def scores(options: Options) -> None:
    """How many scores of membership a release that leaks nothing can bear: every one needs its bounds to hold."""
    trials = max(options.audits, 100)
    print("\n| people a side | scores, and their twins | repetitions | within the margins |\n|---|---|---|---|")
    for side, name in ((1_500, "open"), (450, "agreement")):
        for count in (1, 2, 3, 5, 9, 18):

            def holds(number: int, side: int = side, name: str = name, count: int = count) -> bool:
                return within(side, count, PROFILES[name], np.random.default_rng([side, count, number]))

            held = list(options.repetitions(["scores", side, name, count], holds, trials))
            print(f"| {side:,}, `{name}` | {count} | {len(held)} | {share(sum(held), len(held))} |", flush=True)


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


def kinds(options: Options) -> None:
    """Every kind of copy that pictures alone can make: verdicts, and whether the claim names it as unseen."""
    side = options.sides[0]
    dealt = {"phantoms": cache(lambda: OfKinds.of(phantoms(side, options, options.released), options.released))}
    if options.study is not None:
        dealt["Kermany"] = cache(lambda: OfKinds.of(real(options, options.released, side), options.released))
    for name, made in dealt.items():
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

            def tried(number: int, kind: Kind = kind, made: Callable[[], OfKinds] = made) -> str:
                return made().verdict(kind, SHARES[number])

            verdicts = list(options.repetitions([*what, called], tried, len(SHARES)))
            silent += [called] if "pass" in verdicts and called not in unseen else []
            shown = [*verdicts, *["not measured"] * (len(SHARES) - len(verdicts))]
            print(f"| {called} | {' | '.join(shown)} | {'yes' if called in unseen else ''} |", flush=True)
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


def practice(options: Options) -> None:
    """The reference's practice re-enacted in a finished study (`audit_practice`), our own selection beside it."""
    from benchmarks.audit_practice import Practice, reenacted
    from unpersonal.judges.generated import has_denoiser

    if options.study is None or not has_denoiser(options.study):
        print("\npractice: name a study with a trained denoiser and selected images: --study STUDY")
        return
    study, settings = options.study, Practice(side=options.sides[0], released=options.released)
    found = list(options.repetitions(["practice", asdict(settings)], lambda _: told(reenacted(study, settings)), 1))
    for columns in found:
        print("\n| figure | reference's practice | our default |\n|---|---|---|")
        for name, pair in columns.items():
            print(f"| {name} | {' | '.join(pair)} |")


def told(found: Reenacted) -> dict[str, list[str]]:
    """The figures of both audits in words, by their names."""
    both = (found.theirs, found.ours)
    rows = [
        {row.name: f"{row.value:.3f} ({row.lower:.3f} to {row.upper:.3f})" for row in one.primary or ()} for one in both
    ]
    plain = {
        "verdict": [verdict_of(one) for one in both],
        "released images": [str(one.released) for one in both],
        "sources with an image": [f"{found.yielded} of {found.sources}", "see its own report"],
        "images that copy a person": [str(one.copied.images if one.copied else "not measured") for one in both],
    }
    return plain | {
        name: [row.get(name, "not measured") for row in rows] for name in dict.fromkeys((*rows[0], *rows[1]))
    }


TABLES: dict[str, Callable[[Options], None]] = {
    "bounds": bounds,
    "scores": scores,
    "copied": copied,
    "kinds": kinds,
    "alarms": alarms,
    "nulls": nulls,
    "practice": practice,
}


def main() -> None:
    """Print the tables that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=[])
    parser.add_argument("--sides", type=int, nargs="+", default=[300, 1_000, 20_000], help="people a side")
    parser.add_argument("--audits", type=int, default=200, help="repetitions")
    parser.add_argument("--released", type=int, default=1_000, help="images of a release")
    parser.add_argument("--size", type=int, default=64, help="side of phantoms in pixels")
    parser.add_argument("--auxiliary", type=int, default=400, help="auxiliary people")
    parser.add_argument("--study", type=Path, help="a study of real images (Kermany), prepared or finished")
    parser.add_argument("--out", type=Path, help="a file of JSON lines that keeps every repetition")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no repetition begins after so long")
    given = vars(parser.parse_args())
    names, out, minutes = given.pop("tables") or list(TABLES), given.pop("out"), given.pop("minutes")
    given["sides"] = tuple(given["sides"])
    options = Options(**given, rows=Rows(out), until=time.monotonic() + 60.0 * minutes)
    for name in names:
        TABLES[name](options)


if __name__ == "__main__":
    main()
