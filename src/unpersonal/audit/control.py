"""Who is control: everybody who did not train, as far as chance decided who trains; and what of them is sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.stats import mannwhitneyu

from ..cohort.dealing import CONTROL
from ..cohort.inspect.duplicates import find_duplicates
from ..cohort.strata import shuffled_strata, subject_strata
from ..cohort.table import Cohort
from ..core.errors import InputError
from .figures import AuditFigures, ControlFigures
from .images import SubjectImages
from .weights import FEWEST

HELD_OUT = ("test", "val", CONTROL)
"""The splits of which nobody trained; aux is the auditor's."""
DIFFERENT = 0.01
"""Two-sided p at which people of val and of test are taken to differ, so that val is no control."""
NOT_AT_RANDOM = (
    "it was not chance that decided who trained and who is control, so that a difference between them, or none, says"
    " little of the release"
)
ASSUMED = "it is assumed that chance decided who trained and who is control"


@dataclass(frozen=True)
class Control:
    """The control people of a study: rows of their images; whether they were dealt at random together with train."""

    rows: np.ndarray
    at_random: bool
    excluded: int
    """People left out because they share a picture with somebody in train."""


def choose_control(cohort: Cohort, splits: Literal["held-out", "test"] = "held-out") -> Control:
    """Everybody of `splits` who did not train and was dealt together with train; where nobody was, all who did not.

    `held-out`: test, val and what was held out for this alone. People who share a picture with a train person under
    another name are no control, and left out.
    """
    wanted = HELD_OUT if splits == "held-out" else ("test", CONTROL)
    dealing = cohort.dealing
    dealt = [name for name in wanted if name in dealing.dealt and len(cohort.rows(name))]
    enough = len(set(cohort.subjects[np.isin(cohort.splits.astype(str), dealt)])) >= FEWEST
    rows = np.sort(np.concatenate([cohort.rows(name) for name in (dealt if enough else wanted)]))
    split = dict(zip(cohort.subjects.astype(str), cohort.splits.astype(str), strict=True))
    shared = {b for pair in dealing.shared for a, b in (pair, pair[::-1]) if split.get(a) == "train"}
    out = np.isin(cohort.subjects[rows].astype(str), sorted(shared))
    return Control(rows[~out], enough, len(set(cohort.subjects[rows[out]])))


def without_shared(cohort: Cohort, rows: np.ndarray) -> np.ndarray:
    """The `rows` without people who share a picture with somebody of another split."""
    shared = {name for pair in cohort.dealing.shared for name in pair}
    return rows[~np.isin(cohort.subjects[rows].astype(str), sorted(shared))]


def leave_out_shared(
    sets: Mapping[str, SubjectImages], train: str = "train"
) -> tuple[dict[str, SubjectImages], int, bool]:
    """The sets of people by name, without those outside `train` who share a picture with a train person.

    With it how many people were left out, and whether people are too alike to tell who shares a nearly identical one.
    """
    names = list(sets)
    images = np.concatenate([sets[name].images for name in names])
    side = np.repeat(np.arange(len(names)), [len(sets[name]) for name in names])
    # one name in two sets is refused elsewhere
    people = np.concatenate([np.asarray(sets[name].subjects).astype(str) for name in names])
    found = find_duplicates(images, people, [str(row) for row in range(len(images))])
    at = names.index(train)
    shared = {
        (names[side[b]], people[b])
        for one, other in found.links
        for a, b in ((one, other), (other, one))
        if side[a] == at != side[b]
    }
    kept = {
        name: given.only(np.flatnonzero([(name, who) not in shared for who in np.asarray(given.subjects).astype(str)]))
        if any(name == of for of, _ in shared)
        else given
        for name, given in sets.items()
    }
    return kept, len(shared), found.untold


def check_left(sets: Mapping[str, SubjectImages], paths: Mapping[str, str | Path]) -> None:
    """`InputError` for a side of which nobody is left by `leave_out_shared`."""
    for name, left in sets.items():
        if not len(left):
            raise InputError(
                f"Every person of {name} has a picture that a train person has as well",
                where=str(paths[name]),
                how=f"give pictures of people who did not train as --{name}; the sides may not be one folder",
            )


def sealed_people(given: SubjectImages, share: float) -> frozenset[str]:
    """The people whom the seal holds back: so many of each stratum, by their names alone, whatever the seed is."""
    strata = subject_strata(given.subjects, given.label_sets())
    sealed: list[str] = []
    carried = 0.0
    for members in shuffled_strata(strata, "audit-seal").values():
        carried += share * len(members)
        count = min(round(carried - len(sealed)), len(members))
        sealed += members[:count]
    return frozenset(sealed)


def unsealed(given: SubjectImages, share: float, *, opened: bool) -> SubjectImages:
    """The control people that an audit may look at: behind the seal where it is `opened`, else all others."""
    if not share:
        return given
    behind = np.isin(np.asarray(given.subjects).astype(str), sorted(sealed_people(given, share)))
    return given.only(np.flatnonzero(behind if opened else ~behind))


def alike(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p (Mann-Whitney) of distances to the release of people of val [a] and test [b]; 1 where few are."""
    if min(len(first), len(second)) < FEWEST:
        return 1.0
    return float(mannwhitneyu(first, second, alternative="two-sided").pvalue)


def weigh(figures: AuditFigures, control: ControlFigures, *, decides: bool = True) -> AuditFigures:
    """The figures of an audit with what is known of its control: where that is unfit, inconclusive at best.

    Where the verdict does not rest on control, as in a swap (`decides` is False), it is a note.
    """
    notes = list(figures.notes)
    reasons = list(figures.reasons) if decides else notes
    claim = figures.claim
    if control.at_random == "no":
        reasons.append(NOT_AT_RANDOM)
    if control.at_random == "assumed" and claim:
        claim = f"{claim}; {ASSUMED}"
    if control.held_out_p is not None and control.held_out_p <= DIFFERENT:
        reasons.append(
            "people held out for early stopping and calibration (val) are not as near to the release as those of test"
            f' (p = {control.held_out_p:.4f}), so they are no control; [audit] control = "test" leaves them out'
        )
    if control.untold:
        notes.append(
            "people look so alike that nearly identical pictures of two of them cannot be told: somebody of train may"
            " be in control under another name, which would hide that the release shows them"
        )
    if control.excluded:
        notes.append(
            f"{control.excluded} control or auxiliary people share a picture with a train person and were left out"
        )
    reasons = reasons if decides else list(figures.reasons)
    worse = len(reasons) > len(figures.reasons) and figures.verdict == "pass"
    verdict = "inconclusive" if worse else figures.verdict
    return replace(figures, verdict=verdict, reasons=tuple(reasons), notes=tuple(notes), claim=claim, control=control)
