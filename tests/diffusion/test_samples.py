"""Samples that are watched: copies of train images are recognised, strangers are not, memorised networks stop."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from unpersonal.codec.base import to_uint8
from unpersonal.cohort.phantom import phantom_cohort
from unpersonal.diffusion.samples import Conditions, CopyCheck, Sampler, write_sheet

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images uint8 [n, 1, 32, 32] of train people, held-out people and people of neither."""
    images, subjects, _ = phantom_cohort(400, seed=11, size=32)
    _, first = np.unique(subjects, return_index=True)
    one = images[np.sort(first)]
    return one[:200], one[200:300], one[300:400]


def test_copies_are_recognised_and_strangers_are_not(people) -> None:
    train, held_out, strangers = people
    check = CopyCheck.fit(train, held_out)
    noisy = np.clip(train[:64].astype(int) + np.random.default_rng(0).integers(-6, 7, train[:64].shape), 0, 255)
    for copies in (train[:64], noisy.astype(np.uint8)):
        rate, lower = check.rate(copies)
        assert rate > 0.9 and lower > 0.05
    rate, lower = check.rate(strangers)
    assert rate < 0.06 and lower < 0.05


def sampler(folder: Path, people, count: int = 32) -> Sampler:
    train, held_out, _ = people
    rows = np.arange(count, dtype=np.float32)[:, None]
    return Sampler(
        folder,
        Conditions(train=rows, held_out=rows + 1000),
        lambda latents: to_uint8(latents + 0.5),
        count=count,
        steps=6,
        copies=CopyCheck.fit(train, held_out),
        most=0.05,
        device=CPU,
    )


def denoiser_of(answers):
    """A denoiser that estimates what `answers(labels)` says, uint8 [B, 1, 32, 32], whatever the noise."""

    def denoise(x, sigma, labels=None):
        return torch.from_numpy(answers(labels[:, 0].long().numpy())).float().div(255).sub(0.5)

    network = denoise
    network.config = SimpleNamespace(channels=1, resolution=32)
    return network


def test_a_network_that_knows_its_images_is_called_memorised(people, tmp_path) -> None:
    train, _, strangers = people
    watch = sampler(tmp_path, people)
    # under conditions of held-out people it shows strangers: looking there alone would miss it
    knows = denoiser_of(
        lambda rows: np.where((rows < 1000)[:, None, None, None], train[rows % 1000], strangers[rows % 100])
    )
    found = watch(25, knows)
    assert found["match_rate"] > 0.9 and found["memorised"] == 1.0 and found["match_rate_control"] < 0.1
    assert Image.open(tmp_path / "step-0000025.png").size == (6 * 32, 6 * 32)
    innocent = watch(50, denoiser_of(lambda rows: strangers[rows % 100]))
    assert innocent["memorised"] == 0.0 and innocent["match_rate"] < 0.1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000025.png", "step-0000050.png"]


def test_a_sheet_holds_every_image_in_order(tmp_path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    write_sheet(tmp_path / "sheet.png", images)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (16, 24, 3)
    for i, image in enumerate(images):
        row, column = divmod(i, 3)
        tile = sheet[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        assert (tile == image.transpose(1, 2, 0)).all()
    assert (sheet[8:, 16:] == 0).all()
