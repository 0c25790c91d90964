import numpy as np
import pytest

from tests.studies import cohort_of, in_blocks
from unpersonal.audit.reachable_lines import Prospect, prospect_of
from unpersonal.cohort.table import Cohort


def cohort(people: int) -> Cohort:
    subjects = [f"sub-{number:05d}" for number in range(people)]
    sizes = {"train": people // 2, "val": people // 10, "aux": people // 10}
    sizes["test"] = people - sum(sizes.values())
    return cohort_of(subjects, list(np.resize(["a", "b"], people)), in_blocks(subjects, sizes))


@pytest.fixture(scope="module")
def few() -> Prospect:
    return prospect_of(cohort(300), attacks=12, profile="open")


def test_three_hundred_people_cannot_pass_as_open_and_init_says_what_they_can(few: Prospect) -> None:
    lines = few.lines()
    assert len(lines) == 6 and "12 attacks" in lines[0]
    assert lines[1].startswith("  open, design split: inconclusive, by ")
    assert "agreement, design swap: pass with probability" in lines[4]
    assert "or more takes about" in lines[1]
    assert "no release of these people can pass under the profile open" in few.warning()
    assert "agreement with swap" in few.warning()


def test_enough_people_are_told_without_a_warning() -> None:
    many = prospect_of(cohort(8000), attacks=12, profile="open")
    assert many.warning() == ""
    assert "takes" not in "".join(many.lines()) and "pass with probability" in many.lines()[1]


def test_a_dozen_people_reach_nothing() -> None:
    nobody = prospect_of(cohort(30), attacks=12, profile="agreement")
    assert "can be a report only" in nobody.warning()


def test_json_has_every_profile_that_may_leave_with_every_design(few: Prospect) -> None:
    told = few.to_json()
    assert [(each["profile"], each["design"]) for each in told["reachable"]] == [
        (profile, design) for profile in ("open", "agreement") for design in ("split", "swap")
    ]
    assert all(0 <= each["passes"]["least"] <= each["passes"]["most"] <= 1 for each in told["reachable"])
