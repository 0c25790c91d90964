"""Figures of membership: every score and its sign-reversed twin, with pointwise upper and simultaneous lower bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.spread import spread
from ..metrics.roc import auroc, mid_ranks
from .attack import SubjectScores
from .bounds import FALSE_POSITIVES, Estimate, auroc_estimate, rates_at, tpr_estimate, z_of
from .foretold import foretold_ranks
from .membership import auroc_with_null
from .rows import MembershipRow
from .target import Deal, Target

CHANCE = 0.5, FALSE_POSITIVES
"""AUROC and true-positive rate of a score that tells nothing."""
ROWS = 1024
"""Permutations that are ranked together."""
WORTH = 5_000_000
"""People times permutations above which other processes are worth their start."""


@dataclass(frozen=True)
class Membership:
    """Rows, and for each the estimates that its bounds are made of."""

    rows: tuple[MembershipRow, ...]
    estimates: tuple[tuple[Estimate, Estimate], ...]


@dataclass(frozen=True)
class _Measured:
    name: str
    estimates: tuple[Estimate, Estimate]
    standard: np.ndarray
    """Distance of both figures from chance in standard deviations of their permutations; observed first [P + 1, 2]."""
    null: np.ndarray
    """The same, each by its own standard error instead, of the permutations [P]: what the lower bounds use."""
    observed: float
    explained: float


def measure_membership(
    scores: Sequence[SubjectScores],
    names: Sequence[str],
    target: Target | Deal,
    covariates: np.ndarray | None = None,
    seed: int = 0,
) -> list[_Measured]:
    """AUROC and true-positive rate of every score, and of the same with its sign reversed, under all permutations.

    What `covariates` [N, c] foretell of the ranks of a score is taken out of its AUROC, see `foretold`.
    """
    values = np.stack([np.asarray(given.values, dtype=np.float64) for given in scores]) if scores else np.empty((0, 0))
    foretold = np.zeros(values.shape) if covariates is None else foretold_ranks(values, target.train, covariates, seed)
    signed = [
        (sign * given, sign * more, called)
        for given, more, name in zip(values, foretold, names, strict=True)
        for sign, called in ((1.0, name), (-1.0, f"{name}_reversed"))
    ]
    return spread(_measure, Deal(target.roles, target.codes), signed, worth=target.codes.size >= WORTH)


def _measure(target: Deal, signed: tuple[np.ndarray, np.ndarray, str]) -> _Measured:
    (values, foretold, name), train = signed, target.train
    estimates = auroc_estimate(values, train, foretold), tpr_estimate(values, train)
    _, auroc_null = auroc_with_null(values, target.codes, train, target.roles.blocks, foretold)
    rate_null = np.empty(len(target.codes))
    for begin in range(0, len(rate_null), ROWS):
        inside = (target.codes[begin : begin + ROWS] >> 1) < target.roles.blocks
        rate_null[begin : begin + ROWS] = rates_at(values, inside, FALSE_POSITIVES)
    columns = [
        np.concatenate([[estimate.value], null]) - chance
        for estimate, null, chance in zip(estimates, (auroc_null, rate_null), (0.5, FALSE_POSITIVES), strict=True)
    ]
    spread = np.array([max(float(np.sqrt((column[1:] ** 2).mean())), 1e-9) for column in columns])
    standard, ranks = np.stack(columns, axis=1) / spread, mid_ranks(values)
    return _Measured(
        name=name,
        estimates=estimates,
        standard=standard,
        null=standard[1:].max(axis=1),
        observed=auroc(values, train),
        explained=1.0 - float(np.var(ranks - foretold) / max(float(np.var(ranks)), 1e-9)),
    )


def membership_figures(measured: Sequence[_Measured], own: int, confidence: float) -> Membership:
    """Rows of all scores, the first `own` of them ours: these are a family of their own, which no other can weaken."""
    rows: list[MembershipRow] = []
    for members, taken in ((measured[:own], own), (measured, len(measured))):
        rows += _rows(members, confidence)[len(rows) : taken]
    return Membership(tuple(rows), tuple(each.estimates for each in measured))


def _rows(members: Sequence[_Measured], confidence: float) -> list[MembershipRow]:
    if not members:
        return []
    largest = np.max([each.null for each in members], axis=0)
    critical = max(float(np.quantile(largest, confidence, method="higher")), z_of(confidence))
    return [_row(each, largest, confidence, critical) for each in members]


def _row(each: _Measured, largest: np.ndarray, confidence: float, critical: float) -> MembershipRow:
    area, tpr = each.estimates
    p_values = [(1 + int((largest >= value - 1e-12).sum())) / (1 + len(largest)) for value in each.standard[0]]
    # among few people the normal form is too sure: what permutations do not show is not above chance either
    lower = [
        estimate.lower(critical) if p <= 1.0 - confidence else min(estimate.lower(critical), chance)
        for estimate, p, chance in zip(each.estimates, p_values, CHANCE, strict=True)
    ]
    z = z_of(confidence)
    return MembershipRow(
        name=each.name,
        auroc=area.value,
        # no bound is on the wrong side of what was seen
        auroc_lower=min(lower[0], each.observed),
        auroc_upper=max(area.upper(z), each.observed),
        tpr=tpr.value,
        tpr_lower=lower[1],
        tpr_upper=tpr.upper(z),
        p=min(p_values),
        auroc_observed=each.observed,
        explained=max(each.explained, 0.0),
    )
