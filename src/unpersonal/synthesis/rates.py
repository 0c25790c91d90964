"""The figures of a ledger, counted part by part. Legend: S subjects of sources."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from ..cohort.table import Cohort
from ..core.seeds import numpy_rng
from .config import AS_GIVEN, SynthesisConfig
from .figures import LabelSetFigures, SynthesisFigures
from .histogram import NOISE
from .ledger import ledger_groups
from .plan import Plan

REPLICATES = 1000
USED = ("draw", "source", "attempt", "nearest", "flagged", "by", "selected")


class Counts:
    """What the figures need of the candidates; its size does not depend on their number."""

    def __init__(self, cohort: Cohort, plan: Plan) -> None:
        self._cohort, self._plan = cohort, plan
        names, self._owner = np.unique(cohort.subjects.astype(str), return_inverse=True)
        self.drawn = np.zeros(len(names), dtype=np.int64)
        self.flagged = np.zeros(len(names), dtype=np.int64)
        self.by: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()
        self.released = np.zeros(len(plan.label_sets), dtype=np.int64)
        self.candidates = self.all_flagged = self.attempts = self.predicted = 0

    def add(self, part: dict[str, np.ndarray]) -> None:
        """Count the candidates of one part, arrays by the names of `USED`."""
        self.candidates += len(part["draw"])
        self.all_flagged += int(part["flagged"].sum())
        _, last = np.unique(part["draw"][::-1], return_index=True)
        self.attempts += int(part["attempt"][::-1][last].sum() + len(last))
        first = part["attempt"] == 0
        flagged = first & part["flagged"]
        for total, mask in ((self.drawn, first), (self.flagged, flagged)):
            total += np.bincount(self._owner[part["source"][mask]], minlength=len(total))
        self.by.update(part["by"][flagged].tolist())
        self.splits.update(self._cohort.splits[part["nearest"][flagged]].tolist())
        chosen = part["draw"][part["selected"]]
        self.released += np.bincount(self._plan.label_set[chosen], minlength=len(self.released))
        self.predicted += int((~self._cohort.labelled[part["source"][part["selected"]]]).sum())

    def interval(self, seed: int) -> tuple[float, float]:
        """Two-sided 95 % interval of the share of first candidates that the gate flagged, by bootstrap over subjects.

        All candidates of all draws that a subject is the source of go together.
        """
        there = np.flatnonzero(self.drawn)
        drawn, flagged, rng = self.drawn[there], self.flagged[there], numpy_rng(seed, "match rate")
        replicates = []
        for _ in range(REPLICATES):
            people = rng.integers(0, len(there), size=len(there))
            replicates.append(float(flagged[people].sum() / drawn[people].sum()))
        low, high = np.quantile(replicates, (0.025, 0.975))
        return float(low), float(high)


def measure(
    study: Path, cohort: Cohort, plan: Plan, config: SynthesisConfig, sources: int, seed: int
) -> SynthesisFigures:
    """The figures of a study's ledger; `sources` train images lent conditions.

    Redraws are left out of the match rate: they happen only where the first draw failed, and would bias it upwards.
    """
    counts = Counts(cohort, plan)
    for part in ledger_groups(study, USED):
        counts.add(part)
    first, released = int(counts.drawn.sum()), int(counts.released.sum())
    return SynthesisFigures(
        sources=sources,
        draws=len(plan),
        candidates=counts.candidates,
        released=released,
        draws_without_image=len(plan) - released,
        draws_left_out=plan.draws_left_out,
        label_sets=tuple(
            LabelSetFigures(each.name, each.planned, int(count))
            for each, count in zip(plan.label_sets, counts.released, strict=True)
        ),
        label_sets_left_out=plan.label_sets_left_out,
        fewest_subjects=plan.fewest_subjects,
        shared_by=plan.shared_by if plan.shared_by > 1 else None,
        largest_share=plan.largest_share,
        labels=config.labels if isinstance(config.labels, str) else "weights",
        label_noise=NOISE if config.labels == AS_GIVEN else 0.0,
        rank=config.rank,
        match_rate_before_gate=int(counts.flagged.sum()) / first,
        match_rate_interval=counts.interval(seed),
        match_rate_by_matcher=shares(counts.by, first),
        match_rate_by_split=shares(counts.splits, first),
        match_rate_all_attempts=counts.all_flagged / counts.candidates,
        attempts_mean=counts.attempts / len(plan),
        released_with_predicted_labels=None if cohort.labelled.all() else counts.predicted,
    )


def shares(counts: Counter[str], total: int) -> dict[str, float]:
    """How often each name was counted, as a share of `total`, in the order of the names."""
    return {name: counts[name] / total for name in sorted(counts)}
