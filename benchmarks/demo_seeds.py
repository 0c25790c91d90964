"""The demo over many seeds: other invented people, other draws, the same settings; `python -m benchmarks.demo_seeds`.

One seed says that a release may pass, many say how often. Every seed runs the whole way of `make demo` in `FOLDER`
(one demo at a time, removed once its row is written) and is a line of JSON in `--out`: the same command goes on
where it was stopped. `--minutes` begins no further seed after so long.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, Rows
from unpersonal.core.errors import PolicyRefused
from unpersonal.core.files import read_json
from unpersonal.demo import SIZE, SUBJECTS, demo
from unpersonal.metrics.intervals import clopper_pearson

FIGURES = {
    "AUROC of membership, upper bound": ("audit", "membership_upper"),
    "true-positive rate at 1 %, upper bound": ("audit", "tpr_upper"),
    "rate at which the gate misses copies, upper bound": ("gate", "miss_rate_upper"),
    "utility gap": ("utility", "gap"),
    "utility gap, upper bound": ("utility", "gap_upper"),
    "seconds": ("run", "seconds"),
}


def main() -> None:
    """Run what is missing of the seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where a demo is made, and removed again")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 21)))
    parser.add_argument("--out", type=Path, default=None, help="a file of JSON lines that keeps every seed")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no seed begins after so long")
    arguments = parser.parse_args()
    rows = Rows(arguments.out, table="demo", subjects=SUBJECTS, size=SIZE)
    end = time.monotonic() + 60 * arguments.minutes
    done = []
    for seed in arguments.seeds:
        if rows.known(seed=seed) or time.monotonic() < end:
            done.append(rows.measured(lambda seed=seed: row_of(arguments.folder / f"demo-{seed}", seed), seed=seed))
    print(table(done))


def row_of(study: Path, seed: int) -> dict[str, Any]:
    """Verdict and figures of one demo; a demo that a kill cut off goes on."""
    reasons: list[str] = []
    try:
        demo(study, seed=seed)
    except PolicyRefused as refused:
        reasons = refused.reasons
    found = figures_of(read_json(study / "summary.json"))
    found |= {"released": (study / "release" / "manifest.json").is_file(), "reasons": reasons}
    for folder in (study, study.with_name(study.name + "-images")):
        shutil.rmtree(folder)
    return found


def figures_of(summary: dict[str, Any]) -> dict[str, Any]:
    """What the table tells, from summary.json."""
    primary = {row["name"]: row["upper"] for row in summary["audit"]["primary"]}
    return {
        "verdict": summary["audit"]["verdict"],
        "audit": {"membership_upper": primary["membership"], "tpr_upper": primary["true-positive rate"]},
        "gate": {"miss_rate_upper": summary["gate"]["miss_rate_upper"], "blind": summary["gate"]["blind"]},
        "utility": {"gap": summary["utility"]["gap"], "gap_upper": summary["utility"]["gap_upper"]},
        "run": {"seconds": sum(summary["seconds"].values())},
    }


def table(rows: Iterable[Row]) -> str:
    """Markdown: how many demos ended in a release, with a 95 % interval, and the range of every figure."""
    rows = list(rows)
    if not rows:
        return "no seed was run"
    lines = [f"| of {len(rows)} seeds | | 95 % |", "|---|---|---|"]
    for name, count in (
        ("end in a release", sum(row["released"] for row in rows)),
        *((f"audit says {v}", sum(row["verdict"] == v for row in rows)) for v in ("pass", "inconclusive", "fail")),
    ):
        low, high = clopper_pearson(count, len(rows))
        lines.append(f"| {name} | {count} | {low:.1%} to {high:.1%} |")
    lines += ["", "| figure | least | median | most |", "|---|---|---|---|"]
    for name, (part, key) in FIGURES.items():
        values = sorted(row[part][key] for row in rows)
        lines.append(f"| {name} | {values[0]:.4g} | {values[len(values) // 2]:.4g} | {values[-1]:.4g} |")
    blind = sorted({kind for row in rows for kind in row["gate"]["blind"]})
    told = ", ".join(f"{kind} ({sum(kind in row['gate']['blind'] for row in rows)})" for kind in blind)
    reasons = sorted({reason for row in rows for reason in row["reasons"]})
    return "\n".join([*lines, "", f"kinds that a gate was blind to (seeds): {told or 'none'}", *reasons])


if __name__ == "__main__":
    main()
