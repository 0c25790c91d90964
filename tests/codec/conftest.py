"""A phantom study whose images are already in the store."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, in_turn, write_study
from unpersonal.phantom import phantom_cohort

SPLITS = ("train", "train", "train", "val", "val", "aux")


@pytest.fixture(scope="session")
def people():
    return phantom_cohort(60, 2, 32, findings=("No Finding", "Cardiomegaly"))


@pytest.fixture(scope="session")
def smooth_images():
    """uint8 [64,1,32,32]: smooth pictures with a little noise."""
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(64, 1, 4, 4))
    wide = torch.nn.functional.interpolate(torch.from_numpy(smooth), size=(32, 32), mode="bicubic").numpy()
    return np.clip(128 + 40 * wide + rng.normal(scale=3, size=(64, 1, 32, 32)), 0, 255).astype(np.uint8)


@pytest.fixture
def make_study(people, tmp_path):
    """`make_study(name, colour=False)` gives a folder that `run_stage` of the codec takes."""

    def make(name="study", *, colour=False, size=32):
        images, subjects, labels = people
        images = np.pad(images, ((0, 0), (0, 0), (0, size - 32), (0, size - 32)))
        if colour:
            images = np.concatenate([images, 255 - images, images // 2], axis=1)
        cohort = cohort_of(subjects, labels, in_turn(subjects, SPLITS), colour=colour)
        return write_study(tmp_path / name, cohort, images)

    return make
