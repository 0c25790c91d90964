"""Names in `labels` that no train image has, or too few, are told with those that may be meant."""

from __future__ import annotations

import pytest

from tests.studies import cohort_of
from unpersonal.core.errors import InputError
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.label_sets import check_label_sets
from unpersonal.synthesis.plan import make_plan

SETS = {"Edema|Pleural Effusion": 12, "Pleural Effusion": 14, "Situs inversus": 3, "No Finding": 20, "Edema": 11}


def cohort(bare=()):
    subjects = [f"{name}-{person}" for name, people in SETS.items() for person in range(people)]
    labels = [subject.rpartition("-")[0].split("|") for subject in subjects]
    splits = ["train"] * len(subjects) + ["test"]
    classes = sorted({label for row in labels for label in row} | {"Held out"})
    bare = [subject in bare for subject in [*subjects, ""]]
    return cohort_of(
        [*subjects, "z"], [*labels, ["Held out"]], splits, classes=classes, unlabelled=bare if any(bare) else None
    )


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("Pleural effusion", "did you mean 'Pleural Effusion'?"),
        ("Pleural Efusion|Edema", "did you mean 'Edema|Pleural Effusion'"),
        ("Oedema", "did you mean 'Edema'?"),
        ("Edema | Pleural Effusion", "did you mean 'Edema|Pleural Effusion'"),
        ("Situs Inversus", "did you mean 'Situs inversus'?"),
        ("nofinding", "did you mean 'No Finding'?"),
        ("Held out", ""),
        ("Pneumothorax", ""),
        ("No Finding|Situs inversus", "did you mean 'Situs inversus'?"),
        ("", ""),
    ],
)
def test_an_unknown_name_is_told_with_what_may_be_meant(named, meant):
    config = SynthesisConfig(labels={"No Finding": 1.0, named: 2.0})
    for refuse in (lambda: check_label_sets(cohort(), config), lambda: make_plan(cohort(), config, 0)):
        with pytest.raises(InputError) as refusal:
            refuse()
        assert repr(named) in refusal.value.what and refusal.value.where == "[synthesis] labels"
        assert meant in refusal.value.what if meant else "did you mean" not in refusal.value.what
        assert all(repr(name) in refusal.value.how for name in SETS)


def test_all_unknown_names_are_told_at_once():
    with pytest.raises(InputError) as refusal:
        check_label_sets(cohort(), SynthesisConfig(labels={"x": 1.0, "Edema": 1.0, "y": 0.0}))
    assert "label sets 'x', 'y'" in refusal.value.what


def test_known_names_in_any_order_are_no_mistake(capsys):
    for labels in ("as-given", "balanced", {"Pleural Effusion|Edema": 1.0, "No Finding": 2.0}):
        check_label_sets(cohort(), SynthesisConfig(labels=labels))
    assert "nothing" not in capsys.readouterr().err


def test_a_rare_set_is_told_and_refused_where_it_is_all(capsys):
    check_label_sets(cohort(), SynthesisConfig(labels={"Situs inversus": 5.0, "Edema": 1.0}))
    assert "'Situs inversus': it will yield nothing" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(InputError, match="fewer than 10") as refusal:
        check_label_sets(cohort(), SynthesisConfig(labels={"Situs inversus": 5.0, "Edema": 0.0}))
    assert "'Pleural Effusion'" in refusal.value.how and "Situs" not in refusal.value.how


def test_labels_that_nobody_gave_count_for_nothing():
    """Predicted labels are not known before the judges are trained, and lend no condition to a set."""
    bare = {f"Edema-{person}" for person in range(11)}
    with pytest.raises(InputError, match="label set 'Edema'"):
        check_label_sets(cohort(bare), SynthesisConfig(labels={"Edema": 1.0}))


def test_that_no_set_has_enough_people_is_told_before_anything_trains():
    largest = max(SETS.values())
    check_label_sets(cohort(), SynthesisConfig(fewest_subjects=largest))
    few = SynthesisConfig(fewest_subjects=largest + 1)
    for refuse in (lambda: check_label_sets(cohort(), few), lambda: make_plan(cohort(), few, 0)):
        with pytest.raises(InputError, match=f"No label set has {largest + 1} train subjects.*fewest_subjects"):
            refuse()
    with pytest.raises(InputError, match="k_same"):
        check_label_sets(cohort(), SynthesisConfig(), shared_by=largest + 1)


def test_people_who_may_still_be_given_a_label_are_waited_for():
    check_label_sets(cohort(bare=("Edema-0",)), SynthesisConfig(fewest_subjects=max(SETS.values()) + 1))
