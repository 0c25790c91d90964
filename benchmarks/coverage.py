"""How often intervals of IRS, FID and utility hold the truth: `python -m benchmarks.coverage`.

Drawn populations with a known truth: people in d dimensions with several images each, classifiers whose skill varies
with their training seed. Prints a Markdown table with 95 % intervals of the coverage.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from unpersonal.metrics.generative.fid_excess import fid_excess
from unpersonal.metrics.generative.irs import RetrievalMetric
from unpersonal.metrics.intervals import clopper_pearson
from unpersonal.metrics.metric import FeatureSets
from unpersonal.utility.paired import compare

TRIALS = 400


@dataclass(frozen=True)
class Clouds:
    """People in `dimensions`, their images around them; synthetic images are `scale` times as wide and moved.

    `shift` is in standard deviations of each dimension. `people` train, `images` of each.
    """

    dimensions: int
    people: int
    images: int
    scale: float
    shift: float

    @property
    def deviations(self) -> np.ndarray:
        """Standard deviation of one image of anybody, [d]."""
        return np.linspace(2.0, 0.5, self.dimensions)

    @property
    def truth(self) -> float:
        """Fréchet distance of both populations, in closed form."""
        return float((self.deviations**2).sum()) * (self.shift**2 + (1.0 - self.scale) ** 2)

    def real(self, rng: np.random.Generator, people: int) -> tuple[np.ndarray, np.ndarray]:
        """Images [n, d] of fresh people and whose they are: four fifths of the variance is between people."""
        centres = np.repeat(rng.normal(size=(people, self.dimensions)), self.images, axis=0)
        own = rng.normal(size=centres.shape)
        points = (np.sqrt(0.8) * centres + np.sqrt(0.2) * own) * self.deviations
        return points, np.repeat(np.arange(people), self.images)

    def synthetic(self, rng: np.random.Generator, images: int) -> np.ndarray:
        """Synthetic images [n, d]."""
        plain = rng.normal(size=(images, self.dimensions))
        return (self.scale * plain + self.shift) * self.deviations


def irs_intervals(world: Clouds, test: int, synthetic: int, trials: int, seed: int) -> tuple[np.ndarray, float]:
    """Intervals [t, 2] of adjusted IRS for one train set and fresh others, and the geometric mean of the score."""
    rng = np.random.default_rng(seed)
    train, _ = world.real(rng, world.people)
    found = []
    for trial in range(trials):
        rows, subjects = world.real(rng, test)
        sets = FeatureSets(train, rows, world.synthetic(rng, synthetic), trial, None, subjects)
        figures = RetrievalMetric().compute(sets, RetrievalMetric.config())
        found.append([figures[key] for key in ("irs_lower", "irs_upper", "irs_exact")])
    values = np.array(found, dtype=float)
    return values[:, :2], float(np.exp(np.log(values[:, 2]).mean()))


def fid_intervals(world: Clouds, test: int, synthetic: int, trials: int, seed: int) -> tuple[np.ndarray, float]:
    """Intervals [t, 2] of the excess of FID and the distance of the populations."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(trials):
        rows, subjects = world.real(rng, test)
        excess = fid_excess(rows, subjects, world.synthetic(rng, synthetic), rng)
        found.append((excess.lower, excess.upper))
    return np.array(found), world.truth


@dataclass(frozen=True)
class Classifiers:
    """Both arms of a utility comparison: skill d' of a classifier varies with its seed by `spread`.

    Every person has two images; what a person looks like moves both, and the scores of every classifier.
    """

    skills: tuple[float, float] = (1.8, 1.5)
    spread: float = 0.1
    repeats: int = 3
    people: int = 150

    @property
    def truth(self) -> float:
        """Gap of the mean AUROC over seeds and people: AUROC = Phi(d' / sqrt(2)), averaged over d'."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(20)
        means = [
            float((norm.cdf((skill + self.spread * nodes) / np.sqrt(2.0)) * weights).sum() / weights.sum())
            for skill in self.skills
        ]
        return means[0] - means[1]

    def draw(self, rng: np.random.Generator) -> tuple[list[list[np.ndarray]], np.ndarray, np.ndarray]:
        """Scores of both arms' classifiers, targets [n, 1] and subjects [n]."""
        subjects = np.repeat(np.arange(self.people), 2)
        targets = (subjects % 2).astype(np.float32)[:, None]
        person = np.repeat(rng.normal(size=(self.people, 1)), 2, axis=0)
        image = 0.8**0.5 * person + 0.1**0.5 * rng.normal(size=targets.shape)
        arms = []
        for skill in self.skills:
            own = [
                (skill + self.spread * rng.normal()) * targets + image + 0.1**0.5 * rng.normal(size=targets.shape)
                for _ in range(self.repeats)
            ]
            arms.append(own)
        return arms, targets, subjects


def utility_intervals(world: Classifiers, trials: int, seed: int, replicates: int = 100) -> tuple[np.ndarray, float]:
    """Two-sided intervals and the one-sided bound [t, 3] of the gap, and the true gap."""
    rng = np.random.default_rng(seed)
    found = []
    for trial in range(trials):
        (real, synthetic), targets, subjects = world.draw(rng)
        result = compare(
            real, synthetic, targets, subjects, ("a",), replicates=replicates, rng=np.random.default_rng(trial)
        )
        assert result.gap_interval is not None
        found.append((*result.gap_interval, result.gap_upper))
    return np.array(found), world.truth


def covered(intervals: np.ndarray, truth: float) -> int:
    """How many intervals [t, 2] hold the truth."""
    return int(((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).sum())


def row(name: str, nominal: float, hits: int, trials: int) -> str:
    """A row of the table."""
    low, high = clopper_pearson(hits, trials)
    return f"| {name} | {nominal:.0%} | {hits / trials:.1%} ({low:.1%} to {high:.1%}) |"


WORLDS = (
    ("one image each, 4 dimensions", Clouds(4, 300, 1, 1.0, 0.0), 150, 150),
    ("two images each, 8 dimensions, wider", Clouds(8, 300, 2, 1.1, 0.1), 150, 300),
    ("three images each, 16 dimensions, narrower", Clouds(16, 300, 3, 0.8, 0.2), 200, 400),
    ("one image each, 32 dimensions", Clouds(32, 500, 1, 1.0, 0.0), 300, 500),
)
"""Name, population, test people, synthetic images."""
ARMS = (
    ("seeds alike", Classifiers(spread=0.0)),
    ("seeds differ", Classifiers()),
    ("two seeds", Classifiers(repeats=2)),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS)
    trials = parser.parse_args().trials
    print("| interval | nominal | holds the truth (95 % interval) |\n|---|---|---|")
    measures: tuple[tuple[str, float, Callable[..., tuple[np.ndarray, float]]], ...] = (
        ("IRS", 0.90, irs_intervals),
        ("FID", 0.95, fid_intervals),
    )
    for label, nominal, measure in measures:
        for seed, (name, world, test, synthetic) in enumerate(WORLDS):
            intervals, truth = measure(world, test, synthetic, trials, seed)
            print(row(f"{label}, {name}", nominal, covered(intervals, truth), trials), flush=True)
    for seed, (name, arms) in enumerate(ARMS):
        intervals, truth = utility_intervals(arms, trials, seed)
        print(row(f"utility gap, {name}", 0.95, covered(intervals[:, :2], truth), trials))
        print(row(f"utility upper bound, {name}", 0.95, int((intervals[:, 2] >= truth).sum()), trials), flush=True)


if __name__ == "__main__":
    main()
