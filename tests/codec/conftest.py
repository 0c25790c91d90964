"""A phantom study whose images are already in the store."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from unpersonal.cohort.table import Cohort
from unpersonal.core.tensors import save_array
from unpersonal.phantom import phantom_cohort

PARTS = ("train", "train", "train", "val", "val", "aux")


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
        order = {subject: i for i, subject in enumerate(sorted(set(subjects)))}
        table = pd.DataFrame(
            {
                "image": [f"{i}.png" for i in range(len(images))],
                "subject": subjects,
                "labels": [[label] for label in labels],
                "split": [PARTS[order[subject] % len(PARTS)] for subject in subjects],
                "sha256": [f"{i:064x}" for i in range(len(images))],
            }
        )
        study = tmp_path / name
        study.mkdir()
        Cohort(table, tuple(sorted(set(labels))), 0, colour).save(study)
        save_array(study / "store" / "images.npy", images)
        return study

    return make
