"""Who is control, what is sealed, and what an unfit control does to a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.studies import cohort_of
from unpersonal.audit.control import (
    alike,
    check_left,
    choose_control,
    leave_out_shared,
    sealed_people,
    unsealed,
    weigh,
    without_shared,
)
from unpersonal.audit.figures import AuditFigures, ControlFigures
from unpersonal.audit.images import SubjectImages
from unpersonal.cohort.dealing import Dealing
from unpersonal.cohort.table import Cohort
from unpersonal.core.errors import InputError

SIZES = {"train": 30, "val": 12, "aux": 12, "test": 20, "control": 10}
PASSED = AuditFigures(
    verdict="pass",
    reasons=(),
    notes=(),
    claim="c",
    advantage=0.0,
    advantage_upper=0.03,
    policy_upper=0.05,
    profile="open",
    tests=(),
)
FIT = ControlFigures(at_random="known", joined=0, excluded=0, untold=False, held_out_p=0.5)


def cohort(dealing: Dealing, **sizes: int) -> Cohort:
    splits = [name for name, size in ({**SIZES, **sizes}).items() for _ in range(size)]
    people = [f"{name}-{row}" for row, name in enumerate(splits)]
    return replace(cohort_of(people, ["a"] * len(people), splits), dealing=dealing)


def splits_of(given: Cohort, rows: np.ndarray) -> set[str]:
    return set(given.splits[rows])


def test_everybody_who_did_not_train_is_control() -> None:
    given = cohort(Dealing(), control=0)
    found = choose_control(given)
    assert splits_of(given, found.rows) == {"val", "test"} and len(found.rows) == 32 and found.at_random
    assert splits_of(given, choose_control(given, "test").rows) == {"test"}


@pytest.mark.parametrize(
    ("dealt", "control", "expected", "at_random"),
    [
        (("train", "aux"), 0, {"val", "test"}, False),
        (("train",), 0, {"val", "test"}, False),
        (("train", "val", "aux"), 0, {"val"}, True),
        (("train", "aux", "control"), 10, {"control"}, True),
        (("train", "val", "aux", "control"), 10, {"val", "control"}, True),
    ],
)
def test_where_test_was_given_only_whom_chance_dealt_is_control(
    dealt: tuple[str, ...], control: int, expected: set[str], at_random: bool
) -> None:
    given = cohort(Dealing(dealt=dealt), control=control)
    found = choose_control(given)
    assert splits_of(given, found.rows) == expected and found.at_random == at_random


def test_who_shares_a_picture_with_train_is_no_control() -> None:
    given = cohort(Dealing(), control=0)
    train, val, aux, test = (given.subjects[given.rows(name)] for name in ("train", "val", "aux", "test"))
    shared = ((train[0], test[0]), (aux[0], train[1]), (test[1], val[1]))
    given = replace(given, dealing=Dealing(shared=shared))
    found = choose_control(given)
    assert found.excluded == 1 and test[0] not in given.subjects[found.rows]
    assert {test[1], val[1]} <= set(given.subjects[found.rows])
    assert aux[0] not in given.subjects[without_shared(given, given.rows("aux"))]


def people(prefix: str, count: int, images: np.ndarray, per: int = 1) -> SubjectImages:
    return SubjectImages(images, np.repeat([f"{prefix}{i:03d}" for i in range(count)], per))


def test_copies_of_train_pictures_in_control_are_left_out(phantoms: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = phantoms
    first = images[np.unique(subjects, return_index=True)[1]]
    control, auxiliary = first[60:100].copy(), first[100:140].copy()
    control[3], auxiliary[7] = first[5], first[6]
    sets = {"train": people("t", 60, first[:60]), "control": people("c", 40, control), "x": people("a", 40, auxiliary)}
    kept, count, _ = leave_out_shared(sets)
    assert "c003" not in kept["control"].names and "a007" not in kept["x"].names
    assert count == 120 - len(kept["control"].names) - len(kept["x"].names) - 40 and count >= 2
    assert len(kept["train"]) == 60


def test_a_side_that_is_the_train_side_again_is_named(phantoms: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = phantoms
    first = images[np.unique(subjects, return_index=True)[1]][:60]
    sets, _, _ = leave_out_shared({"train": people("t", 60, first), "control": people("c", 60, first)})
    paths = {"train": "folder", "control": "folder"}
    with pytest.raises(InputError, match="Every person of control has a picture that a train person has") as found:
        check_left(sets, paths)
    assert "--control" in found.value.how and found.value.where == "folder"
    check_left({"train": sets["train"]}, paths)


def test_the_seal_divides_control_by_names_alone() -> None:
    labels = ["a"] * 60 + ["b"] * 40
    given = SubjectImages(np.zeros((100, 1, 8, 8), dtype=np.uint8), np.array([f"s{i}" for i in range(100)]), labels)
    sealed = sealed_people(given, 0.5)
    order = np.random.default_rng(0).permutation(100)
    assert sealed_people(given.only(order), 0.5) == sealed and len(sealed) == 50
    assert sum(int(name[1:]) < 60 for name in sealed) == 30
    before, after = (unsealed(given, 0.5, opened=opened) for opened in (False, True))
    assert set(after.names) == sealed and set(before.names) | sealed == set(given.names)
    assert not set(before.names) & sealed and unsealed(given, 0.0, opened=True) is given


@pytest.mark.parametrize(
    ("control", "verdict", "word"),
    [
        (FIT, "pass", ""),
        (replace(FIT, at_random="no"), "inconclusive", "chance that decided"),
        (replace(FIT, held_out_p=0.001), "inconclusive", 'control = "test"'),
        (replace(FIT, held_out_p=None), "pass", ""),
        (replace(FIT, at_random="assumed"), "pass", "assumed"),
        (replace(FIT, excluded=7), "pass", "7 control or auxiliary"),
        (replace(FIT, untold=True), "pass", "look so alike"),
    ],
)
def test_an_unfit_control_passes_nothing(control: ControlFigures, verdict: str, word: str) -> None:
    found = weigh(PASSED, control)
    assert found.verdict == verdict and found.control == control
    assert word in " ".join((*found.reasons, *found.notes, str(found.claim)))
    assert weigh(replace(PASSED, verdict="fail"), control).verdict == "fail"


def test_people_of_val_and_test_are_compared() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=60), rng.normal(size=80)
    assert alike(first, second) > 0.01 > alike(first - 1.5, second)
    assert alike(first[:3], second) == 1.0
