"""What the audit notices, and what its verdicts mean: `python -m benchmarks.audit_power [TABLE ...]`.

Tables: `alarms` (false alarms of releases of fresh people), `bounds` (coverage, repeats included), `scores` (how many
scores of membership a pass can bear), `kinds` (releases of copies of every kind, wholly and in part), `copied` (few
verbatim copies among many images), `nulls` (verdicts on releases that leak nothing), `practice` (the reference's gate
re-enacted in a finished study). All are Markdown, with 95 % intervals. What repetitions share is said in `audit_bench`;
no attack that trains a network on the release is run.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import norm

from benchmarks.audit_bench import Bench, Pool, cheap, verdict_of
from unpersonal.audit.attack import Predicates
from unpersonal.audit.bounds import auroc_estimate, tpr_estimate, z_of
from unpersonal.audit.copied import search_copied
from unpersonal.audit.distances import sorted_hits
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.game import deal_roles
from unpersonal.audit.isolation_rows import isolation_rows
from unpersonal.audit.profiles import PROFILES, Profile
from unpersonal.audit.recall import strength_of
from unpersonal.audit.target import make_target
from unpersonal.matching.kinds import PICTURE_KINDS, Kind
from unpersonal.metrics.intervals import clopper_pearson

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


def share(count: int, trials: int) -> str:
    """A rate with its interval."""
    low, high = clopper_pearson(count, trials)
    return f"{count / trials:.1%} ({low:.1%} to {high:.1%})"


def phantoms(side: int, options: Options, spare: int) -> Bench:
    """A bench of phantoms with so many spare people."""
    pool = Pool.phantom(options.auxiliary + 2 * side + spare, seed=0, size=options.size)
    return Bench.of(pool, side, auxiliary=options.auxiliary, config=cheap())


def repeated(bench: Bench, audits: int, released: int, profile: str, seed: int) -> Counter[str]:
    """Verdicts on releases of people who are in no side; sides and releases are dealt anew."""
    rng, found = np.random.default_rng(seed), Counter[str]()
    for _ in range(audits):
        train, control = bench.sides(rng)
        chosen = rng.choice(len(bench.spare), min(released, len(bench.spare)), replace=False)
        found[verdict_of(bench.audit(train, control, bench.spare[chosen], profile))] += 1
    return found


def verdict_row(name: str, found: Counter[str]) -> str:
    """A row of `fail`, `inconclusive` and `pass`."""
    trials = sum(found.values())
    return f"| {name} | {trials} | " + " | ".join(share(found[verdict], trials) for verdict in VERDICTS) + " |"


def alarms(options: Options) -> None:
    """False alarms: the release shows fresh people, and no audit may fail."""
    print("\n| people a side, release of fresh people | audits | fail | inconclusive | pass |\n|---|---|---|---|---|")
    for side in options.sides:
        bench = phantoms(side, options, 2 * options.released)
        found = repeated(bench, options.audits, options.released, "open", side)
        print(verdict_row(f"{side:,} phantoms, {options.released} images", found), flush=True)


def nulls(options: Options) -> None:
    """How often a release of disjoint real people passes, under the profile that the number of people is for."""
    print("\n| null release | audits | fail | inconclusive | pass |\n|---|---|---|---|---|")
    for side, profile in ((1_500, "open"), (450, "agreement")):
        benches = {"phantoms": phantoms(side, options, 2 * options.released)}
        if options.study is not None:
            pool = Pool.prepared(options.study)
            most = (len(pool.people) - options.auxiliary - options.released) // 2
            benches["Kermany"] = Bench.of(pool, min(side, most), auxiliary=options.auxiliary, config=cheap())
        for name, bench in benches.items():
            found = repeated(bench, options.audits, options.released, profile, side)
            print(verdict_row(f"{len(bench.gallery) // 2:,} {name} a side, `{profile}`", found), flush=True)


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
    rng, trials = np.random.default_rng(0), max(options.audits * 5, 100)
    print("\n| upper bound (nominal 95 %) | repetitions | holds the truth |\n|---|---|---|")
    for people in options.sides:
        for lam, copies in ((0.0, 1), (1.0, 60), (0.25, 120), (10.0, 1), (10.0, 10)):
            weight = 1.0 / (100 * max(people, copies))
            held = sum(isolated_bound(people, lam, copies, rng, weight)[1] for _ in range(trials))
            name = f"isolated, {people:,} people a side, {lam:g} people × {copies}"
            print(f"| {name} | {trials} | {share(held, trials)} |", flush=True)
        for d in (0.0, 0.15):
            held = np.sum([membership_bounds(people, d, rng) for _ in range(trials)], axis=0)
            for name, count in zip(("AUROC", "TPR at 1 %"), held, strict=True):
                print(f"| {name}, {people:,} a side, d' = {d:g} | {trials} | {share(int(count), trials)} |", flush=True)


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
    rng, trials = np.random.default_rng(0), max(options.audits, 100)
    print("\n| people a side | scores, and their twins | repetitions | within the margins |\n|---|---|---|---|")
    for side, name in ((1_500, "open"), (450, "agreement")):
        for count in (1, 2, 3, 5, 9, 18):
            held = sum(within(side, count, PROFILES[name], rng) for _ in range(trials))
            print(f"| {side:,}, `{name}` | {count} | {trials} | {share(held, trials)} |", flush=True)


def released_of_kind(bench: Bench, kind: Kind, originals: np.ndarray, part: float, seed: int) -> np.ndarray:
    """A release of which a part are copies of that kind, of different people; the rest are spare people."""
    rng = np.random.default_rng(seed)
    count = max(round(part * len(originals)), 1)
    copies = kind.copies(originals[:count], bench.auxiliary[1].images, strength_of(kind), rng)
    rest = rng.choice(len(bench.spare), min(len(originals) - count, len(bench.spare)), replace=False)
    return np.concatenate([copies, bench.spare[rest]])


def kinds(options: Options) -> None:
    """Every kind of copy that pictures alone can make: verdicts, and whether the claim names it as blind."""
    benches = {"phantoms": phantoms(options.sides[0], options, options.released)}
    if options.study is not None:
        pool = Pool.prepared(options.study)
        benches["Kermany"] = Bench.of(pool, options.sides[0], auxiliary=options.auxiliary, config=cheap())
    for name, bench in benches.items():
        rng = np.random.default_rng(3)
        train, control = bench.sides(rng)
        _, first = np.unique(train.subjects, return_index=True)
        originals = train.images[rng.permutation(first)[: options.released]]
        full = replace(bench, config=cheap(kind_copies=60))
        blind = set(full.audit(train, control, bench.spare[: len(originals)]).blind or ())
        print(f"\n{name}: {len(originals)} images, {options.sides[0]} people a side")
        print("| kind | wholly of it | 5 % of it | named as blind |\n|---|---|---|---|")
        silent = []
        for kind in PICTURE_KINDS:
            called = kind.named(strength_of(kind))
            verdicts = [
                verdict_of(bench.audit(train, control, released_of_kind(bench, kind, originals, part, 5)))
                for part in SHARES
            ]
            silent += [called] if "pass" in verdicts and called not in blind else []
            print(f"| {called} | {' | '.join(verdicts)} | {'yes' if called in blind else ''} |", flush=True)
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
    bench = phantoms(options.sides[0], options, options.released)
    print(f"\n{options.released} images, {options.sides[0]} phantoms a side")
    print("| verbatim copies | audits | found | other images named as well, on average |\n|---|---|---|---|")
    for people, copies in (*COPIED, (0, 1)):
        rng = np.random.default_rng(11)
        found = [found_copies(bench, people, copies, options.released, rng) for _ in range(options.audits)]
        hits, others = (sum(column) for column in zip(*found, strict=True))
        name = f"{people} people × {copies}" if people else "none (false findings)"
        print(f"| {name} | {len(found)} | {share(hits, len(found))} | {others / len(found):.2f} |", flush=True)


def practice(options: Options) -> None:
    """The reference's gate re-enacted in a study: draws of an over-fitted model, one source each, own source only.

    A draw is released where the study's re-identifier gives it and its own source less than 0.5. Beside it stands what
    the study itself released: audit/audit.json.
    """
    from benchmarks.audit_practice import reenacted

    if options.study is None or not (options.study / "judges").is_dir():
        print("\npractice: name a finished study with --study")
        return
    print("\n| figure | reference's practice | our default |\n|---|---|---|")
    theirs, ours = reenacted(options.study)
    for name in _figure_names(theirs, ours):
        print(f"| {name} | {_told(theirs, name)} | {_told(ours, name)} |")


def _figure_names(*figures: AuditFigures) -> list[str]:
    names = dict.fromkeys(row.name for each in figures for row in each.primary or ())
    return ["verdict", "released images", *names]


def _told(figures: AuditFigures, name: str) -> str:
    plain = {"verdict": verdict_of(figures), "released images": str(figures.released)}
    rows = {row.name: f"{row.value:.3f} ({row.lower:.3f} to {row.upper:.3f})" for row in figures.primary or ()}
    return (plain | rows).get(name, "not measured")


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
    given = vars(parser.parse_args())
    names = given.pop("tables") or list(TABLES)
    options = Options(**{**given, "sides": tuple(given["sides"])})
    for name in names:
        TABLES[name](options)


if __name__ == "__main__":
    main()
