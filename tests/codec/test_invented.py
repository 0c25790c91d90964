from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, write_study
from unpersonal.codec import invented
from unpersonal.codec.config import CodecConfig
from unpersonal.codec.invented import invented_images
from unpersonal.codec.stage import run_stage
from unpersonal.codec.store import load_codec, load_latents


def test_invented_images_fit_the_study_and_people_are_on_one_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invented, "SUBJECTS", 40)
    images, fitted, held = invented_images("phantom-ct", (9, 3, 32, 32), 0)
    assert images.shape[1:] == (3, 32, 32) and images.dtype == np.uint8
    assert len(fitted) > 3 * len(held) > 0 and not set(fitted) & set(held)
    assert not np.array_equal(images[:5], invented_images("phantom-mri", (9, 3, 32, 32), 0)[0][:5])


@pytest.mark.parametrize("kind", ["patch", "pixel"])
def test_a_codec_of_invented_people_says_nothing_of_the_cohort(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invented, "SUBJECTS", 40)
    cohort = cohort_of([f"s{i}" for i in range(12)], ["a"] * 12, ["train"] * 8 + ["val"] * 4)
    probe = torch.rand(2, 1, 32, 32)
    found = {}
    for fitted_on in ("phantom-cxr", "train"):
        for seed in (0, 1):
            images = np.random.default_rng(seed).integers(0, 256, (12, 1, 32, 32), dtype=np.uint8)
            study = write_study(tmp_path / f"{fitted_on}{seed}", cohort, images)
            keys = {"patch": 4, "components": 8} if kind == "patch" else {}
            run_stage(study, CodecConfig(kind=kind, fitted_on=fitted_on, **keys), seed=3)
            assert load_latents(study).shape[0] == 12
            found[fitted_on, seed] = load_codec(study).encode(probe)
    assert torch.equal(found["phantom-cxr", 0], found["phantom-cxr", 1])
    assert not torch.equal(found["train", 0], found["train", 1])
