"""The gate's calibration: thresholds by strangers, misses on copies of the people that the gate protects.

The gallery is everybody in the cohort. *Strangers* are held-out people (val-calibration and aux), each scored against
the gallery without it; no network has learned from them. A budget of false flags is divided among the matchers by what
it buys on copies of further held-out people (val-stop). Then copies of every train subject are ruled on, one image
each: a subject counts as missed if any copy of a promised kind is not flagged. Nothing is chosen by these copies, so
that the bound of the miss rate (Clopper-Pearson) is one of fresh copies of the same people. The same is measured on
held-out people (val-calibration), whose pictures the gallery has too; where they are `ENOUGH` the worse of both counts.

Pieces and mixtures are put into pictures of *hosts*, aux people who are left out of the gallery here: the gate must
recognise the piece, not the host. Therefore the hosts of the evidence are others than those of the copies that are
counted, and of the latter only those whom the gate does not flag by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.progress import progress_bar
from ..core.seeds import numpy_rng
from ..core.spread import spread
from ..matching.base import Matcher
from ..matching.kinds import MAY_BE_BLIND, kind, promised
from ..metrics.intervals import clopper_pearson
from .config import JudgesConfig
from .copies import OTHER_VISIT, CopyMaker, every_kind, one_row_each, two_rows_each
from .figures import ENOUGH, MissFigures
from .panel import Enrolled, enrol_all, named, rule
from .recall import WORTH, Found, try_copies
from .thresholds import Evidence, divide

FEWEST = 5
"""Strangers of a label below which its rate is not told: it would say something of each of them."""
PROMISED, LESS = 2.0, 0.25
"""Weights of promised kinds and of those that a release may be blind to, where a budget is divided; 1 for others."""


@dataclass(frozen=True)
class Strangers:
    """Scores float32 [M, s] of strangers, rows [s] of the cohort, each against the gallery without its subject."""

    rows: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Calibrated:
    """What calibration found: thresholds by matcher, strangers, evidence by kind [M, c], and what copies fared."""

    thresholds: dict[str, float]
    strangers: Strangers
    evidence: dict[str, np.ndarray]
    false_flags: np.ndarray
    protected: Found
    held_out: Found


def open_panel(
    reidentifier: Matcher[Any],
    matchers: Mapping[str, Matcher[Any]],
    images: np.ndarray,
    cohort: Cohort,
    hosts: np.ndarray,
) -> tuple[Enrolled, ...]:
    """Every matcher with a gallery of everybody but the subjects of rows `hosts`."""
    subjects = cohort.subjects.astype(str)
    rows = np.flatnonzero(~np.isin(subjects, subjects[hosts]))
    return enrol_all(reidentifier, matchers, np.array(images[rows]), subjects[rows])


def calibrate(panel: Sequence[Enrolled], maker: CopyMaker, cohort: Cohort, config: JudgesConfig) -> Calibrated:
    """Set every threshold, and try the gate on copies; `panel` is that of `open_panel` without the maker's hosts."""
    strangers = score_strangers(panel, maker, cohort)
    evidence = score_evidence(panel, replace(maker, hosts=maker.hosts[::2]), cohort, config)
    kinds = [Evidence(scores, weight_of(name)) for name, scores in evidence.items()]
    labels = cohort.targets[strangers.rows].T > 0.5
    level = divide(strangers.scores, kinds, config.false_flag_spend, labels)
    thresholds = {enrolled.name: float(value) for enrolled, value in zip(panel, level, strict=True)}
    maker = replace(maker, hosts=clean_hosts(panel, thresholds, maker))
    train, held = (one_row_each(cohort, subset, maker.seed) for subset in ("train", "val-calibration"))
    train = train[: config.protected]
    protected = try_copies(
        panel, thresholds, maker, train, others=config.tried, evidence=evidence, title="copies of train people"
    )
    try_visits(protected, panel, thresholds, maker, cohort, config)
    return Calibrated(
        thresholds=thresholds,
        strangers=strangers,
        evidence=evidence,
        false_flags=crossed_flags(strangers.scores, kinds, config.false_flag_spend, labels, maker.seed),
        protected=protected,
        held_out=try_copies(panel, thresholds, maker, held, evidence=evidence, title="copies of held-out people"),
    )


def clean_hosts(panel: Sequence[Enrolled], thresholds: Mapping[str, float], maker: CopyMaker) -> np.ndarray:
    """Every second host, without those whom the gate flags by themselves; of the other hosts where nobody is left.

    Nobody at all is an `InputError`.
    """
    for some in (maker.hosts[1::2], maker.hosts[::2]):
        if len(some):
            left: np.ndarray = some[~rule(panel, thresholds, np.array(maker.images[some])).flagged]
            if len(left):
                return left
    raise InputError(
        "The gate flags every host of pieces by itself, so that it cannot be tried on pieces",
        where=f"{len(maker.hosts)} people of aux",
        how="give the cohort more subjects",
    )


def weight_of(name: str) -> float:
    """How much the misses of a kind weigh where the budget is divided."""
    if name in MAY_BE_BLIND:
        return LESS
    return PROMISED if name in promised() else 1.0


def score_strangers(panel: Sequence[Enrolled], maker: CopyMaker, cohort: Cohort) -> Strangers:
    """Scores of one image of every stranger; nobody there, or a score that is not finite, is an `InputError`."""
    rows = np.concatenate([one_row_each(cohort, subset, maker.seed) for subset in ("val-calibration", "aux")])
    rows = rows[~np.isin(rows, maker.hosts)]
    if not len(rows):
        raise InputError(
            "There is no stranger to set the gate's thresholds by",
            where="the splits val and aux",
            how="give the cohort more subjects",
        )
    own, pictures = cohort.subjects[rows].astype(str), np.array(maker.images[rows])
    return Strangers(rows, _scores(panel, pictures, own))


def _scores(panel: Sequence[Enrolled], pictures: np.ndarray, own: np.ndarray | None) -> np.ndarray:
    """float32 [M, n] by every matcher; one that is not finite is an `InputError` by the matcher's name."""
    found = np.empty((len(panel), len(pictures)), np.float32)
    for number, enrolled in enumerate(panel):
        with named(enrolled.name):
            found[number] = enrolled.score(pictures, own).score
            if not np.isfinite(found[number]).all():
                raise ValueError("scores that are not finite")
    return found


def score_evidence(
    panel: Sequence[Enrolled], maker: CopyMaker, cohort: Cohort, config: JudgesConfig
) -> dict[str, np.ndarray]:
    """Scores float32 [M, c] of copies of up to `evidence` val-stop subjects, of every kind made of pictures alone."""
    rows = one_row_each(cohort, "val-stop", maker.seed)[: config.evidence]
    kinds = [(kind.name, strength) for kind, strength in every_kind() if kind.make is not None]
    worth = len(panel) * len(rows) * len(kinds) >= WORTH
    with progress_bar("gate (thresholds)", len(kinds)) as bar:
        found = spread(_score_kind, (panel, maker, rows), kinds, worth=worth, done=bar.advance)
    return {kind(name).named(strength): scores for (name, strength), scores in zip(kinds, found, strict=True)}


def _score_kind(given: tuple[Sequence[Enrolled], CopyMaker, np.ndarray], item: tuple[str, float]) -> np.ndarray:
    """The scores of one kind at a strength, see `score_evidence`."""
    (panel, maker, rows), (name, strength) = given, item
    return _scores(panel, maker.make(kind(name), strength, rows), None)


def try_visits(
    found: Found,
    panel: Sequence[Enrolled],
    thresholds: Mapping[str, float],
    maker: CopyMaker,
    cohort: Cohort,
    config: JudgesConfig,
) -> None:
    """Add the kind `other-visit`: a second picture of train subjects, against a gallery of their first ones."""
    first, second = (rows[: config.tried] for rows in two_rows_each(cohort, maker.seed))
    found.untried = [name for name in found.untried if name != OTHER_VISIT]
    if not len(first):
        found.untried.append(OTHER_VISIT)
        return
    (reidentifier, *others) = panel
    matchers = {enrolled.name: enrolled.matcher for enrolled in others}
    subjects = cohort.subjects[first].astype(str)
    smaller = enrol_all(reidentifier.matcher, matchers, np.array(maker.images[first]), subjects)
    found.flagged[OTHER_VISIT] = rule(smaller, thresholds, np.array(maker.images[second])).flagged


def crossed_flags(
    strangers: np.ndarray, kinds: Sequence[Evidence], share: float, labels: np.ndarray, seed: int
) -> np.ndarray:
    """Whether each stranger [s] is flagged under thresholds that the other half of the strangers sets."""
    count = strangers.shape[1]
    half = numpy_rng(seed, "halves of strangers").permutation(count) % 2 == 1
    flagged = np.ones(count, dtype=bool)
    for judged in (half, ~half):
        if judged.any() and not judged.all():
            level = divide(strangers[:, ~judged], kinds, share, labels[:, ~judged])
            flagged[judged] = (strangers[:, judged] >= level[:, None].astype(np.float32)).any(axis=0)
    return flagged


def rates_of(flagged: np.ndarray, targets: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Share of strangers `flagged` [s] among those with each label of `targets` [s, C] that `FEWEST` of them have."""
    there = targets > 0.5
    found = {name: there[:, column] for column, name in enumerate(classes)}
    return {name: float(flagged[rows].mean()) for name, rows in found.items() if rows.sum() >= FEWEST}


def interval(flagged: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Share flagged and its two-sided interval."""
    low, high = clopper_pearson(int(flagged.sum()), len(flagged), confidence)
    return float(flagged.mean()), low, high


def counted(protected: MissFigures, held_out: MissFigures) -> MissFigures:
    """Which of both counts: that of the protected people, or of enough held-out ones if it is worse."""
    if held_out.subjects >= ENOUGH and held_out.miss_rate_upper > protected.miss_rate_upper:
        return held_out
    return protected


def shortfall(misses: MissFigures, false_flag_rate: float, target: float, budget: float, confidence: float) -> str:
    """What the gate does not reach, in one line; empty where it reaches everything."""
    texts = []
    if misses.miss_rate_upper > target:
        needed = int(np.ceil(np.log(1 - confidence) / np.log(1 - target)))
        texts.append(
            f"the miss rate on copies is bounded by {misses.miss_rate_upper:.4f} only, above the target {target:g}: "
            f"{misses.missed} of {misses.subjects} subjects missed, {needed} without a miss are needed"
        )
    if false_flag_rate > budget:
        texts.append(f"{false_flag_rate:.3f} of the strangers are flagged, above the budget {budget:g}")
    return "; ".join(texts)
