"""Which train images lend their conditions."""

from __future__ import annotations

import numpy as np

from ..cohort.table import Cohort
from ..core.seeds import numpy_rng


def pick_sources(cohort: Cohort, count: int, seed: int) -> list[int]:
    """Rows of train images in seeded order, the first `count` of them (0 = all), different subjects first."""
    rows = numpy_rng(seed, "sources").permutation(cohort.rows("train"))
    subjects = cohort.subjects
    seen: dict[str, int] = {}
    turn = []
    for row in rows:
        subject = subjects[row]
        seen[subject] = seen.get(subject, 0) + 1
        turn.append(seen[subject])
    ordered = rows[np.argsort(turn, kind="stable")]
    return [int(row) for row in (ordered[:count] if count else ordered)]
