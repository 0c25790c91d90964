"""Copies of kinds that a finished study's gate knows nothing of: `python -m benchmarks.novel_gate STUDY`.

Prints how many copies of people of `test` (enrolled in the gate's gallery; nothing was chosen by them) each kind of
`novel_kinds` brings past the gate, beside what the gate flags of the same pictures made of strangers, who are not
enrolled: what is flagged of them as well is flagged for being odd, not for its person.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.matching import SEED, Study
from benchmarks.novel_kinds import COVERED, NOVEL
from benchmarks.rows import Rows, study_key
from unpersonal.judges.panel import rule
from unpersonal.matching.kinds import Kind
from unpersonal.metrics.intervals import clopper_pearson


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--out", type=Path, default=None, help="a file of JSON lines that keeps every kind")
    arguments = parser.parse_args()
    study = Study.open(arguments.study, arguments.people)
    key = study_key(arguments.study, "cohort.parquet", "models/judges/gate.json")
    rows = Rows(arguments.out, table="novel_gate", study=key, people=arguments.people)
    print("| kind, unknown to the gate | copies flagged (95 %) | strangers flagged (95 %) |\n|---|---|---|")
    for kind in NOVEL:
        row = rows.measured(lambda kind=kind: flagged(study, kind), kind=kind.name)
        title = f"{kind.title} (covered since)" if kind.name in COVERED else kind.title
        print(f"| {title} | {_rate(row['copies'])} | {_rate(row['strangers'])} |", flush=True)


def flagged(study: Study, kind: Kind) -> dict[str, tuple[int, int]]:
    """How many of how many copies of people, and of the same pictures of strangers, the gate flags."""
    hosts = study.maker.hosts
    half = len(hosts) // 2
    thresholds = {name: level.threshold for name, level in study.judges.gate.matchers.items()}

    def count(rows: np.ndarray, others: np.ndarray) -> tuple[int, int]:
        copies = kind.copies(
            np.array(study.images[rows]), np.array(study.images[others]), 1.0, np.random.default_rng(SEED)
        )
        return int(rule(study.panel, thresholds, copies).flagged.sum()), len(rows)

    # strangers are put into other strangers: nobody enrolled is in their pictures
    return {"copies": count(study.people, hosts), "strangers": count(hosts[:half][: len(study.people)], hosts[half:])}


def _rate(counts: tuple[int, int]) -> str:
    low, high = clopper_pearson(*counts)
    return f"{counts[0]} of {counts[1]} ({low:.0%} to {high:.0%})"


if __name__ == "__main__":
    main()
