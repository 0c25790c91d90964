"""Do images that keep away from people tell who is in the cohort? `python -m benchmarks.enrolled STUDY --out FOLDER`.

Of the candidates of each draw the one is taken that is least like anybody of a gallery *without* a random half of the
test people. Then people are told apart by their largest correlation of fine detail (matcher `mixtures`) with a taken
image: test people of the gallery against those outside it (0.5: keeping away tells nothing), and train people against
those outside it, beside the same for candidates that are taken at random. Candidates are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.selection import Pool, count_of, draw_pool
from unpersonal.audit.bounds import auroc_estimate, z_of
from unpersonal.codec.store import load_images
from unpersonal.cohort.table import load_cohort
from unpersonal.core.device import pick_device
from unpersonal.core.seeds import numpy_rng
from unpersonal.judges.store import load_judges
from unpersonal.study import Study
from unpersonal.synthesis.rank import RANKS, choose

SEED = 20261201
"""Of this benchmark alone."""
MATCHER = "mixtures"
TOGETHER = 1024


def correlations(study: Path, candidates: np.ndarray) -> np.ndarray:
    """float32 [n, g] of candidates uint8 [n,C,H,W] with every image of the cohort, in the matcher's band."""
    matcher: Any = load_judges(study, torch.device("cpu")).matchers[MATCHER]
    images = np.array(load_images(study))
    drawn, known = (matcher.enrol(each.copy(), np.arange(len(each)).astype(str)).bands for each in (candidates, images))
    blocks = [(drawn[start : start + TOGETHER] @ known.T).numpy() for start in range(0, len(drawn), TOGETHER)]
    return np.concatenate(blocks)


def taken(pool: Pool, likeness: np.ndarray | None) -> np.ndarray:
    """Rows of the pool: of every draw the clean candidate of least `likeness` [n], any one where that is None."""
    rank = RANKS["random" if likeness is None else "least-like"]
    values = np.zeros(len(pool.draw)) if likeness is None else likeness
    found = choose(pool.draw, pool.flagged, values, rank, lambda draw: numpy_rng(SEED, "enrolled", draw))
    return np.array(sorted(found.values()), dtype=np.int64)


def main(arguments: list[str] | None = None) -> int:
    """Draw, choose, and print a row for each way to choose."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.enrolled", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=count_of)
    parser.add_argument("--candidates", type=int)
    options = parser.parse_args(arguments)
    study = Study.open(options.study)
    pool, cohort = draw_pool(study, options, options.out, pick_device("cpu")), load_cohort(study.path)
    subjects, found = cohort.subjects.astype(str), correlations(study.path, pool.images)
    test, train = (np.unique(subjects[cohort.splits == part]) for part in ("test", "train"))
    outside = numpy_rng(SEED, "outside").permutation(test)[: len(test) // 2]
    nearest = found[:, ~np.isin(subjects, outside)].max(axis=1)
    print("| taken | images | enrolled test people | train people |\n|---|---|---|---|")
    for name, likeness in (("least like anybody enrolled", nearest), ("at random", None)):
        rows = taken(pool, likeness)
        best = found[rows].max(axis=0)
        score = {who: float(best[subjects == who].max()) for who in np.concatenate([test, train])}
        strangers = np.array([score[who] for who in outside])
        cells = []
        for group in (np.setdiff1d(test, outside), train):
            scores = np.concatenate([[score[who] for who in group], strangers])
            estimate = auroc_estimate(scores, np.arange(len(scores)) < len(group))
            around = z_of(0.975) * estimate.rest**0.5
            cells.append(f"{estimate.value:.3f} ({estimate.value - around:.3f} to {estimate.value + around:.3f})")
        print(f"| {name} | {len(rows):,} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
