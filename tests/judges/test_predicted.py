"""Labels that a classifier predicts: calibration against ground truth, and phantoms of which half are not labelled."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, in_blocks, write_study
from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import load_tensors
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.predicted import (
    Labeller,
    activate,
    assess,
    brier,
    complete_cohort,
    events,
    fit_labeller,
    fit_temperature,
    reliability,
)
from unpersonal.judges.stage import run_stage
from unpersonal.metrics.roc import as_frequent
from unpersonal.phantom import phantom_cohort
from unpersonal.release.card import dataset_card
from unpersonal.release.evidence import evidence_problems, safe_evidence
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.published import build_evidence

CPU = torch.device("cpu")


def draws(exclusive, temperature, n=20_000, classes=3, seed=0):
    """Logits that are `temperature` times too large, and labels drawn from the true probabilities."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.5, (n, classes))
    probabilities = activate(truth, exclusive)
    if exclusive:
        rows = (rng.random((n, 1)) > probabilities.cumsum(1)[:, :-1]).sum(1)
        targets = np.eye(classes)[rows]
    else:
        targets = (rng.random((n, classes)) < probabilities).astype(float)
    return truth * temperature, targets


@pytest.mark.slow
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_temperature_is_found_and_makes_probabilities_true(exclusive, temperature):
    logits, targets = draws(exclusive, temperature)
    assert fit_temperature(logits, targets, exclusive) == pytest.approx(temperature, rel=0.05)
    labeller = fit_labeller(logits, targets, targets, exclusive)
    more, truth = draws(exclusive, temperature, seed=1)
    assert reliability(*events(labeller.probabilities(more), truth, exclusive))[0] < 0.012
    if temperature == 4.0:
        assert reliability(*events(activate(more, exclusive), truth, exclusive))[0] > 0.08


@pytest.mark.slow
@pytest.mark.parametrize("exclusive", [True, False])
def test_what_is_reported_is_measured_on_the_images_given(exclusive):
    logits, targets = draws(exclusive, 4.0, n=200)
    labeller = Labeller(4.0, np.full(3, 0.5), np.unique(targets, axis=0).astype(np.float32), exclusive)
    figures = assess(labeller, logits, targets, np.arange(200) // 2, 0)
    assert figures.held_out_images == 200 and figures.held_out_subjects == 100
    assert sum(row.images for row in figures.reliability) == 200 * (1 if exclusive else 3)
    assert figures.accuracy == (labeller.predict(logits) == targets).all(1).mean()
    assert figures.brier == brier(labeller.probabilities(logits), targets, exclusive)
    assert figures.calibration_error_before_scaling > figures.calibration_error
    for name in ("accuracy", "brier"):
        low, high = getattr(figures, f"{name}_interval")
        assert low < getattr(figures, name) < high


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_few_images_that_are_all_told_apart_make_nothing_certain(exclusive):
    """Hard targets would be fitted best at temperature 0; 20 images a class say at most 21 in 22."""
    targets = np.eye(2)[np.arange(40) % 2]
    for sharpness in (0.5, 5.0):
        logits = (2 * targets - 1) * sharpness
        temperature = fit_temperature(logits, targets, exclusive)
        probabilities = activate(logits / temperature, exclusive)
        np.testing.assert_allclose(probabilities.max(1), 21 / 22, atol=1e-3)


def test_without_images_the_temperature_is_one():
    assert fit_temperature(np.zeros((0, 2)), np.zeros((0, 2)), True) == 1.0


def test_calibration_error_and_brier_against_loops():
    rng = np.random.default_rng(2)
    probabilities = rng.dirichlet(np.ones(3), 200)
    targets = np.eye(3)[rng.integers(0, 3, 200)]
    confidence = [max(row) for row in probabilities]
    hit = [bool(t[int(np.argmax(p))]) for p, t in zip(probabilities, targets)]
    wanted, table = 0.0, {}
    for number in range(10):
        inside = [i for i in range(200) if number / 10 <= confidence[i] < (number + 1) / 10]
        if inside:
            mean, share = np.mean([confidence[i] for i in inside]), np.mean([hit[i] for i in inside])
            wanted += abs(mean - share) * len(inside) / 200
            table[number / 10] = (len(inside), pytest.approx(mean), pytest.approx(share))
    error, rows = reliability(*events(probabilities, targets, True))
    assert error == pytest.approx(wanted)
    assert {row.begin: (row.images, row.confidence, row.share) for row in rows} == table
    assert brier(probabilities, targets, True) == pytest.approx(
        sum((p - t) ** 2 for a, b in zip(probabilities, targets) for p, t in zip(a, b)) / 200
    )
    assert reliability(np.array([1.0, 0.0]), np.array([True, False]))[0] == 0
    assert reliability(np.array([1.0, 1.0]), np.array([False, False]))[0] == 1


def test_a_threshold_lets_as_many_through_as_there_are():
    rng = np.random.default_rng(0)
    for count in (1, 5, 39, 40):
        probabilities = rng.random(40)
        positives = np.arange(40) < count
        assert (probabilities > as_frequent(probabilities, positives)).sum() == count
    assert as_frequent(probabilities, np.zeros(40)) == 0.5


def test_predicted_sets_are_sets_that_occur():
    sets = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1]], np.float32)
    labeller = Labeller(1.0, np.array([0.5, 0.5, 0.2]), sets, False)
    logits = np.array([[-2, -2, -2], [3, 1, -4], [1, 2, 0], [-1, 0.5, -1]])
    # the last: only label 1 is above its threshold by 0.5, label 2 by 0.39 as well: together they are a set
    assert labeller.predict(logits).tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, 1]]
    exclusive = Labeller(2.0, np.full(3, 0.5), np.eye(3, dtype=np.float32)[:2], True)
    assert exclusive.predict(np.array([[0, 1, 5], [2, 1, 5.0]])).tolist() == [[0, 1, 0], [1, 0, 0]]


FINDINGS = ("No Finding", "Pleural Effusion")
CONFIG = JudgesConfig(
    width=8,
    embedding=8,
    gallery_views=1,
    reidentifier_steps=2,
    reidentifier_batch=16,
    classifier_steps=150,
    classifier_batch=48,
    classifier_lr=3e-3,
    check_every=50,
    seeds=1,
    renoised=0,
    perturbations=("gamma",),
)


def phantom_study(path, *, none=False):
    """Phantoms; of train subjects the second half is not labelled. With `none`, No Finding is the empty set."""
    images, subjects, labels = phantom_cohort(240, 2, 32, findings=FINDINGS)
    cut = in_blocks(subjects, {"train": 120, "val": 96, "aux": 12, "test": 12})
    bare = np.isin(subjects, sorted(cut)[60:120])
    given = [[] if none and label == "No Finding" else [label] for label in labels]
    cohort = cohort_of(subjects, given, cut, classes=FINDINGS[1:] if none else FINDINGS, unlabelled=bare)
    codec = PatchCodec.fit(images[cohort.rows("train")], patch=4, components=8)
    write_study(path, cohort, images, codec=codec, kind="patch")
    return given


@pytest.mark.slow
@pytest.mark.parametrize("none", [False, True])
def test_visible_findings_are_predicted_right(tmp_path, none, demo_summary, alter):
    given = phantom_study(tmp_path, none=none)
    cohort = load_cohort(tmp_path)
    bare = np.flatnonzero(~cohort.labelled)
    assert len(bare) == len(cohort.unlabelled) > 60 and all(cohort.labels[row] == [] for row in bare)
    with pytest.raises(InputError):
        complete_cohort(tmp_path, cohort)
    gate = run_stage(tmp_path, CONFIG, seed=4, device=CPU)
    figures = gate.predicted_labels
    whole = complete_cohort(tmp_path, cohort)
    right = np.array([whole.labels[row] == given[row] for row in bare])
    assert right.mean() > 0.9
    # what is said of held-out people holds for those whom nobody labelled
    low, high = figures.accuracy_interval
    share = (right.mean() + figures.accuracy) / 2
    error = np.sqrt(share * (1 - share) * (1 / len(bare) + 1 / figures.held_out_images))
    assert low <= figures.accuracy <= high and abs(right.mean() - figures.accuracy) < 3 * error
    low, high = figures.calibration_error_interval
    assert 0 <= low <= figures.calibration_error <= high
    # and so do the probabilities: they err for the unlabelled by what was measured on the held-out, not by more
    tensors, _ = load_tensors(tmp_path / "models" / "judges" / "predicted.safetensors")
    truth = np.array([[name in given[row] for name in cohort.classes] for row in bare])
    assert reliability(*events(tensors["probabilities"].numpy(), truth, not none))[0] <= high
    assert figures.images == len(bare) and figures.subjects == 60
    assert sum(figures.images_by_predicted_label.values()) == sum(map(len, (whole.labels[row] for row in bare)))
    rest = cohort.labelled
    assert [whole.labels[row] for row in np.flatnonzero(rest)] == [given[row] for row in np.flatnonzero(rest)]
    assert np.array_equal(whole.labelled, cohort.labelled)
    assert tensors["probabilities"].shape == (len(bare), len(cohort.classes))
    json.dumps(gate.to_json(), allow_nan=False)

    found = replace(demo_summary.figures, gate=gate)
    found = alter(found, "synthesis", released=90, released_with_predicted_labels=40)
    assert evidence_problems(safe_evidence(build_evidence(found, PolicyConfig(), []))) == []
    card = dataset_card(
        images=90, shape=(1, 32, 32), classes=cohort.classes, figures=found, policy=PolicyConfig(), version="0"
    )
    assert "Of these images 40 were drawn from real images that nobody had labelled" in card
    assert f"{figures.accuracy:.3f}" in card

    other = Cohort(cohort.table.iloc[:-1], cohort.classes, unlabelled=frozenset(list(cohort.unlabelled)[:-1]))
    with pytest.raises(InputError, match="another cohort"):
        complete_cohort(tmp_path, other)


def test_the_card_is_silent_where_all_labels_were_given(demo_summary):
    card = dataset_card(
        images=9, shape=(1, 8, 8), classes=["a"], figures=demo_summary.figures, policy=PolicyConfig(), version="0"
    )
    assert "nobody had labelled" not in card


def test_a_few_given_labels_cannot_be_told_by_subtraction(demo_summary, alter):
    policy = PolicyConfig()
    for predicted, shown in ((48, "withheld"), (50, 50), (40, 40)):
        counts = {"sources": 100, "released": 50, "released_with_predicted_labels": predicted}
        figures = alter(demo_summary.figures, "synthesis", **counts)
        found = safe_evidence(build_evidence(figures, policy, []))
        assert found["synthesis"]["released_with_predicted_labels"] == shown
