"""The family of tests: every attack and its sign-reversed twin, corrected together.

Our own attacks are corrected among themselves, so that no plug-in can make one of their results look weaker. Plug-ins
are corrected over all tests. A plug-in can therefore only add a failure, or a reason why the audit decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.config import part_config
from ..metrics.hypothesis import holm, permutation_p
from .attack import FittedAttack, Found, Guesses, Predicates, Statistic, SubjectScores
from .background import Background
from .figures import AttackTest
from .game import play
from .membership import auroc_with_null, largest_difference
from .registry import ATTACKS
from .target import Target


class BrokenAttack(Exception):
    """What an attack gave is not what an attack gives; says why."""


@dataclass(frozen=True)
class FittedEntry:
    """A fitted attack under its name, or the reason (`fault`) why there is none; `applies` where it could be one."""

    name: str
    attack: FittedAttack | None
    fault: str = ""
    applies: bool = True


@dataclass(frozen=True)
class Family:
    """All tests, our own first; `own` is how many these are. `shortfalls` says which attacks are missing, and why.

    `notes` names those that are not applicable, see `AttackNeeds.released_labels`.
    """

    tests: tuple[AttackTest, ...]
    own: int
    shortfalls: tuple[str, ...]
    notes: tuple[str, ...] = ()


def fit_attacks(background: Background, *, labels: bool) -> list[FittedEntry]:
    """Fit the attacks that the configuration names, before train and control are read; ours first.

    `labels` says whether train and control images will have labels. A fault of ours is raised.
    """
    named = background.config.attacks
    theirs = [name for name in dict.fromkeys(named) if not ATTACKS.is_ours(name)]
    return [_fit(name, background, labels) for name in (*(own for own in ATTACKS.own_names() if own in named), *theirs)]


def _fit(name: str, background: Background, labels: bool) -> FittedEntry:
    attack = ATTACKS.get(name)
    people = background.network.labels, background.certify.labels
    if attack.needs.released_labels and (not labels or background.released_labels is None or None in people):
        return FittedEntry(name, None, "no labels of all sides, the release among them, are given", applies=False)
    if attack.needs.labels and not labels:
        return FittedEntry(name, None, "it needs labels, and none are given")
    options = part_config(ATTACKS, name, background.config, background.config.options.get(name, {}))
    try:
        for kind in attack.needs.spaces:
            background.space(kind)
        return FittedEntry(name, attack.fit(background, options))
    except Exception as error:  # whatever somebody's code raises
        return FittedEntry(name, None, _fault(name, error))


def run_attacks(fitted: Sequence[FittedEntry], target: Target) -> Family:
    """Run fitted attacks on the target and correct their p-values; a fault of ours is raised."""
    left_out = [name for name in ATTACKS.own_names() if name not in {attack.name for attack in fitted}]
    shortfalls = [f"the attack {name} was left out, so nothing is known of it" for name in left_out]
    found: list[tuple[str, float, float]] = []
    own = 0
    notes = [f"the attack {each.name} is not applicable: {each.fault}" for each in fitted if not each.applies]
    for each in (each for each in fitted if each.applies):
        new, fault = _run(each, target, {name for name, _, _ in found})
        found += new
        own += len(new) if ATTACKS.is_ours(each.name) else 0
        if fault:
            shortfalls.append(f"the attack {each.name} could not be run ({fault}), so nothing is known of it")
    p_values = [p for _, _, p in found]
    adjusted = [*holm(p_values[:own]), *holm(p_values)[own:]]
    tests = [AttackTest(name, value, p, float(a)) for (name, value, p), a in zip(found, adjusted, strict=True)]
    return Family(tuple(tests), own, tuple(shortfalls), tuple(notes))


def _run(fitted: FittedEntry, target: Target, taken: set[str]) -> tuple[list[tuple[str, float, float]], str]:
    """(name, statistic, p-value) of every test of an attack, or none and the reason why it has none."""
    if fitted.attack is None:
        return [], fitted.fault
    try:
        tests = [
            test
            for found in fitted.attack.run(target)
            for test in _both_signs(fitted.name, _statistic(found, target), len(target.codes))
        ]
        names = [name for name, _, _ in tests]
        if not tests:
            raise BrokenAttack("it gave no statistic")
        if len({*names, *taken}) < len(names) + len(taken):
            raise BrokenAttack("it gave a statistic with the name of another")
        return tests, ""
    except Exception as error:  # whatever somebody's code raises
        return [], _fault(fitted.name, error)


def _statistic(found: Found, target: Target) -> Statistic:
    """The difference of train and control that a result shows."""
    train, blocks = target.train, target.roles.blocks
    if isinstance(found, SubjectScores):
        auroc, null = auroc_with_null(np.asarray(found.values, dtype=np.float64), target.codes, train, blocks)
        return Statistic(auroc, null, chance=0.5, name=found.name)
    if isinstance(found, Predicates):
        game = play(found.hits, target.roles, target.codes)
        return Statistic(game.advantage, game.null, name=found.name)
    if isinstance(found, Guesses):
        right = np.where(np.isnan(found.right), 0.0, found.right)[:, None]
        observed, null = largest_difference(right, target.codes, train, blocks)
        return Statistic(observed, null, name=found.name)
    return found


def _both_signs(attack: str, statistic: Statistic, permutations: int) -> list[tuple[str, float, float]]:
    null = np.asarray(statistic.null, dtype=np.float64)
    if null.shape != (permutations,) or not np.isfinite([statistic.observed, statistic.chance, *null]).all():
        raise BrokenAttack("it gave a statistic that is not a number, or not one for every permutation")
    name = attack.replace("-", "_") + (f"_{statistic.name}" if statistic.name else "")
    observed = float(statistic.observed)
    return [
        (name, observed, permutation_p(observed, null)),
        (f"{name}_reversed", float(statistic.reversed_value), permutation_p(-observed, -null)),
    ]


def _fault(name: str, error: Exception) -> str:
    """Why a plug-in has no result; an error of ours is raised again.

    What somebody's error says may name a person or a file, so that it goes to the log and not into the figures.
    """
    if ATTACKS.is_ours(name):
        raise error
    logging.getLogger(__name__).warning("The attack %s failed: %s: %s", name, type(error).__name__, error)
    return str(error) if isinstance(error, BrokenAttack) else type(error).__name__
