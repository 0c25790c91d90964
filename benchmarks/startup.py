"""How long it takes to start: `python -m benchmarks.startup`.

Medians of five processes each, in milliseconds: what Python's own `-X importtime` says of `import unpersonal`, and the
wall time of `unpersonal --help` beside that of an empty Python.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time

RUNS = 5
IMPORT_LIMIT, HELP_LIMIT = 150, 400
"""Milliseconds that the house allows itself."""


def import_milliseconds() -> float:
    """Cumulative time of `import unpersonal` as `-X importtime` reports it."""
    command = [sys.executable, "-X", "importtime", "-c", "import unpersonal"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    lines = [line for line in told.splitlines() if re.search(r"\|\s+unpersonal$", line)]
    return int(lines[-1].split("|")[1]) / 1000


def wall_milliseconds(*words: str) -> float:
    """Wall time of one process of this Python with the arguments `words`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], capture_output=True, check=True)
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Print the medians beside their limits."""
    imported = statistics.median(import_milliseconds() for _ in range(RUNS))
    helped = statistics.median(wall_milliseconds("-m", "unpersonal", "--help") for _ in range(RUNS))
    empty = statistics.median(wall_milliseconds("-c", "") for _ in range(RUNS))
    print(f"import unpersonal: {imported:.1f} ms (limit {IMPORT_LIMIT})")
    print(f"unpersonal --help: {helped:.0f} ms (limit {HELP_LIMIT}; an empty Python takes {empty:.0f})")


if __name__ == "__main__":
    main()
