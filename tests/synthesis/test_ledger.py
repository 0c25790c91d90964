"""Parts joined: the ledger, the selected images and their labels belong together, whatever the number of draws."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from tests.synthesis.conftest import ruled
from unpersonal.core.errors import InputError
from unpersonal.synthesis.ledger import LABELS, LEDGER, SELECTED, join, joined, ledger_groups, load_ledger
from unpersonal.synthesis.pipeline import draw_part
from unpersonal.synthesis.selected import load_selected


def drawn(study):
    for number in range(len(study.pipeline.parts)):
        draw_part(number, study.pipeline)
    return study


def test_ledger_images_and_labels_belong_together(made):
    study = drawn(made(images="2x"))
    join(study.pipeline.parts, study.cohort)
    ledger, selected = load_ledger(study.study), load_selected(study.study)
    chosen = ledger[ledger["selected"]]
    assert [hashlib.sha256(image.tobytes()).hexdigest() for image in selected.images] == chosen["sha256"].tolist()
    assert selected.labels == [study.cohort.labels[row] for row in chosen["source"]]
    np.testing.assert_array_equal(selected.targets, study.cohort.targets[chosen["source"]])
    assert not chosen["draw"].duplicated().any() and not ledger["seed"].duplicated().any()
    assert set(ledger["draw"]) == set(range(len(study.plan)))
    assert ledger["by"].eq("").equals(~ledger["flagged"])
    assert load_ledger(study.study, ["sha256"]).columns.tolist() == ["sha256"]
    assert sum(len(part["draw"]) for part in ledger_groups(study.study, ["draw"])) == len(ledger)


def test_no_released_count_is_one_that_the_cohort_has(made):
    """Where so many passed that a count would be repeated, one more image is left out."""
    study = made(lambda images: ruled(np.zeros(len(images)), 0.5))
    first = study.plan.label_sets[0]
    known = frozenset({first.planned, first.planned - 1})
    plan = replace(study.plan, label_sets=(replace(first, known=known), *study.plan.label_sets[1:]))
    study.pipeline = replace(study.pipeline, plan=plan, parts=replace(study.pipeline.parts, plan=plan))
    join(drawn(study).pipeline.parts, study.cohort)
    counts = np.bincount(plan.label_set[load_ledger(study.study).query("selected")["draw"]])
    assert counts[0] == first.planned - 2 and counts[1] == plan.label_sets[1].planned
    assert len(load_selected(study.study)) == counts.sum()


def test_a_join_is_known_to_be_done(made):
    study = drawn(made())
    parts = study.pipeline.parts
    assert not joined(parts)
    join(parts, study.cohort)
    assert joined(parts) and not joined(replace(parts, made_from="other"))
    for path in (LABELS, SELECTED, LEDGER):
        whole = (study.study / path).read_bytes()
        (study.study / path).write_bytes(whole[:-9])
        assert not joined(parts)
        (study.study / path).write_bytes(whole)
    join(parts, study.cohort)
    assert (study.study / LEDGER).read_bytes() == whole


def test_nothing_passed(made):
    study = drawn(made(lambda images: ruled(np.ones(len(images)), 0.5)))
    join(study.pipeline.parts, study.cohort)
    assert load_selected(study.study).images.shape == (0, 1, 8, 8)


def test_memory_does_not_grow_with_the_number_of_draws(made):
    """Four times the draws: less than a quarter more memory on top of what the plan itself takes."""
    peaks = []
    for images in (1_000, 4_000):
        study = drawn(
            made(lambda images: ruled(np.zeros(len(images)), 0.5), images=images, chunk=250, candidates=1, batch=250)
        )
        tracemalloc.start()
        join(study.pipeline.parts, study.cohort)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    plan = 8 * 4 * 3_000
    assert peaks[1] < 1.25 * peaks[0] + plan


def test_a_study_without_a_ledger_says_which_stage_writes_it(tmp_path):
    with pytest.raises(InputError, match="synthesis"):
        load_ledger(tmp_path)
