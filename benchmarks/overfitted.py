"""How long a model must learn people by heart until it draws copies of them: `python -m benchmarks.overfitted STUDY`.

Prints, for 48 people of `test`, how far draws of over-fitted models are from their own image (root mean square of grey
values) and how many the gate of the finished study finds, by how often the model met each image. The gate itself
is tried on the draws after `TIMES` of `judges/generated.py`, which are the harder ones to find.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.matching import CPU, Study
from unpersonal.judges.generated import overfitted_samples
from unpersonal.judges.panel import rule
from unpersonal.metrics.intervals import clopper_pearson

PEOPLE, SEED = 48, 7


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--times", type=int, nargs="+", default=[250, 600])
    arguments = parser.parse_args()
    study = Study.open(arguments.study, PEOPLE)
    thresholds = {name: level.threshold for name, level in study.judges.gate.matchers.items()}
    own = np.array(study.images[study.people]).astype(float)
    print("| times | distance: 10 %, median, 90 % | found (95 %) |\n|---|---|---|")
    for times in arguments.times:
        drawn = overfitted_samples(arguments.study, study.people, SEED, CPU, times)
        far = np.sqrt(((drawn.astype(float) - own) ** 2).mean(axis=(1, 2, 3)))
        found = int(rule(study.panel, thresholds, drawn).flagged.sum())
        low, high = clopper_pearson(found, len(drawn))
        spread = ", ".join(f"{value:.1f}" for value in np.quantile(far, (0.1, 0.5, 0.9)))
        print(f"| {times} | {spread} | {found} of {len(drawn)} ({low:.0%} to {high:.0%}) |", flush=True)


if __name__ == "__main__":
    main()
