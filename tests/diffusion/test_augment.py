"""Augmented views: each value does what it says, drawing sees none of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.diffusion.trainings import CONFIG, CPU
from unpersonal.core.seeds import torch_generator
from unpersonal.diffusion.augment import Views, draw_views, ranges, view_of
from unpersonal.diffusion.config import AUGMENT_DIM, MIRROR, DiffusionConfig
from unpersonal.diffusion.network import build_denoiser
from unpersonal.diffusion.noise import keyed_noise
from unpersonal.diffusion.rows import Augmented, Batches
from unpersonal.diffusion.sampling import sample
from unpersonal.diffusion.trainer import Training, train_denoiser

STRONG = DiffusionConfig(
    augment=0.5, augment_shift=0.1, augment_rotation=30, augment_zoom=0.3, augment_stretch=0.2, augment_gain=0.5,
    augment_gamma=0.5,
)  # fmt: skip
NAMES = ("mirror", "right", "down", "rotation", "zoom", "stretch", "gain", "gamma")


def blob(x=0.0, y=0.0, wide=4.0, high=8.0, size=64):
    """A Gaussian spot: where it lies off the middle and its deviations, in pixels."""
    places = np.arange(size) - size / 2 + 0.5
    return np.exp(-((places[None] - x) ** 2) / (2 * wide**2) - (places[:, None] - y) ** 2 / (2 * high**2))


def moments(image):
    """Centre (x, y), deviations across and down, and their covariance, in pixels."""
    places = np.arange(len(image)) - len(image) / 2 + 0.5
    weight = image / image.sum()
    x, y = (weight.sum(0) * places).sum(), (weight.sum(1) * places).sum()
    dx, dy = places - x, places - y
    both = (weight * dy[:, None] * dx[None]).sum()
    return x, y, math.sqrt((weight.sum(0) * dx**2).sum()), math.sqrt((weight.sum(1) * dy**2).sum()), both


def viewed(image, **values):
    vector = np.zeros((1, AUGMENT_DIM), np.float32)
    for name, value in values.items():
        vector[0, NAMES.index(name)] = value
    return view_of(torch.from_numpy(image[None, None]).float(), vector, STRONG)[0, 0].double().numpy()


def test_a_view_without_values_is_the_image():
    image = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    np.testing.assert_array_equal(viewed(image), image)


def test_each_value_does_what_it_says():
    image = blob(x=-5, wide=4, high=8)
    assert moments(viewed(image, mirror=1))[0] == pytest.approx(5, abs=0.01)
    assert moments(viewed(image, right=1))[0] == pytest.approx(-5 + 6.4, abs=0.05)
    assert moments(viewed(image, down=-0.5))[1] == pytest.approx(-3.2, abs=0.05)
    middle = blob()
    x, y, wide, high, both = moments(viewed(middle, zoom=1))
    assert (x, y, both) == pytest.approx((0, 0, 0), abs=0.02)
    assert (wide, high) == pytest.approx((4 * 1.3, 8 * 1.3), rel=0.02)
    x, y, wide, high, both = moments(viewed(middle, stretch=1))
    assert (wide, high) == pytest.approx((4 * 1.2, 8 / 1.2), rel=0.02)
    angle = math.radians(30)
    expected = (16 - 64) * math.sin(angle) * math.cos(angle)
    assert moments(viewed(middle, rotation=1))[4] == pytest.approx(expected, rel=0.05)
    assert moments(viewed(middle, rotation=-1))[4] == pytest.approx(-expected, rel=0.05)
    np.testing.assert_allclose(viewed(middle, gain=-1), middle / 1.5, atol=1e-5)
    np.testing.assert_allclose(viewed(middle, gamma=1), middle**1.5, atol=1e-5)
    # turned about its own middle and then moved
    x, y, *_ = moments(viewed(blob(x=-5), rotation=1, right=1))
    assert (x, y) == pytest.approx((-5 * math.cos(angle) + 6.4, -5 * math.sin(angle)), abs=0.1)


def test_views_are_drawn_within_their_ranges_and_stay_where_more_are_drawn():
    values = draw_views(2000, STRONG, 1)
    assert np.abs(values).max() <= 1 and (values[:, MIRROR] == 0).all()
    assert 0.45 < (values[:, 1:] != 0).mean() < 0.55 and abs(values.mean()) < 0.02
    np.testing.assert_array_equal(draw_views(50, STRONG, 1), values[:50])
    flipped = draw_views(500, STRONG.model_copy(update={"horizontal_flip": True, "augment_shift": 0.0}), 1)
    assert 0.4 < flipped[:, MIRROR].mean() < 0.6 and set(flipped[:, MIRROR]) == {0, 1}
    assert (flipped[:, 1:3] == 0).all() and ranges(STRONG)[3] == pytest.approx(math.radians(30))


def test_views_of_an_image_lie_together_and_further_images_behind():
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    more = np.random.default_rng(1).integers(0, 256, (2, 1, 8, 8), dtype=np.uint8)
    config = STRONG.model_copy(update={"augment_views": 3})
    values = draw_views(12, config, 0)
    values[::3] = 0
    views = Views(images, np.array([4, 1]), more, values, config)
    assert views.shape == (12, 1, 8, 8) and len(views) == 12
    np.testing.assert_array_equal(views[::3], np.stack([images[4], images[1], *more]))
    np.testing.assert_array_equal(views[np.array([7, 2])], np.stack([views[0:12][7], views[0:12][2]]))
    assert not np.array_equal(views[1:2], views[0:1])


def test_the_network_is_told_exactly_what_it_is_shown():
    """Latents here are their own values: what is told is what the picture is."""
    config = CONFIG.model_copy(update={"augment": 0.4, "horizontal_flip": True})
    plain = np.zeros((8, AUGMENT_DIM, 1, 1), np.float32)
    mirrored = plain.copy()
    mirrored[:, MIRROR] = 1
    values = draw_views(8 * 4, config, 0)
    pool = Augmented(values[:, :, None, None], values, 4)
    batches = Batches(plain, None, config, seed=0, name="t", flipped=mirrored, augmented=pool)
    whole = [batches.at(step, torch_generator(0, step), slice(0, 8), CPU) for step in range(200)]
    for batch in whole:
        assert torch.equal(batch.latents[:, :, 0, 0], batch.augment)
    told = torch.cat([batch.augment for batch in whole])
    untouched = (told == 0).all(dim=1).float().mean()
    assert float(untouched) == pytest.approx(0.6 / 2, abs=0.05)
    half = batches.at(3, torch_generator(0, 3), slice(4, 8), CPU)
    assert torch.equal(half.latents, whole[3].latents[4:]) and torch.equal(half.augment, whole[3].augment[4:])
    assert torch.equal(half.rows(slice(1, 3)).augment, half.augment[1:3])
    # without it nothing is told, and the mirror is not
    old = CONFIG.model_copy(update={"horizontal_flip": True})
    quiet = Batches(plain, None, old, seed=0, name="t", flipped=mirrored).at(0, torch_generator(0, 0), slice(0, 8), CPU)
    assert quiet.augment is None


def test_zero_is_the_network_without_and_magnitudes_are_kept():
    shape = STRONG.network((2, 8, 8), 5)
    assert shape.augment_dim == AUGMENT_DIM and CONFIG.network((2, 8, 8), 5).augment_dim == 0
    told, plain = build_denoiser(shape, 3), build_denoiser(shape.model_copy(update={"augment_dim": 0}), 3)
    others = {name: value for name, value in told.state_dict().items() if "emb_augment" not in name}
    assert others.keys() == plain.state_dict().keys()
    plain.load_state_dict(others)
    for network in (told, plain):
        with torch.no_grad():
            network.unet.out_gain.fill_(1.0)
            for name, value in network.named_parameters():
                if name.endswith("emb_gain"):
                    value.fill_(0.5)
    x, sigma, labels = torch.randn(4, 2, 8, 8), torch.rand(4) + 0.1, torch.randn(4, 5)
    with torch.no_grad():
        expected = plain.eval()(x, sigma, labels)
        assert torch.equal(told.eval()(x, sigma, labels), expected)
        assert torch.equal(told(x, sigma, labels, augment_labels=torch.zeros(4, AUGMENT_DIM)), expected)
        assert not torch.allclose(told(x, sigma, labels, augment_labels=torch.full((4, AUGMENT_DIM), 0.5)), expected)
        wide = build_denoiser(shape.model_copy(update={"model_channels": 64}), 0).unet
        silent = wide.embed(torch.randn(64), torch.nn.functional.normalize(torch.randn(64, 5)))
        loud = wide.embed(
            torch.randn(64), torch.nn.functional.normalize(torch.randn(64, 5)), 2 * torch.randn(64, AUGMENT_DIM)
        )
    assert float(loud.square().mean()) == pytest.approx(float(silent.square().mean()), rel=0.1)


@pytest.mark.slow
def test_samples_lie_where_the_images_do_however_far_views_are_moved(tmp_path):
    """Spots in the middle, half of them shown moved by up to a quarter of the edge: drawn they are in the middle."""
    size, count = 8, 64
    rng = np.random.default_rng(0)
    wide = rng.uniform(0.8, 1.2, count)

    def picture(x, which):
        return blob(x=x, wide=wide[which], high=wide[which], size=size) - 0.25

    config = CONFIG.model_copy(
        update={
            "model_channels": 16, "channels_per_head": 16, "attn_resolutions": (), "images": 12_800, "batch": 32,
            "rampup_images": 1000, "ref_lr": 0.02, "ref_batches": 300, "dropout": 0.0, "augment": 0.5,
            "augment_shift": 0.25, "augment_views": 8, "evaluations": 1, "keep_best": False, "ema_std": 0.15,
        }
    )  # fmt: skip
    values = np.zeros((count * 8, AUGMENT_DIM), np.float32)
    values[:, 1] = rng.uniform(-1, 1, len(values))
    moved = np.stack([picture(2 * values[i, 1], i // 8) for i in range(len(values))])[:, None].astype(np.float32)
    plain = np.stack([picture(0, i) for i in range(count)])[:, None].astype(np.float32)
    trained = train_denoiser(
        "denoiser", plain, None, config, seed=0, device=CPU, checkpoint=tmp_path / "c.safetensors",
        training=Training(augmented=Augmented(moved, values, 8)),
    )  # fmt: skip
    network = build_denoiser(config.network((1, size, size), 0), 0)
    network.load_state_dict(trained.weights)
    network.eval()

    def centres(value):
        told = torch.zeros(64, AUGMENT_DIM)
        told[:, 1] = value
        with torch.no_grad():
            drawn = sample(
                lambda x, t, labels: network(x, t, labels, augment_labels=told if value else None),
                keyed_noise(list(range(64)), (1, size, size)),
                steps=12,
            )
        spots = (drawn[:, 0].double().numpy() + 0.25).clip(0)
        return np.array([moments(spot)[0] for spot in spots])

    assert abs(centres(0.0).mean()) < 0.15 and centres(0.0).std() < 0.4, "views have a deviation of 1.15"
    assert centres(0.8).mean() > 0.8 and centres(-0.8).mean() < -0.8, "it did learn what it was told"
