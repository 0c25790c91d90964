"""The family of attacks: fitted before train and control are read, run on both, and what they gave by its sort.

Our own are corrected among themselves, so that no plug-in can make one of their results look weaker. Plug-ins are
corrected over all. A plug-in can therefore only add a failure, or a reason why the audit decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from ..core.config import part_config
from ..core.progress import progress_bar
from ..metrics.hypothesis import holm, permutation_p
from .attack import FittedAttack, Found, Guesses, Predicates, Statistic, SubjectScores
from .background import Background
from .figures import AttackTest
from .fingerprint import fingerprint
from .registry import ATTACKS
from .target import Target

F = TypeVar("F", bound=Found)


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
class Results(Generic[F]):
    """What attacks gave of one sort, ours first, with a name for each; `own` is how many of them are ours."""

    found: tuple[F, ...]
    names: tuple[str, ...]
    own: int


@dataclass(frozen=True)
class Family:
    """What all attacks gave. `tests` are those of single statistics; `shortfalls` says which attacks are missing.

    `notes` names those that are not applicable, see `AttackNeeds`, and scores that are the same for everybody:
    bounds of these would be within any margin, so that they are not among `scores`.
    """

    scores: Results[SubjectScores]
    predicates: Results[Predicates]
    guesses: Results[Guesses]
    tests: tuple[AttackTest, ...]
    shortfalls: tuple[str, ...]
    notes: tuple[str, ...] = ()


def fit_attacks(background: Background, *, labels: bool) -> list[FittedEntry]:
    """Fit the attacks that the configuration names, before train and control are read; ours first.

    `labels` says whether train and control images will have labels. A fault of ours is raised.
    """
    named = background.config.attacks
    theirs = [name for name in dict.fromkeys(named) if not ATTACKS.is_ours(name)]
    ours = [own for own in ATTACKS.own_names() if own in named]
    fitted = []
    with progress_bar("audit (attacks learn)", len(ours) + len(theirs)) as bar:
        for name in (*ours, *theirs):
            bar.note(name)
            fitted.append(fit_attack(name, background, labels))
            bar.advance()
    return fitted


def fit_attack(name: str, background: Background, labels: bool) -> FittedEntry:
    """Fit one attack; a fault of ours is raised."""
    attack = ATTACKS.get(name)
    people = background.network.labels, background.certify.labels
    if attack.needs.released_labels and (not labels or background.released_labels is None or None in people):
        return FittedEntry(name, None, "no labels of all sides, the release among them, are given", applies=False)
    if attack.needs.probabilities and background.soft is None:
        return FittedEntry(name, None, "no class probabilities of the released images are given", applies=False)
    if attack.needs.model and background.model is None:
        return FittedEntry(name, None, "the attacker does not have the trained model", applies=False)
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
    """Run fitted attacks on the target; a fault of ours is raised."""
    left_out = [name for name in ATTACKS.own_names() if name not in {attack.name for attack in fitted}]
    shortfalls = [f"the attack {name} was left out, so nothing is known of it" for name in left_out]
    found: dict[str, Found] = {}
    own: set[str] = set()
    applied = [each for each in fitted if each.applies]
    with progress_bar("audit (attacks)", len(applied)) as bar:
        for each in applied:
            bar.note(each.name)
            new, fault = _run(each, target, found.keys())
            found.update(new)
            own |= new.keys() if ATTACKS.is_ours(each.name) else set()
            if fault:
                shortfalls.append(f"the attack {each.name} could not be run ({fault}), so nothing is known of it")
            bar.advance()
    silent = [name for name, each in found.items() if isinstance(each, SubjectScores) and not np.ptp(each.values)]
    notes = [f"the attack {each.name} is not applicable: {each.fault}" for each in fitted if not each.applies]
    notes += [
        f"{name.replace('_', ' ')} gave everybody the same score: it says nothing, and is not counted"
        for name in silent
    ]
    found = {name: each for name, each in found.items() if name not in silent}
    return Family(
        scores=_of_sort(SubjectScores, found, own),
        predicates=_of_sort(Predicates, found, own),
        guesses=_of_sort(Guesses, found, own),
        tests=_tests(_of_sort(Statistic, found, own)),
        shortfalls=tuple(shortfalls),
        notes=tuple(notes),
    )


def _of_sort(sort: type[F], found: Mapping[str, Found], own: Collection[str]) -> Results[F]:
    named = {name: each for name, each in found.items() if isinstance(each, sort)}
    return Results(tuple(named.values()), tuple(named), sum(name in own for name in named))


def _tests(given: Results[Statistic]) -> tuple[AttackTest, ...]:
    """Both signs of every statistic, corrected by Holm: ours among themselves, others among all."""
    signed = [
        test
        for name, found in zip(given.names, given.found, strict=True)
        for test in (
            (name, float(found.observed), permutation_p(found.observed, found.null)),
            (f"{name}_reversed", float(found.reversed_value), permutation_p(-found.observed, -found.null)),
        )
    ]
    p_values, own = [p for _, _, p in signed], 2 * given.own
    adjusted = [*holm(p_values[:own]), *holm(p_values)[own:]]
    return tuple(AttackTest(name, value, p, float(a)) for (name, value, p), a in zip(signed, adjusted, strict=True))


def _run(fitted: FittedEntry, target: Target, taken: Collection[str]) -> tuple[dict[str, Found], str]:
    """What an attack gave, by name, or nothing and the reason why."""
    if fitted.attack is None:
        return {}, fitted.fault
    before = fingerprint(fitted.attack)
    try:
        given = list(fitted.attack.run(target))
        if not given:
            raise BrokenAttack("it gave no statistic")
        if fingerprint(fitted.attack) != before:
            raise BrokenAttack("it learnt from the people that it attacked")
        new: dict[str, Found] = {}
        for found in (_checked(each, target) for each in given):
            name = fitted.name.replace("-", "_") + (f"_{found.name}" if found.name else "")
            if name in new or name in taken:
                raise BrokenAttack("it gave a statistic with the name of another")
            new[name] = found
        return new, ""
    except Exception as error:  # whatever somebody's code raises
        return {}, _fault(fitted.name, error)


def _checked(found: Found, target: Target) -> Found:
    """What an attack gave, if it is what it should be; else `BrokenAttack`."""
    people = len(target.train)
    if isinstance(found, Statistic):
        null = np.asarray(found.null, dtype=np.float64)
        if null.shape != (len(target.codes),) or not np.isfinite([found.observed, found.chance, *null]).all():
            raise BrokenAttack("it gave a statistic that is not a number, or not one for every permutation")
    elif isinstance(found, SubjectScores):
        if np.shape(found.values) != (people,) or not np.isfinite(found.values).all():
            raise BrokenAttack("it gave scores that are not a number for every subject")
    elif isinstance(found, Predicates):
        if np.shape(found.confidence) != (found.hits.predicates,) or np.isnan(found.confidence).any():
            raise BrokenAttack("it gave predicates without a confidence for each")
    elif isinstance(found, Guesses):
        right = np.asarray(found.right, dtype=np.float64)
        if right.shape != (people,) or not ((right >= 0) & (right <= 1) | np.isnan(right)).all():
            raise BrokenAttack("it gave guesses that are not a share for every subject")
    else:
        raise BrokenAttack(f"it gave a {type(found).__name__}, which is nothing that an attack gives")
    return found


def _fault(name: str, error: Exception) -> str:
    """Why a plug-in has no result; an error of ours is raised again.

    What somebody's error says may name a person or a file, so that it goes to the log and not into the figures.
    """
    if ATTACKS.is_ours(name):
        raise error
    logging.getLogger(__name__).warning("The attack %s failed: %s: %s", name, type(error).__name__, error)
    return str(error) if isinstance(error, BrokenAttack) else type(error).__name__
