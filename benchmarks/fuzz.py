"""Mutated files, archives and tables through every reader: no traceback, no crash, no hang, nothing lost.

`python -m benchmarks.fuzz [--cases 12000] [--seed 0] [--minutes M]` prints what came of each kind and ends with 1 if a
case failed. `--only KIND:NUMBER` runs one case again; `--keep FOLDER` keeps its input.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

CASES = 12_000


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for and return its exit code."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from tests.fuzzing import cases
    from tests.fuzzing.harness import LIMIT_SECONDS, run_cases

    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=CASES, help="how many cases, over all kinds")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other cases")
    parser.add_argument("--minutes", type=float, help="stop after as many minutes")
    parser.add_argument("--kinds", nargs="+", default=[], choices=list(cases.SHARES), help="only these kinds")
    parser.add_argument("--only", metavar="KIND:NUMBER", help="only this case")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="with --only: write its input there")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds that a case may take")
    asked = parser.parse_args(words)
    planned = cases.plan(asked.cases, asked.seed, asked.kinds)
    if asked.only:
        kind, _, number = asked.only.partition(":")
        if kind not in cases.SHARES or not number.isdecimal():
            parser.error(f"--only is one of {', '.join(cases.SHARES)}, a colon and a number")
        planned = [cases.Case(asked.seed, kind, int(number))]
        if asked.keep is not None:
            asked.keep.mkdir(parents=True, exist_ok=True)
    show = (lambda text: print(f"\r{text}", end="", file=sys.stderr, flush=True)) if sys.stderr.isatty() else None
    report = run_cases(
        planned,
        limit=asked.limit,
        minutes=asked.minutes,
        keep=asked.keep if asked.only else None,
        **({"said": show} if show else {}),
    )
    if show:
        print(file=sys.stderr)
    print("\n".join(report.lines()))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
