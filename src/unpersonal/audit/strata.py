"""The worst case: groups of people fixed without a look at the release, each with figures and margins of its own.

An average over everybody may look random while a few are recognised with certainty. So the people farthest from
everybody, and those of every rare label, are measured apart, against control people of the same group. Who is in one
follows from images, labels and the auxiliary people alone: it is settled when the cohort is split, before training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics.intervals import beta_bounds
from ..metrics.roc import auroc
from .background import PRIMARY, Background
from .bounds import FALSE_POSITIVES, needed_trials, z_of
from .family import Family
from .game import isolating_predicates
from .membership import ordinary_distance
from .profiles import IN_WORDS, ISOLATED, MEMBERSHIP, TRUE_POSITIVES, Profile
from .result import masked
from .rows import Outcome
from .stratum_rows import OF_LABEL, StratumFigure, StratumRow
from .target import Target

FARTHEST = 0.05
"""Share of people, those farthest from everybody, who are a stratum."""
RARE = 0.05
"""Share of train people below which those who have a label are a stratum."""
FEWEST = 10
"""People of either side without whom a stratum has no figures."""
WIDER = 2.0
"""A stratum's margins are so many times as far from chance as those of the profile: it has few people."""
CHANCE = {MEMBERSHIP: 0.5, TRUE_POSITIVES: FALSE_POSITIVES, ISOLATED: 0.0}
OUTLIERS = "people farthest from everybody"

_Ranked = tuple[str, float, float | None, float, float]
"""Of an attack: its name, a figure, that of control people, and its lower and upper bound."""


def strata_of(background: Background, target: Target) -> dict[str, np.ndarray]:
    """Members of every stratum among all subjects, bool [N], by name.

    How far somebody is from everybody is the mean distance to the nearest auxiliary people, in the primary space; the
    farthest 5 % are those of train and control together, so that either side has as many but for chance.
    """
    embedded = target.embedded(background.space(PRIMARY))
    far = ordinary_distance(embedded, background.reference(PRIMARY))
    found = {OUTLIERS: far >= np.quantile(far, 1.0 - FARTHEST)}
    if target.labels is not None:
        names = np.unique(target.subjects)
        place = np.searchsorted(names, target.subjects)
        for label in sorted({label for row in target.labels for label in row}):
            has = np.zeros(len(names), dtype=bool)
            has[place[[label in row for row in target.labels]]] = True
            if 0 < has[target.train].mean() < RARE:
                found[f"{OF_LABEL}{label}"] = has
    return found


def margins_of_strata(profile: Profile) -> dict[str, float]:
    """Margin of each figure of a stratum: `WIDER` times as far from chance as that of the profile."""
    given = {MEMBERSHIP: profile.auroc, TRUE_POSITIVES: profile.tpr, ISOLATED: profile.isolated}
    return {name: CHANCE[name] + WIDER * (margin - CHANCE[name]) for name, margin in given.items()}


def measure_strata(
    background: Background, target: Target, family: Family, profile: Profile, weight: float
) -> tuple[StratumRow, ...]:
    """Figures of every stratum by our own attacks and their sign-reversed twins, and predicates of at most `weight`.

    Upper bounds are pointwise; lower ones hold for all attacks, figures and strata together (Bonferroni).
    """
    strata = strata_of(background, target)
    tried = _Tried.of(target, family, weight)
    enough = [name for name, members in strata.items() if min(_sides(members, target)) >= FEWEST]
    looks = max(1, len(enough) * (2 * len(tried.scores) + len(tried.isolated)))
    confidence = background.config.confidence
    careful = 1.0 - (1.0 - confidence) / looks
    margins, rows = margins_of_strata(profile), []
    for name, members in strata.items():
        train, control = _sides(members, target)
        figures = tuple(_figures(tried, members, margins, confidence, careful)) if name in enough else ()
        rows.append(StratumRow(name, masked(train), masked(control), figures, _people_needed(margins, confidence)))
    return tuple(rows)


def _sides(members: np.ndarray, target: Target) -> tuple[int, int]:
    return int((members & target.train).sum()), int((members & ~target.train).sum())


@dataclass(frozen=True)
class _Tried:
    """What attacks gave, of all subjects: scores of membership by name, and who was isolated (bool [N]) by name."""

    train: np.ndarray
    scores: dict[str, np.ndarray]
    isolated: dict[str, np.ndarray]

    @classmethod
    def of(cls, target: Target, family: Family, weight: float) -> _Tried:
        scores, predicates = family.scores, family.predicates
        both: dict[str, np.ndarray] = {}
        for name, each in list(zip(scores.names, scores.found, strict=True))[: scores.own]:
            both |= {name: each.values, f"{name}_reversed": -each.values}
        isolated = {
            name: isolating_predicates(each.hits, target.roles) > 0
            for name, each in list(zip(predicates.names, predicates.found, strict=True))[: predicates.own]
            if each.weight <= weight
        }
        return cls(target.train, both, isolated)


def _figures(
    tried: _Tried, members: np.ndarray, margins: dict[str, float], confidence: float, careful: float
) -> Iterator[StratumFigure]:
    """The strongest attack of each figure; `careful` is the confidence of lower bounds."""
    train = tried.train
    inside, outside = int((members & train).sum()), int((members & ~train).sum())
    if tried.scores:
        ranked: list[_Ranked] = []
        for name, scores in tried.scores.items():
            value = auroc(scores[members], train[members])
            lower, upper = (auroc_bound(value, inside, outside, c, s) for c, s in ((careful, -1), (confidence, 1)))
            ranked.append((name, value, None, lower, upper))
        yield _strongest(MEMBERSHIP, ranked, margins)
        hits = {
            name: scores > np.quantile(scores[~train], 1.0 - FALSE_POSITIVES, method="higher")
            for name, scores in tried.scores.items()
        }
        yield _rate(TRUE_POSITIVES, hits, members, train, margins, confidence, careful)
    if tried.isolated:
        yield _rate(ISOLATED, tried.isolated, members, train, margins, confidence, careful)


def _rate(
    figure: str,
    hits: dict[str, np.ndarray],
    members: np.ndarray,
    train: np.ndarray,
    margins: dict[str, float],
    confidence: float,
    careful: float,
) -> StratumFigure:
    """A share of the train people of a stratum; `hits` are bool [N].

    The upper bound is that of train people alone. The lower one is that of what exceeds control people of the stratum
    (Newcombe 1998, method 10, with exact limits), for people who are far from everybody may be hit more often anyway.
    """
    ranked: list[_Ranked] = []
    for name, hit in hits.items():
        counts = [(int(hit[side].sum()), int(side.sum())) for side in (members & train, members & ~train)]
        (found, people), (found_control, people_control) = counts
        share, control = found / people, found_control / people_control
        low, _ = beta_bounds(found, people, careful)
        _, high = beta_bounds(found_control, people_control, careful)
        excess = share - control - math.hypot(share - low, high - control)
        ranked.append((name, share, control, CHANCE[figure] + excess, beta_bounds(found, people, confidence)[1]))
    return _strongest(figure, ranked, margins)


def _strongest(figure: str, ranked: Sequence[_Ranked], margins: dict[str, float]) -> StratumFigure:
    """The largest bounds of all attacks, and whose they are."""
    lower, upper, margin = max(row[3] for row in ranked), max(row[4] for row in ranked), margins[figure]
    above = lower > margin
    attack, value, control, _, _ = max(ranked, key=lambda row: row[3] if above else row[4])
    outcome: Outcome = "above" if above else "within" if upper <= margin else "undecided"
    return StratumFigure(figure, attack, value, control, max(lower, 0.0), upper, margin, outcome)


def auroc_bound(value: float, positives: int, negatives: int, confidence: float, sign: int) -> float:
    """One-sided bound of an AUROC, the upper for `sign` 1 and the lower for -1 (Newcombe 2006, method 5).

    The value that is z standard errors from what was found, with Hanley & McNeil's (1982) variance at that value and
    both numbers replaced by their mean in its inner terms; holds for few people and for complete separation.
    """
    z, even = z_of(confidence), (positives + negatives) / 2 - 1

    def beyond(theta: float) -> bool:
        inner = 1 + even * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        variance = theta * (1 - theta) * inner / (positives * negatives)
        return abs(theta - value) > z * math.sqrt(variance)

    near, far = value, 1.0 if sign > 0 else 0.0
    for _ in range(50):
        middle = (near + far) / 2
        near, far = (near, middle) if beyond(middle) else (middle, far)
    return far


def _people_needed(margins: dict[str, float], confidence: float) -> int:
    """Train people of a stratum, and as many of control, with whom attacks that find nothing are within all margins."""
    rates = [needed_trials(FALSE_POSITIVES, margins[name], confidence) or 0 for name in (TRUE_POSITIVES, ISOLATED)]
    people = 2
    while auroc_bound(0.5, people, people, confidence, 1) > margins[MEMBERSHIP]:
        people += max(1, people // 50)
    return max(people, *rates)


def strata_findings(strata: Sequence[StratumRow]) -> tuple[str, ...]:
    """Why the audit fails: a figure of a stratum whose lower bound is above its margin."""
    return tuple(
        f"{row.name}: {IN_WORDS[figure.name]}: the lower bound {figure.lower:.3f} is above the stratum's margin"
        f" {figure.margin:g} ({figure.value:.3f}, by {figure.attack.replace('_', ' ')})"
        for row in strata
        for figure in row.figures
        if figure.outcome == "above"
    )


def strata_undecided(strata: Sequence[StratumRow]) -> tuple[str, ...]:
    """A sentence for each stratum of which something stays open, with the number of people that would decide it."""
    return tuple(
        f"{row.name} ({row.train_people} train and {row.control_people} control people) are too few to bound"
        f" {'at all' if not row.figures else ', '.join(_open(row))}: about {row.needed} of either side would decide it"
        for row in strata
        if not row.figures or _open(row)
    )


def _open(row: StratumRow) -> list[str]:
    return [IN_WORDS[figure.name] for figure in row.figures if figure.outcome == "undecided"]
