"""Nobody is tested on who was learnt from, whoever lies where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unpersonal.core.errors import InputError
from unpersonal.utility.division import SMALLEST, TESTED, divide
from unpersonal.utility.sides import LabelledSide, read_labelled


def side(name: str, people: int, *, first: int = 0, labels: tuple[str, ...] = ("ill", "well")) -> LabelledSide:
    """Two pictures of each of `people`, whose pixels are hashed by who it is, from number `first` on."""
    who = np.repeat(np.arange(first, first + people), 2)
    return LabelledSide(
        name=name,
        path=Path(name),
        release=False,
        images=np.zeros((len(who), 1, 32, 32), np.uint8),
        labels=tuple((labels[number % len(labels)],) for number in who),
        groups=np.array([f"{number}" for number in who], dtype=object),
        known=True,
        pixels=np.array([f"{number}-{visit}" for number, visit in zip(who, np.arange(len(who)) % 2, strict=True)]),
        refused={},
        ignored=0,
    )


def people(part: object) -> set[str]:
    return set(part.groups)  # type: ignore[attr-defined]


def test_the_diagonal_is_divided_by_people_in_every_row() -> None:
    both, other = side("a", 100), side("b", 60, first=500)
    division = divide([both, other], [both, other], 0)
    for name, count in (("a", 100), ("b", 60)):
        learnt, tested = people(division.learnt[name]), people(division.tested[name])
        assert not learnt & tested and len(learnt | tested) == count and len(tested) == round(TESTED * count)
    assert len(division.notes) == 2
    again = divide([both, other], [both, other], 0)
    assert np.array_equal(division.tested["a"].rows, again.tested["a"].rows)
    assert not np.array_equal(division.tested["a"].rows, divide([both, other], [both, other], 1).tested["a"].rows)


def test_whoever_has_a_picture_that_was_learnt_from_is_left_out_of_the_test() -> None:
    division = divide([side("a", 60)], [side("b", 60, first=40)], 0)
    assert people(division.tested["b"]) == {str(number) for number in range(60, 100)}
    assert any("40 pictures of b" in note for note in division.notes)
    with pytest.raises(InputError, match="remain to test on"):
        divide([side("a", 60)], [side("copy", 60)], 0)


def test_what_teaches_or_tests_nothing_is_refused() -> None:
    few = SMALLEST // 2 - 1
    for learners, tests, said in (
        ([side("a", few)], [side("b", 30, first=90)], "to learn from"),
        ([side("a", 30)], [side("b", few, first=90)], "remain to test on"),
        ([side("a", 30, labels=("ill",))], [side("b", 30, first=90)], "every picture"),
        ([side("a", 30)], [side("b", 30, first=90, labels=("ill",))], "same labels"),
        ([side("a", 30)], [side("b", 30, labels=("x", "y"))], "No label is on all sides"),
    ):
        with pytest.raises(InputError, match=said):
            divide(learners, tests, 0)


def test_people_of_one_name_are_counted() -> None:
    first, second = side("a", 40), side("b", 40)
    second = LabelledSide(**{**vars(second), "pixels": np.array([f"b{row}" for row in range(80)])})
    assert any("40 people of a and b have one name" in note for note in divide([first], [second], 0).notes)


def test_a_study_is_no_side(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="This is a study"):
        read_labelled(tmp_path, "s", "--train", None)  # type: ignore[arg-type]
