"""Soft labels of the selected images: nobody's own teacher is asked, and what lies on disk is checked."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies import write_selected
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import load_tensors, save_tensors
from unpersonal.features.store import save_conditions
from unpersonal.judges.teachers import NOBODY, deal_folds
from unpersonal.synthesis.selected import load_selected
from unpersonal.synthesis.soft import SOFT, folds_of, load_soft, write_soft

CLASSES = ("a", "b", "c")


class Known:
    """Teachers of three folds that call everything by the number of their fold; nobody's image is called evenly."""

    exclusive = True
    folds = np.array([0, 0, 0, 1, 1, 2, 2, NOBODY])

    def probabilities(self, images, folds):
        return np.where((folds == NOBODY)[:, None], 1 / 3, np.eye(3)[folds])


@pytest.fixture
def study(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (4, 1, 8, 8), dtype=np.uint8)
    write_selected(tmp_path, images, [["a"], ["b"], ["c"], ["a"]], CLASSES)
    return tmp_path


def test_an_image_is_labelled_by_the_teacher_of_all_its_people(study):
    people = np.array([[3, 4], [0, 2], [6, 5], [1, 0]])
    write_soft(study, Known(), people, CLASSES)
    soft = load_selected(study).soft
    assert soft.classes == CLASSES and (soft.thousandths.argmax(1) == [1, 0, 2, 0]).all()
    assert (soft.thousandths.max(1) == 1000).all()


def test_people_of_two_folds_or_of_none_have_no_teacher():
    for people in ([[0, 3]], [[7, 7]], [[0, 7]]):
        with pytest.raises(RuntimeError, match="no one teacher"):
            folds_of(Known(), np.array(people), 1)


def test_conditions_of_nobody_have_the_mean(study):
    write_soft(study, Known(), None, CLASSES)
    assert (load_selected(study).soft.thousandths == [334, 333, 333]).all()


def test_a_class_without_an_image_has_no_column(study):
    images = load_selected(study).images
    write_selected(study, images, [["a"], ["c"], ["c"], ["a"]], CLASSES)
    write_soft(study, Known(), None, CLASSES)
    soft = load_selected(study).soft
    assert soft.classes == ("a", "c") and (soft.thousandths == 500).all()


def test_without_any_there_are_none(study):
    assert load_soft(study, 4) is None and load_selected(study).soft is None


@pytest.mark.parametrize("change", ["fewer", "sum", "facts", "bytes"])
def test_probabilities_that_are_not_of_these_images_are_refused(study, change):
    import torch

    write_soft(study, Known(), None, CLASSES)
    tensors, facts = load_tensors(study / SOFT)
    values = tensors["thousandths"].clone()
    if change == "fewer":
        values = values[1:]
    elif change == "sum":
        values[0, 0] += 1
    elif change == "facts":
        facts = {}
    if change == "bytes":
        (study / SOFT).write_bytes(b"nothing")
    else:
        save_tensors(study / SOFT, {"thousandths": values.to(torch.int16)}, facts)
    with pytest.raises(InputError):
        load_selected(study)


def test_dropped_images_take_their_probabilities_with_them(study):
    from tests.studies import drop_selected
    from unpersonal.synthesis.selected import load_released

    write_soft(study, Known(), np.array([[3, 4], [0, 2], [6, 5], [1, 0]]), CLASSES)
    drop_selected(study, [0])
    kept = load_released(study)
    assert len(kept.soft) == len(kept) == 3 and (kept.soft.thousandths.argmax(1) == [0, 2, 0]).all()


@pytest.mark.parametrize("conditions", ["feature", "nobody's"])
def test_the_people_of_a_draw_say_who_labels_its_image(tmp_path, monkeypatch, conditions):
    """From the plan and the ledger to the file: brute force over the draws, with the plan's own folds."""
    import pandas as pd
    import torch

    from tests.studies import cohort_of, write_study
    from unpersonal.judges import teachers as room
    from unpersonal.synthesis.config import SynthesisConfig
    from unpersonal.synthesis.plan import make_plan
    from unpersonal.synthesis.soft import folds_of_conditions, soften

    subjects = [f"s{row // 2}" for row in range(160)]
    cohort = cohort_of(subjects, [["a", "b", "c"][row // 2 % 3] for row in range(160)])
    rng = np.random.default_rng(0)
    given = rng.normal(size=(160, 4)).astype(np.float32) if conditions == "feature" else None
    study = write_study(tmp_path / "study", cohort, np.zeros((160, 1, 8, 8), np.uint8), conditions=given)
    folds = deal_folds(cohort.subjects, cohort.labels, [str(row) for row in range(160)], 3, seed=1)
    facts = {"temperatures": "[1.0, 1.0, 1.0]"}
    save_tensors(study.joinpath(*room.FOLDER) / room.FOLDS, {"folds": torch.from_numpy(folds)}, facts)
    if given is None:
        save_conditions(study, None, ())
    found = folds_of_conditions(study)
    assert found is None if given is None else (found == folds).all()
    plan = make_plan(cohort, SynthesisConfig(images="2x"), 1, found)
    drawn = rng.permutation(len(plan))[:50]
    write_selected(study, np.zeros((50, 1, 8, 8), np.uint8), [cohort.labels[plan.sources[d]] for d in drawn], CLASSES)
    other = pd.DataFrame({"draw": drawn, "selected": False})
    pd.concat([other, pd.DataFrame({"draw": drawn, "selected": True})]).to_parquet(study / "candidates/ledger.parquet")
    known = Known()
    known.folds = folds
    monkeypatch.setattr(room, "load_teachers", lambda study, device: known)
    assert soften(study, plan, cohort, torch.device("cpu")) == ("mean" if given is None else "teacher")
    soft = load_selected(study).soft
    for draw, row in zip(drawn, soft.thousandths, strict=True):
        people = {cohort.subjects[r] for r in (plan.sources[draw], *plan.partners[draw])}
        if given is None:
            assert row.tolist() == [334, 333, 333]
        else:
            # the teacher of fold f, which calls everything class f here, was taught by all other folds
            assert not people & set(cohort.subjects[folds != row.argmax()])
