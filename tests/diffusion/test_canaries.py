"""Canaries: drawn by coins before training, trained on where these say so, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.diffusion.test_stage import STAGE, make_study
from tests.diffusion.trainings import CPU
from unpersonal.codec.latents import LatentRows
from unpersonal.codec.store import load_images
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import load_tensors
from unpersonal.diffusion.canaries import Joined, draw_canaries, include_canaries, load_canaries
from unpersonal.diffusion.inputs import Inputs
from unpersonal.diffusion.stage import run_stage

COUNT = 40


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path / "study")


def test_they_follow_from_the_seed_and_their_coins_are_fair(study: Path) -> None:
    images, cohort = load_images(study), load_cohort(study)
    first, again = (draw_canaries(images, cohort, 2000, 7) for _ in range(2))
    assert np.array_equal(first.images, again.images) and np.array_equal(first.included, again.included)
    assert 900 < first.included.sum() < 1100
    assert set(first.origin) <= set(cohort.rows("train"))
    other = draw_canaries(images, cohort, 2000, 8)
    assert not np.array_equal(first.included, other.included)
    # a coin knows nothing of the image whose condition the canary has
    assert abs(np.corrcoef(first.origin, first.included)[0, 1]) < 0.09


def test_a_canary_is_the_mean_of_two_people(study: Path) -> None:
    images, cohort = load_images(study), load_cohort(study)
    found, train = draw_canaries(images, cohort, COUNT, 1), cohort.rows("train")
    for canary, origin in zip(found.images.astype(float), found.origin, strict=True):
        others = (images[origin].astype(float) + images[train[train != origin]]) / 2
        assert np.abs(others - canary).mean(axis=(1, 2, 3)).min() < 8


def test_training_reads_those_whose_coin_says_so(study: Path) -> None:
    plain = Inputs.load(study, STAGE)
    included = include_canaries(study, plain.cohort, COUNT, 3, CPU)
    found = load_canaries(study)
    assert included is not None and found is not None
    images, coins = found
    assert images.shape == (COUNT, 1, 4, 4) and len(included.latents) == coins.sum()
    with_them = replace(plain, canaries=included)
    (before, told), (after, told_after) = plain.subset("train"), with_them.subset("train")
    assert after.shape[0] == told_after.shape[0] == 30 + coins.sum()
    assert np.array_equal(after[:30], before[np.arange(30)]) and np.array_equal(told_after[:30], told[np.arange(30)])
    assert np.array_equal(after[30:], included.latents)
    assert np.array_equal(told_after[30:], plain.conditions[included.origin])
    # whom nothing may be calibrated or stopped on
    assert with_them.subset("val-stop")[0].shape == plain.subset("val-stop")[0].shape
    assert not np.array_equal(included.latents, included.mirrored)
    assert include_canaries(study, plain.cohort, 0, 3, CPU) is None and load_canaries(study) is None


def test_one_person_makes_no_canary(study: Path) -> None:
    cohort = load_cohort(study)
    table = cohort.table.assign(subject="one")
    with pytest.raises(InputError, match="two train people"):
        draw_canaries(load_images(study), replace(cohort, table=table), COUNT, 1)


def test_draws_of_distributions_are_those_of_the_first_rows() -> None:
    mean, deviation = np.zeros((3, 1, 2, 2), np.float32), np.ones((3, 1, 2, 2), np.float32)
    rows = Joined(LatentRows(mean, deviation), np.full((2, 1, 2, 2), 9, np.float32))
    drawn = rows.sample(np.array([4, 0, 3, 2]), torch.Generator().manual_seed(1))
    assert (drawn[[0, 2]] == 9).all() and (drawn[[1, 3]] != 0).all() and (rows[np.array([0, 1])] == 0).all()
    assert rows.shape == (5, 1, 2, 2) and (rows[3:] == 9).all()


@pytest.mark.slow
@pytest.mark.parametrize("flip", [False, True])
def test_they_change_what_is_learnt(study: Path, flip: bool) -> None:
    update = {"monitor_samples": 0, "horizontal_flip": flip, "images": 48, "evaluations": 1}
    config = STAGE.model_copy(update=update)
    weights = []
    for count in (0, COUNT):
        run_stage(study, config, seed=3, device=CPU, canaries=count)
        weights.append(load_tensors(study / "models" / "diffusion" / "denoiser.safetensors")[0])
        assert (load_canaries(study) is not None) == bool(count)
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
