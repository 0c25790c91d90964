"""Tables of `audit_power`: coverage of printed bounds, and how many scores of membership a pass can bear."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from benchmarks.audit_tables import Options, share
from unpersonal.audit.attack import Predicates
from unpersonal.audit.bounds import auroc_estimate, tpr_estimate, z_of
from unpersonal.audit.distances import sorted_hits
from unpersonal.audit.foretold import foretold_ranks
from unpersonal.audit.game import deal_roles
from unpersonal.audit.isolation_rows import isolation_rows
from unpersonal.audit.profiles import PROFILES, Profile

CONFIDENCE = 0.95


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


LOOKS = 40
"""Covariates of a person, of which one says half of a score."""


def equal_looks_bound(people: int, d: float, rng: np.random.Generator, seed: int) -> list[bool]:
    """Whether the bound of the AUROC at equal looks holds that of two Gaussians `d` apart, and is the narrower one."""
    train = np.repeat([True, False], people)
    looks = rng.normal(size=(2 * people, LOOKS))
    scores = np.sqrt(0.5) * (looks[:, 0] + rng.normal(size=2 * people)) + d * train
    (foretold,) = foretold_ranks(scores[None], train, looks, seed)
    alike, plain = auroc_estimate(scores, train, foretold), auroc_estimate(scores, train)
    return [bool(alike.upper(z_of(CONFIDENCE)) >= norm.cdf(d / np.sqrt(2.0))), bool(alike.rest < plain.rest)]


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

            def alike(number: int, people: int = people, d: float = d) -> list[bool]:
                return equal_looks_bound(people, d, np.random.default_rng([people, round(100 * d), number]), number)

            pairs = list(options.repetitions(["bounds", "equal looks", people, d], alike, trials))
            for column, name in enumerate(("AUROC at equal looks", "it is narrower")):
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
