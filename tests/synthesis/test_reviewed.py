"""What a review decides: the last word counts, nothing comes back after a release, a broken ledger is no empty one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.studies import cohort_of, drop_selected, write_candidates, write_study
from unpersonal.core.errors import InputError
from unpersonal.synthesis.reviewed import (
    ELSEWHERE,
    LEDGER,
    check_review,
    note_release,
    pixel_names,
    read_review,
    refuse_lost,
    removed_rows,
    review_key,
    review_ledger,
    selection_of,
)
from unpersonal.synthesis.selected import load_released, load_selected


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Eight selected images, of which the last two have the same pixels."""
    cohort = cohort_of([f"p{row}" for row in range(20)], ["a", "b"] * 10)
    write_study(tmp_path, cohort, np.zeros((20, 1, 8, 8), dtype=np.uint8))
    drawn = np.random.default_rng(0).integers(0, 255, (12, 1, 8, 8), dtype=np.uint8)
    drawn[10] = drawn[9]
    write_candidates(tmp_path, drawn, cohort, released=8)
    return tmp_path


def names_of(study: Path) -> list[str]:
    return pixel_names(load_selected(study).images)


def say(study: Path, event: str, row: int = 0, **more: object) -> None:
    names = names_of(study)
    about = {} if event in ("released", "mended") else {"selection": selection_of(names)}
    if event in ("keep", "remove", "note"):
        about |= {"image": names[row], "tab": "one", "seen": 0}
    with review_ledger(study).open() as ledger:
        ledger.add({"event": event, **about, **more})


def removed(study: Path) -> tuple[int, ...]:
    return removed_rows(study, load_selected(study).images)


def test_without_a_review_nothing_is_removed_and_nothing_written(study):
    assert removed(study) == () and review_key(study) == ""
    check_review(study)
    note_release(study)
    assert not (study / LEDGER).exists() and len(load_released(study)) == 8


def test_the_last_decision_counts_and_equal_pixels_go_together(study):
    for event, row in (("remove", 1), ("keep", 2), ("remove", 2), ("remove", 6), ("keep", 1)):
        say(study, event, row)
    assert removed(study) == (2, 6, 7)
    say(study, "note", 2, note="a ring on the finger")
    assert read_review(study).opinions[names_of(study)[2]].note == "a ring on the finger"
    assert removed(study) == (2, 6, 7)


def test_what_is_removed_is_not_released_before_an_audit_took_it_out(study):
    say(study, "keep", 0)
    assert len(load_released(study)) == 8
    say(study, "remove", 3)
    with pytest.raises(InputError, match="the audit is from before"):
        load_released(study)
    drop_selected(study, [3])
    assert len(load_released(study)) == 7


def test_after_a_release_a_removal_is_final(study):
    say(study, "remove", 1)
    say(study, "remove", 2)
    say(study, "keep", 2)
    note_release(study)
    lines = len(review_ledger(study).read().entries)
    note_release(study)
    assert len(review_ledger(study).read().entries) == lines
    say(study, "keep", 1)
    say(study, "remove", 2)
    say(study, "keep", 2)
    assert removed(study) == (1,)
    assert read_review(study).opinions[names_of(study)[1]].final


def test_the_key_is_of_what_is_removed_alone(study):
    say(study, "keep", 1)
    assert review_key(study) == ""
    say(study, "remove", 1)
    one = review_key(study)
    say(study, "note", 1, note="x")
    say(study, "keep", 0)
    assert review_key(study) == one != ""
    say(study, "remove", 0)
    assert review_key(study) not in ("", one)


def test_a_review_of_other_images_refuses(study):
    with review_ledger(study).open() as ledger:
        ledger.add({"event": "keep", "selection": "5" * 64, "image": "6" * 64, "tab": "one"})
    assert review_key(study) == ELSEWHERE
    for use in (lambda: removed(study), lambda: check_review(study), lambda: load_released(study)):
        with pytest.raises(InputError, match="other images than those that are selected now"):
            use()
    say(study, "begun")
    assert removed(study) == () and review_key(study) == ""


@pytest.mark.parametrize("damage", ["altered", "gone", "torn", "stray", "no text", "unknown"])
def test_a_broken_ledger_never_means_that_nothing_was_removed(study, damage):
    for row in (1, 2, 3):
        say(study, "remove", row)
    path = study / LEDGER
    if damage == "altered":
        path.write_bytes(path.read_bytes().replace(b'"remove"', b'"keep"', 1))
    elif damage == "gone":
        path.unlink()
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[: -len(path.read_bytes().splitlines()[-1]) - 40])
    elif damage == "stray":
        path.write_bytes(path.read_bytes() + b'{"event": "rem')
    elif damage == "no text":
        say(study, "keep", 1, image=7)
    else:
        say(study, "restore", 1)
    for use in (lambda: removed(study), lambda: review_key(study), lambda: load_released(study)):
        with pytest.raises(InputError):
            use()


def test_a_ledger_that_is_gone_with_its_journal_is_missed_by_whoever_heeded_it(study):
    say(study, "remove", 1)
    refuse_lost(study)
    for path in study.glob("review.*"):
        path.unlink()
    assert removed(study) == ()
    with pytest.raises(InputError, match="ledger of decisions of the review is missing"):
        refuse_lost(study)
