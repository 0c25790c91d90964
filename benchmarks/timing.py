"""Timing in turn: A B A B …, medians and the ratio, so that a drifting machine does not decide."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def compare(claim: str, ours: Callable[[], object], baseline: Callable[[], object], *, runs: int = 5) -> float:
    """Run both `runs` times in turn after one warm-up each; print and return baseline seconds / our seconds."""
    ours(), baseline()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for record, work in zip(times, (ours, baseline), strict=True):
            start = time.perf_counter()
            work()
            record.append(time.perf_counter() - start)
    fast, slow = (statistics.median(record) for record in times)
    print(f"{claim}: {slow / fast:.2f}x  (ours {fast:.3f} s, baseline {slow:.3f} s, median of {runs})")
    return slow / fast
