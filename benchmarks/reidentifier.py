"""The two kinds of re-identifier under one budget, on a study: `python -m benchmarks.reidentifier STUDY`.

Members of each kind are trained with several seeds, on the same steps, batches, views and networks. Measured on people
of `test`, whom nothing was chosen by, for each kind of copies and for other visits:

- verification: the AUC of pairs, each copy with its own original against the same copy with a picture of somebody else
  of the same labels; 95 % intervals over subjects (bootstrap);
- recall@1: how often the best match among the pictures of everybody in the cohort is of the right person;
- recall at the threshold that 5 % of the strangers (people of `val` and `aux`, without their own pictures) reach;
- consistency: the share of verdicts at that threshold that another seed would flip.

Means over seeds; the interval is that of the first seed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from unpersonal.codec.store import load_codec, load_images
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.seeds import numpy_rng
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.copies import CopyMaker, one_row_each, pick_hosts
from unpersonal.judges.generated import has_denoiser, make_bank
from unpersonal.judges.reidentifier import Reidentifier
from unpersonal.judges.stage import Subsets, train_reidentifier
from unpersonal.judges.subset import take_subset
from unpersonal.judges.views import Bank
from unpersonal.matching.kinds import kind
from unpersonal.metrics.roc import auroc
from unpersonal.study import read_config

CPU = torch.device("cpu")
SEED = 20261130
"""Of this benchmark alone."""
STRANGER_RATE = 0.05
REPLICATES = 1000
TRIED = (
    ("exposure", 1.3), ("exposure", 1.7), ("polarity", 1), ("noise", 0.06), ("blur", 0.02), ("jpeg", 20),
    ("shift", 0.08), ("rotation", 10), ("rotation", 20), ("mirror", 1), ("right-angle", 90), ("crop", 0.85),
    ("crop", 0.75), ("zoom", 0.85), ("frame", 0.85), ("letterbox", 0.8), ("squash", 0.8), ("half", 0.5),
    ("region", 0.5), ("region", 0.25), ("average", 0.7), ("average", 0.5), ("re-noised", 0.1), ("re-noised", 0.2),
    ("re-noised", 0.3), ("over-fitted", 1),
)  # fmt: skip


@dataclass(frozen=True)
class Queries:
    """Pictures of people whose originals are rows `own` of the cohort; `left_out` [n] (-1: none) are not searched."""

    name: str
    images: np.ndarray
    own: np.ndarray
    left_out: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """Of one trained member and one kind of queries: the scores of true and of false pairs [n], and of the search."""

    true: np.ndarray
    false: np.ndarray
    first: np.ndarray
    flagged: np.ndarray


def auc_interval(true: np.ndarray, false: np.ndarray, seed: int) -> tuple[float, float]:
    """Two-sided 95 % bootstrap interval over subjects of the AUC of pairs `true` [n] and `false` [n] of n subjects."""
    rng, found = numpy_rng(seed, "bootstrap"), []
    positive = np.repeat([True, False], len(true))
    for _ in range(REPLICATES):
        rows = rng.integers(0, len(true), len(true))
        found.append(auroc(np.concatenate([true[rows], false[rows]]), positive))
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def flipped(verdicts: Sequence[np.ndarray]) -> float:
    """Mean share of verdicts (bool [n] each) in which two seeds differ, over all pairs of seeds."""
    return float(np.mean([(a != b).mean() for a, b in combinations(verdicts, 2)]))


def others_alike(cohort: Cohort, rows: np.ndarray, seed: int) -> np.ndarray:
    """For each of `rows` one among them that shows another subject of the same labels, where there is one."""
    rng = numpy_rng(seed, "negatives")
    labels, subjects = np.array(["|".join(each) for each in cohort.labels]), cohort.subjects
    found = []
    for row in rows:
        other = rows[subjects[rows] != subjects[row]]
        alike = other[labels[other] == labels[row]]
        found.append(rng.choice(alike if len(alike) else other))
    return np.array(found)


def all_queries(maker: CopyMaker, cohort: Cohort, people: np.ndarray) -> list[Queries]:
    """Copies of every kind that is tried, and other visits."""
    found = []
    for name, strength in TRIED:
        one = kind(name)
        if maker.can_make(one):
            rows = people[: maker.most(one)]
            copies = maker.make(one, strength, rows)
            found.append(Queries(one.named(strength), copies, rows, np.full(len(rows), -1)))
    visits = []
    for row in people:
        same = np.flatnonzero(cohort.subjects == cohort.subjects[row])
        visits += [(other, row) for other in same[same != row][:1]]
    if visits:
        other, own = np.array(visits).T
        found.append(Queries("other-visit", np.array(maker.images[other]), own, other))
    return found


def measure(
    reidentifier: Reidentifier, cohort: Cohort, maker: CopyMaker, queries: Sequence[Queries]
) -> tuple[dict[str, Outcome], np.ndarray]:
    """An outcome for each of `queries`, and the verdicts on strangers."""
    rows = np.setdiff1d(np.arange(len(cohort)), maker.hosts)
    subjects = cohort.subjects.astype(str)
    gallery = reidentifier.enrol(np.array(maker.images[rows]), subjects[rows])
    place = np.full(len(cohort), -1)
    place[rows] = np.arange(len(rows))
    unseen = np.concatenate([one_row_each(cohort, name, SEED) for name in ("val", "aux")])
    unseen = unseen[~np.isin(subjects[unseen], subjects[maker.hosts])]
    strangers = reidentifier.score(np.array(maker.images[unseen]), gallery, subjects[unseen]).score
    level = np.sort(strangers)[::-1][int(STRANGER_RATE * len(strangers))]
    found = {}
    for each in queries:
        scores = reidentifier.scores(reidentifier.embed(each.images), gallery)
        index = np.arange(len(scores))
        true, false = (scores[index, place[one]] for one in (each.own, others_alike(cohort, each.own, SEED)))
        hidden = each.left_out >= 0
        scores[index[hidden], place[each.left_out[hidden]]] = -np.inf
        right = subjects[rows][scores.argmax(axis=1)] == subjects[each.own]
        found[each.name] = Outcome(true, false, right, scores.max(axis=1) > level)
    return found, strangers > level


def train(study: Path, config: JudgesConfig, seed: int, bank: Bank | None) -> tuple[Reidentifier, float]:
    """One member, and the seconds of this process that it took."""
    cohort, images, codec = load_cohort(study), load_images(study), load_codec(study)
    subsets = Subsets(*(take_subset(cohort, images, name) for name in ("train", "val-stop", "val-stop")))
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        found, _ = train_reidentifier(Path(folder), subsets, config, codec, seed, CPU, bank)
    return found, time.process_time() - start


def seconds_of(reidentifier: Reidentifier, images: np.ndarray) -> float:
    """Seconds of this process for the search of 1,000 images among these and their views, embedding included."""
    queries = images[np.arange(1000) % len(images)]
    start = time.process_time()
    reidentifier.best_match(reidentifier.embed(queries), reidentifier.embed_gallery(images))
    return time.process_time() - start


def table(outcomes: dict[str, list[dict[str, Outcome]]]) -> None:
    """Rows are kinds of copies; for each kind of re-identifier AUC, recall@1, recall at 5 %, flipped verdicts."""
    names = list(outcomes)
    print("| kind | people | " + " | ".join(f"{name}: AUC | @1 | at 5 % | flipped" for name in names) + " |")
    print("|---|---|" + "---|" * (4 * len(names)))
    rows = []
    for name in outcomes[names[0]][0]:
        cells, count = [], 0
        for which in names:
            runs = [run[name] for run in outcomes[which]]
            count = len(runs[0].true)
            positive = np.repeat([True, False], count)
            areas = [auroc(np.concatenate([run.true, run.false]), positive) for run in runs]
            low, high = auc_interval(runs[0].true, runs[0].false, SEED)
            first, flagged = (np.mean([getattr(run, part).mean() for run in runs]) for part in ("first", "flagged"))
            change = flipped([run.flagged for run in runs]) if len(runs) > 1 else float("nan")
            cells += [
                f"{np.mean(areas):.4f} ({low:.4f} to {high:.4f})",
                *(f"{x:.3f}" for x in (first, flagged, change)),
            ]
        rows.append(f"| {name} | {count} | {' | '.join(cells)} |")
    print("\n".join(rows), flush=True)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="of each training; by default the study's")
    given = parser.parse_args()
    config = read_config(given.study / "study.toml").judges.model_copy(update={"seeds": 1})
    config = config.model_copy(update={"reidentifier_steps": given.steps or config.reidentifier_steps})
    cohort, images, codec = load_cohort(given.study), load_images(given.study), load_codec(given.study)
    limits = config.model_copy(update={"renoised": given.people, "overfitted": 48})
    maker = CopyMaker(given.study, images, pick_hosts(cohort, SEED), codec, limits, SEED, CPU)
    queries = all_queries(maker, cohort, one_row_each(cohort, "test", SEED)[: given.people])
    print(f"{'with' if has_denoiser(given.study) else 'without'} a diffusion model; {config.reidentifier_steps} steps")
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "bank.safetensors"
        bank = make_bank(given.study, cohort.rows("train"), config.generated_views, SEED, CPU, kept)
    outcomes: dict[str, list[dict[str, Outcome]]] = {}
    for which in ("embedding", "siamese"):
        unseen, spent = [], []
        for seed in range(given.seeds):
            found, seconds = train(given.study, config.model_copy(update={"kind": which}), seed, bank)
            outcome, verdicts = measure(found, cohort, maker, queries)
            outcomes.setdefault(which, []).append(outcome)
            unseen.append(verdicts)
            spent.append(seconds)
        change = f"{flipped(unseen):.3f}" if len(unseen) > 1 else "none"
        search = seconds_of(found, np.array(images[:1000]))
        print(f"{which}: trained in {np.mean(spent):.0f} s, 1,000 x 1,000 searched in {search:.1f} s (one core)")
        print(f"  share of verdicts on strangers that another seed flips: {change}", flush=True)
    table(outcomes)


if __name__ == "__main__":
    main()
