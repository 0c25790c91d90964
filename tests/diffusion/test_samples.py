"""Samples that are watched: a network that knows its images is called memorised, the sheet, how many at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.core.pixels import to_uint8
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.copy_check import CONFIRMED, CONFIRMING, CopyCheck, People, confirming, sight
from unpersonal.diffusion.network import build_denoiser, fold_weights
from unpersonal.diffusion.samples import AT_ONCE, SampleWatch, write_sheet
from unpersonal.metrics.exceedances import SURE, plan, power
from unpersonal.phantom import phantom_cohort

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images uint8 [n, 1, 32, 32] of train people, held-out people and people of neither."""
    images, subjects, _ = phantom_cohort(400, seed=11, size=32)
    _, first = np.unique(subjects, return_index=True)
    one = images[np.sort(first)]
    return one[:200], one[200:300], one[300:400]


def sampler(folder: Path, people, count: int = 64) -> SampleWatch:
    train, held_out, _ = people
    shown = [People(images, np.arange(len(images)).astype(str)) for images in (train, held_out)]
    return SampleWatch(
        folder,
        np.arange(count, dtype=np.float32)[:, None],
        lambda latents: to_uint8(latents + 0.5),
        count=count,
        steps=6,
        copies=CopyCheck.fit(*shown, matchers=("mixtures", "parts"), count=count, rate=0.05, seed=0, device=CPU),
        device=CPU,
    )


def denoiser_of(answers):
    """A denoiser that estimates what `answers(labels)` says, uint8 [B, 1, 32, 32], whatever the noise."""

    def denoise(x, sigma, labels=None):
        return torch.from_numpy(answers(labels[:, 0].long().numpy())).float().div(255).sub(0.5)

    network = denoise
    network.config = SimpleNamespace(channels=1, resolution=32)
    return network


@pytest.mark.slow
def test_a_network_that_knows_its_images_is_called_memorised(people, tmp_path) -> None:
    train, _, strangers = people
    watch = sampler(tmp_path, people)
    found = watch(25, denoiser_of(lambda rows: train[rows]))
    assert found["match_rate"] > 0.9 and found["memorised"] == 1.0
    test = plan(64, 100, 0.05, SURE)
    assert found["match_power"] == sight(test) <= test.power
    assert Image.open(tmp_path / "step-0000025.png").size == (8 * 32, 8 * 32)
    innocent = watch(50, denoiser_of(lambda rows: strangers[rows % 100]))
    assert innocent["memorised"] == 0.0 and innocent["match_rate"] < 0.1
    assert found["match_rate_lower"] < found["match_rate"] <= found["match_rate_upper"] <= 1
    assert innocent["match_rate_upper"] > innocent["match_rate"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000025.png", "step-0000050.png"]


TEST = plan(64, 379, 0.05, SURE)


class White:
    """A look to which white pictures are alike to train images; it remembers how many it was asked about."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def score(self, images: np.ndarray) -> np.ndarray:
        self.asked.append(len(images))
        return (images[:, 0, 0, 0] == 255).astype(np.float32)


@pytest.mark.parametrize(
    ("first", "later", "memorised"), [(0, 0, 0.0), (3, 0, 0.0), (3, 1, 0.0), (3, 8, 1.0), (64, 128, 1.0)]
)
def test_too_many_matches_are_confirmed_by_others_before_they_end_a_training(first, later, memorised, tmp_path) -> None:
    """An accident among the first samples is none of the network's; what it does every time is."""
    look = White()
    white = {*range(first), *range(64, 64 + later)}
    watch = SampleWatch(
        tmp_path,
        np.arange(192, dtype=np.float32)[:, None],
        lambda latents: to_uint8(latents + 0.5),
        count=64,
        steps=2,
        copies=CopyCheck((look,), 0.5, TEST),  # type: ignore[arg-type]
        device=CPU,
    )
    shown = lambda rows: np.where(np.isin(rows, list(white)), 255, 0).astype(np.uint8)[:, None, None, None]  # noqa: E731
    found = watch(25, denoiser_of(lambda rows: np.broadcast_to(shown(rows), (len(rows), 1, 32, 32)).copy()))
    assert found["memorised"] == memorised
    alarmed = first >= TEST.least
    assert look.asked == ([64, 64, 64] if alarmed else [64])
    assert found["match_rate"] == (later / 128 if alarmed else first / 64)


def test_what_must_be_noticed_is_surely_confirmed() -> None:
    least = confirming(TEST)
    assert power(CONFIRMING * 64, least, 0.05) >= CONFIRMED > power(CONFIRMING * 64, least + 1, 0.05)


@pytest.mark.slow
def test_samples_do_not_hang_on_how_many_are_drawn_at_once(people, tmp_path) -> None:
    """A network that computes: of 20 samples no more than `at_once` go through it or the codec together."""
    train, _, _ = people
    codec = PatchCodec.fit(train, patch=4, components=8)
    config = DiffusionConfig(model_channels=32, channels_per_head=16).network((8, 8, 8), 3)
    built = build_denoiser(config, 0)
    with torch.no_grad():
        built.unet.out_gain.fill_(1.0)
    denoiser = fold_weights(built)
    conditions = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    sizes: list[int] = []
    denoiser.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))

    def drawn(**values: int) -> tuple[np.ndarray, list[int]]:
        sizes.clear()
        latents: list[torch.Tensor] = []

        def decode(found: torch.Tensor) -> np.ndarray:
            latents.append(found)
            return to_uint8(codec.decode(found))

        settings = {"count": 20, "steps": 3, "copies": None, "device": CPU}
        SampleWatch(tmp_path, conditions, decode, **settings, **values)(1, denoiser)
        return torch.cat(latents).numpy(), [*sizes, *map(len, latents)]

    whole, seen = drawn(at_once=20)
    assert set(seen) == {20} and np.abs(whole - whole[::-1]).max() > 0.1
    tolerance = 1e-4 * np.abs(whole).max()
    usual, seen = drawn()
    assert max(seen) == AT_ONCE < 20 and np.abs(usual - whole).max() < tolerance
    single, seen = drawn(at_once=1)
    assert set(seen) == {1} and np.abs(single - whole).max() < tolerance


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
