"""Are train and control people of a real cohort exchangeable? `python -m benchmarks.audit_exchange STUDY`.

The cohort is dealt anew by its own rule, many times; the release are pictures of val people, who leak nothing. Printed
is how often membership by distance, and its reversed twin, has a p-value up to a level: no more often than the level,
if chance alone deals people. A second row keeps the study's own deal and draws the release anew: all its audits share
one deal, so that one p-value says as much as another.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.audit_bench import Pool
from unpersonal.audit.attacks.membership_by_distance import RelativeNearness
from unpersonal.audit.game import deal_roles, permuted_codes
from unpersonal.audit.membership import auroc_with_null
from unpersonal.audit.membership_people import Combination
from unpersonal.audit.spaces import fit_space
from unpersonal.audit.target import strata_of
from unpersonal.cohort.splits import split_subjects
from unpersonal.layouts.config import Splits
from unpersonal.metrics.hypothesis import permutation_p
from unpersonal.metrics.intervals import clopper_pearson

LEVELS = (0.015, 0.025, 0.1)
RELEASED, PERMUTATIONS = 200, 999


@dataclass(frozen=True)
class Deal:
    """The pictures of a pool in a space that some of its people fit, and the rows of each split and half of `aux`."""

    points: np.ndarray
    rows: dict[str, np.ndarray]

    @classmethod
    def of(cls, pool: Pool, splits: np.ndarray) -> Deal:
        """Fit the space on half of the aux people, as an audit does; `splits` str [n] is that of every picture."""
        rows = {name: np.flatnonzero(splits == name) for name in ("train", "val", "test")}
        aux = np.unique(pool.subjects[splits == "aux"])
        network, certify = np.split(np.random.default_rng(0).permutation(aux), [len(aux) // 2])
        rows |= {"network": np.flatnonzero(np.isin(pool.subjects, network))}
        rows |= {"certify": np.flatnonzero(np.isin(pool.subjects, certify))}
        space = fit_space("appearance", pool.images[rows["network"]], size=32, components=48, seed=0)
        return cls(space.embed(np.asarray(pool.images)), rows)

    def anew(self, pool: Pool, seed: int) -> Deal:
        """All but the aux people dealt anew by the cohort's own rule; who becomes aux is left out."""
        others = np.flatnonzero(~np.isin(np.arange(len(pool.subjects)), [*self.rows["network"], *self.rows["certify"]]))
        labels = [pool.labels[row] for row in others]
        split = split_subjects(pool.subjects[others].tolist(), labels, Splits(), seed)
        splits = np.array([split[name] for name in pool.subjects[others].tolist()])
        dealt = {name: others[splits == name] for name in ("train", "val", "test")}
        return replace(self, rows={**self.rows, **dealt})

    def p_values(self, pool: Pool, rng: np.random.Generator) -> tuple[float, float]:
        """One-sided p of the score and of its reversed twin, by a release of `RELEASED` pictures of val people."""
        released = rng.choice(self.rows["val"], RELEASED, replace=False)
        score = RelativeNearness(self.points[released], self.points[self.rows["network"]])
        strangers = self.rows["certify"][np.argsort(pool.subjects[self.rows["certify"]], kind="stable")]
        combination = Combination.of(score(self.points[strangers]), starts_of(pool.subjects[strangers]))
        rows = np.concatenate([self.rows["train"], self.rows["test"]])
        rows = rows[np.argsort(pool.subjects[rows], kind="stable")]
        subjects = pool.subjects[rows]
        names, counts = np.unique(subjects, return_counts=True)
        values = combination.people(score(self.points[rows]), starts_of(subjects))
        train = np.isin(names, pool.subjects[self.rows["train"]])
        roles = deal_roles(train, rng)
        labels = [tuple(pool.labels[row]) for row in rows]
        codes = permuted_codes(roles, strata_of(subjects, labels, names, counts), PERMUTATIONS, rng)
        found, null = auroc_with_null(values, codes, train, roles.blocks)
        return permutation_p(found, null), permutation_p(-found, -null)


def starts_of(subjects: np.ndarray) -> np.ndarray:
    """Where each person begins among sorted `subjects` [n], int64 [S]."""
    return np.unique(subjects, return_index=True)[1]


def row(name: str, p_values: np.ndarray) -> str:
    """How many of p-values float [k] are up to each level."""
    cells = []
    for level in LEVELS:
        count = int((p_values <= level).sum())
        low, high = clopper_pearson(count, len(p_values))
        cells.append(f"{count / len(p_values):.1%} ({low:.1%} to {high:.1%})")
    return f"| {name} | {len(p_values)} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="a study whose images are stored")
    parser.add_argument("--deals", type=int, default=200, help="repetitions")
    options = parser.parse_args()
    pool, rng = Pool.prepared(options.study), np.random.default_rng(20261129)
    own = Deal.of(pool, np.array(splits_of(options.study)))
    anew = [own.anew(pool, seed).p_values(pool, rng) for seed in range(options.deals)]
    kept = [own.p_values(pool, rng) for _ in range(options.deals)]
    print("| deal | repetitions | " + " | ".join(f"p ≤ {level:g}" for level in LEVELS) + " |\n|---|---|---|---|---|")
    for name, found in (("dealt anew", np.array(anew)), ("the study's own deal, other releases", np.array(kept))):
        for column, sign in enumerate(("nearer", "farther (reversed)")):
            print(row(f"{name}: {sign}", found[:, column]), flush=True)


def splits_of(study: Path) -> list[str]:
    """The split of each image of a study's cohort."""
    import pandas as pd

    return [str(name) for name in pd.read_parquet(study / "cohort.parquet", columns=["split"])["split"]]


if __name__ == "__main__":
    main()
