"""Augmented views and images that were noised once, through the whole stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.diffusion.test_stage import STAGE, make_study
from tests.diffusion.trainings import CPU, Breaking
from unpersonal.codec.store import load_codec, load_images
from unpersonal.core.distributed import World
from unpersonal.core.pixels import to_float
from unpersonal.core.tensors import load_tensors
from unpersonal.diffusion import inputs
from unpersonal.diffusion.augmented import Shown, augmented_latents
from unpersonal.diffusion.canaries import include_canaries
from unpersonal.diffusion.config import AUGMENT_DIM, DiffusionConfig
from unpersonal.diffusion.inputs import Inputs
from unpersonal.diffusion.memory import training_memory
from unpersonal.diffusion.models import load_models
from unpersonal.diffusion.stage import run_stage

CONFIG = STAGE.model_copy(
    update={
        "augment": 0.5,
        "augment_views": 3,
        "horizontal_flip": True,
        "ambient_sigma": 0.5,
        "ambient_clean": 0.3,
        "monitor_samples": 0,
        "images": 8 * 30,
        "guide_images": 8 * 10,
        "evaluations": 1,
    }
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path / "study")


def test_the_store_has_the_latents_of_every_view(study: Path) -> None:
    rows, more = np.array([7, 3]), np.full((1, 1, 4, 4), 9, np.uint8)
    folder, options = study / "models", {"seed": 3, "device": CPU, "processes": World()}
    found = augmented_latents(study, folder, Shown(rows, more), CONFIG, **options)
    assert found is not None and found.latents.shape == (9, 1, 4, 4) and found.values.shape == (9, AUGMENT_DIM)
    codec, images = load_codec(study), load_images(study)
    for view in np.flatnonzero((found.values[:, 1:] == 0).all(axis=1)):
        image = np.concatenate([images[rows], more])[view // 3]
        image = image[..., ::-1] if found.values[view, 0] else image
        np.testing.assert_allclose(found.latents[view], codec.encode(to_float(image[None]))[0].numpy(), atol=1e-6)
    # the same views of the same people, whoever else is there; other settings are other views in another place
    alone = augmented_latents(study, folder, Shown(rows[:1]), CONFIG, **options)
    assert alone is not None
    np.testing.assert_array_equal(alone.latents[np.arange(3)], found.latents[np.arange(3)])
    before = set(folder.glob("augmented-*"))
    augmented_latents(study, folder, Shown(rows, more), CONFIG, **options)
    assert set(folder.glob("augmented-*")) == before and len(before) == 2
    augmented_latents(study, folder, Shown(rows, more), CONFIG.model_copy(update={"augment_zoom": 0.3}), **options)
    assert len(list(folder.glob("augmented-*"))) == 3
    assert augmented_latents(study, folder, Shown(rows), STAGE, **options) is None


def test_who_is_seen_clean_is_a_share_of_people_with_all_their_images(study: Path) -> None:
    plain = Inputs.load(study, CONFIG)
    plain.cohort.table["subject"] = [f"p{row // 3}" for row in range(60)]
    found = plain.ambient(0.3, 1)
    people = plain.cohort.subjects[plain.cohort.rows("train")]
    assert len({name for name, clean in zip(people, found.clean) if clean}) == 3 == found.clean.sum() / 3
    assert list(found.names) == plain.cohort.table["sha256"].tolist()[:30]
    assert plain.ambient(1.0, 1).clean.all() and plain.ambient(1e-6, 1).clean.sum() == 3
    included = include_canaries(study, plain.cohort, 40, 3, CPU)
    both = Inputs(plain.latents, plain.conditions, plain.cohort, plain.components, included).ambient(0.5, 1)
    assert len(both.names) == len(set(both.names)) == 30 + len(included.origin) == len(both.clean)
    assert 0.2 < both.clean[30:].mean() < 0.8 and len(included.images) == len(included.latents)


@pytest.mark.slow
def test_a_killed_stage_with_all_of_it_ends_with_the_same_bytes(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(study, CONFIG, seed=3, device=CPU, canaries=20)
    folder = study / "models" / "diffusion"
    assert not list(folder.glob("augmented-*")) and not list(folder.glob("mirrored-*"))
    other = make_study(tmp_path / "other")
    whole = inputs.load_latent_rows
    monkeypatch.setattr(inputs, "load_latent_rows", lambda study: Breaking(whole(study), 45))
    with pytest.raises(KeyboardInterrupt):
        run_stage(other, CONFIG, seed=3, device=CPU, canaries=20)
    monkeypatch.setattr(inputs, "load_latent_rows", whole)
    run_stage(other, CONFIG, seed=3, device=CPU, canaries=20)
    for name in ("denoiser.safetensors", "guide.safetensors", "history.json"):
        assert (other / "models" / "diffusion" / name).read_bytes() == (folder / name).read_bytes()
    denoiser, guide = load_models(study, CPU)
    assert denoiser.config.augment_dim == guide.config.augment_dim == AUGMENT_DIM
    x = torch.randn(2, 1, 4, 4)
    drawn = denoiser(x, 0.5, torch.zeros(2, 6))
    assert torch.equal(drawn, denoiser(x, 0.5, torch.zeros(2, 6), augment_labels=torch.zeros(2, AUGMENT_DIM)))
    assert "unet.emb_augment.weight" in load_tensors(folder / "denoiser.safetensors")[0]


def test_a_share_of_clean_people_without_a_level_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs ambient_sigma above 0"):
        DiffusionConfig(ambient_clean=0.5)
    assert DiffusionConfig(ambient_clean=0.5, ambient_sigma=0.2).ambient_clean == 0.5


def test_the_memory_plan_knows_the_layer() -> None:
    told, plain = (config.network((1, 16, 16), 5) for config in (CONFIG, STAGE))
    more = training_memory(told, CONFIG).parameters - training_memory(plain, STAGE).parameters
    assert more == AUGMENT_DIM * 8
