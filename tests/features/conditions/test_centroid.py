"""Conditions that belong to nobody, from the stage's config to draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, in_turn, write_study
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.core.seeds import numpy_rng
from unpersonal.core.tensors import save_array
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.inputs import Inputs
from unpersonal.diffusion.watch import _blended
from unpersonal.features.blend import Blender, Mixing, label_groups, personal
from unpersonal.features.config import FeaturesConfig, nouns_of
from unpersonal.features.join import relabel
from unpersonal.features.stage import run_stage
from unpersonal.features.store import load_components, load_conditions
from unpersonal.phantom import phantom_cohort
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.draw import plan_candidates
from unpersonal.synthesis.label_sets import check_label_sets
from unpersonal.synthesis.plan import make_plan
from unpersonal.synthesis.soft import folds_of_conditions

CPU = torch.device("cpu")
SETS = (["Edema"], ["Edema"], [], [], ["Cardiomegaly"])


@pytest.fixture
def study(tmp_path):
    """60 people, 48 of them in train; of every fifth label set alike, the last three people have a rare one."""
    images, subjects, _ = phantom_cohort(60, 5, 32)
    names = sorted(set(subjects))
    turn = {name: i for i, name in enumerate(names)}
    cut = in_turn(subjects, ("train", "train", "train", "train", "val"), run=5)
    labels = [["Cardiomegaly", "Edema"] if turn[name] in (5, 6, 7) else SETS[turn[name] % 5] for name in subjects]
    cohort = cohort_of(subjects, labels, cut, classes=["Cardiomegaly", "Edema"])
    write_study(tmp_path, cohort, images)
    save_array(tmp_path / "store" / "latents.npy", np.zeros((len(images), 1, 4, 4), np.float32))
    return tmp_path


def run(study, condition="centroid", k=5):
    config = FeaturesConfig(condition=condition, kind="pca", dimensions=6, k_same=k)
    return run_stage(study, config, seed=3, device=CPU)


def blender_of(study, noise=0.0, k=2):
    cohort = load_cohort(study)
    train = cohort.rows("train")
    return Blender(
        np.array(load_conditions(study)[train]),
        cohort.subjects[train],
        label_groups(cohort.targets[train]),
        k,
        noise,
        load_components(study),
        cohort.labelled[train],
    )


@pytest.mark.parametrize("condition", ["centroid", "label+centroid", "centroid+text"])
def test_a_condition_is_shared_by_k_people_in_training_and_in_drawing(study, condition):
    figures = run(study, condition)
    cohort, conditions, parts = load_cohort(study), load_conditions(study), load_components(study)
    train = cohort.rows("train")
    sets = np.array(["|".join(row) for row in cohort.labels])
    rare = sets == "Cardiomegaly|Edema"
    rows, owner = np.unique(conditions[train], axis=0, return_inverse=True)
    for number in range(len(rows)):
        own = train[owner.reshape(-1) == number]
        assert len(set(cohort.subjects[own])) >= 5 or rare[own].all()
    (shared,) = [part for part in parts if part.kind == "centroid"]
    assert (shared.shared_by, shared.noisy, shared.from_labels) == (5, True, False)
    assert not personal(parts) and Mixing.of(parts, 2) == Mixing(1, 5)
    sizes = [
        len(set(cohort.subjects[train][(conditions[train][:, shared.columns] == row).all(axis=1)]))
        for row in np.unique(conditions[train][~rare[train]][:, shared.columns], axis=0)
    ]
    assert (figures.centroids, figures.centroid_subjects_fewest) == (len(sizes), min(sizes))
    assert figures.centroid_subjects_median == np.median(sizes)

    quiet, loud = blender_of(study), blender_of(study, noise=0.3)
    config = SynthesisConfig(candidates=2, fewest_subjects=2, images="2x")
    plan = make_plan(cohort, config, 1, folds_of_conditions(study), quiet.mixing)
    assert plan.partners.shape == (len(plan), 0) and (plan.fewest_subjects, plan.shared_by) == (5, 5)
    assert not rare[plan.sources].any() and plan.label_sets_left_out == 1 and folds_of_conditions(study) is None
    lent = np.unique(cohort.subjects[plan.sources].astype(str), return_counts=True)[1]
    assert plan.largest_share == pytest.approx(lent.max() / len(plan)) and plan.largest_share <= 0.25
    position = {int(row): i for i, row in enumerate(train)}
    for each in plan_candidates(range(8), plan, position, 0, quiet, config, 1):
        np.testing.assert_allclose(each.condition, conditions[each.source], atol=1e-6)
    for each in plan_candidates(range(8), plan, position, 0, loud, config, 1):
        apart = each.condition - conditions[each.source]
        assert 0.05 < np.linalg.norm(apart[shared.columns]) < 0.7 and np.linalg.norm(each.condition) == pytest.approx(1)
        assert all(np.allclose(apart[part.columns], 0, atol=1e-6) for part in parts if part.kind == "label")
    assert quiet.condition(int(np.flatnonzero(rare[train])[0]), numpy_rng(0)) is None
    with pytest.raises(ValueError, match="1 images"):
        quiet.blend([0, 9], numpy_rng(0))
    given = _blended(
        Inputs.load(study, DiffusionConfig()), train, DiffusionConfig(condition_noise=0.0), 9, numpy_rng(1)
    )
    assert all(np.isclose(conditions[train], row, atol=1e-6).all(axis=1).any() for row in given)


def test_beside_conditions_of_images_those_are_blended_and_the_centroid_is_the_sources(study):
    run(study, "feature+centroid")
    parts, blender = load_components(study), blender_of(study)
    assert personal(parts) and blender.mixing == Mixing(2, 5)
    mate = next(row for row in blender._mates(0) if (blender.conditions[row] != blender.conditions[0]).all())
    mixed = blender.blend([0, mate], numpy_rng(1))
    np.testing.assert_allclose(mixed[parts[1].columns], blender.conditions[0, parts[1].columns], atol=1e-6)
    assert np.abs(mixed[parts[0].columns] - blender.conditions[0, parts[0].columns]).max() > 0.01
    # nobody is drawn of whose labels fewer people are than share a centroid
    cohort = load_cohort(study)
    plan = make_plan(cohort, SynthesisConfig(fewest_subjects=2), 1, mixing=blender.mixing)
    assert plan.partners.shape[1] == 1 and plan.fewest_subjects == 5 and plan.shared_by == 1


def test_k_that_nobody_has_is_refused_at_once(study, capsys):
    with pytest.raises(InputError, match="No label set has 30 train subjects") as refused:
        run(study, k=30)
    assert refused.value.where == "[features] k_same" and not (study / "features").exists(), "before anything trains"
    # and a label set that is wanted has to have as many
    wanted = SynthesisConfig(fewest_subjects=2, labels={"Edema": 1.0, "Cardiomegaly|Edema": 1.0})
    shared = FeaturesConfig(condition="label+centroid", k_same=5).shared_by
    assert (shared, FeaturesConfig().shared_by, FeaturesConfig(condition="uncond").shared_by) == (5, 1, 1)
    check_label_sets(load_cohort(study), wanted, shared)
    assert "fewer than 5 train subjects were given the label set" in capsys.readouterr().err
    with pytest.raises(InputError, match="fewer than 25 train subjects"):
        check_label_sets(load_cohort(study), wanted, 25)
    assert nouns_of("centroid+label") == "groups of people and labels"


def test_unlabelled_people_are_a_group_of_their_own_until_they_are_drawn(study):
    """In training nobody's label is guessed; drawn they get the nearest centroid of their predicted labels."""
    cohort = load_cohort(study)
    bare = cohort_of(
        cohort.subjects.tolist(),
        cohort.labels,
        cohort.splits.tolist(),
        classes=list(cohort.classes),
        unlabelled=[hash_of(name) % 3 == 0 and split == "train" for name, split in zip(cohort.subjects, cohort.splits)],
    )
    bare.save(study)
    run(study)
    conditions, parts = load_conditions(study), load_components(study)
    known, train = bare.labelled, bare.splits == "train"
    sets = np.array(["|".join(row) for row in cohort.labels])
    for row in np.unique(conditions[~known & train], axis=0):
        own = (conditions == row).all(axis=1)
        assert len(set(bare.subjects[own & train])) >= 5 and not known[own].any()
    targets = cohort.targets  # as if all had been predicted rightly
    usual = sets != "Cardiomegaly|Edema"
    changed = relabel(conditions, parts, targets, known)
    np.testing.assert_array_equal(changed[known], conditions[known])
    for row in np.flatnonzero(~known & usual):
        like = np.unique(conditions[known & (sets == sets[row])], axis=0)
        np.testing.assert_array_equal(changed[row], like[(like @ conditions[row]).argmax()])


def hash_of(name):
    return int(str(name).strip("sub-") or 0)


def test_what_is_examined_is_told_of_groups_only(study):
    run(study)
    inputs = Inputs.load(study, DiffusionConfig())
    known = np.unique(np.array(inputs.conditions[inputs.cohort.rows("train")]), axis=0)
    for _, told in inputs.examined(20, 0):
        assert len(told) and all((known == row).all(axis=1).any() for row in told)
