"""Copies: range, shape, reproducibility, documented strength."""

import numpy as np
import pytest
import torch

from unpersonal.judges.perturbations import PERTURBATIONS, affine, augment_mildly, gallery_views, perturb


class Halver:
    """A codec that loses something: it keeps 16 levels."""

    def encode(self, images):
        return (images * 15).round()

    def decode(self, latents):
        return latents / 15


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(count=6, channels=1, size=32):
    low = torch.rand(count, channels, 5, 5, generator=generator(3))
    return torch.nn.functional.interpolate(low, size=(size, size), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("name", PERTURBATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_copies_keep_shape_and_range_and_follow_the_generator(name, channels):
    images = smooth(channels=channels)
    before = images.clone()
    first, again = (perturb(name, images, generator(1), Halver()) for _ in range(2))
    assert first.shape == images.shape and first.dtype == torch.float32
    assert first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, again) and torch.equal(images, before)
    assert 0 < (first - images).abs().mean() < 0.2
    if name != "codec":
        assert not torch.equal(first, perturb(name, images, generator(2)))


def test_gamma_and_noise_have_the_documented_strength():
    flat = torch.full((200, 1, 32, 32), 0.5)
    exponent = perturb("gamma", flat, generator())[:, 0, 0, 0].log() / np.log(0.5)
    assert 0.75 <= exponent.min() < 0.78 and 1.28 < exponent.max() <= 1.3301
    deviation = perturb("noise", flat, generator()).std(dim=(1, 2, 3))
    assert 0.018 < deviation.min() < 0.024 and 0.056 < deviation.max() < 0.064


def test_affine_window_and_turn_against_direct_sampling():
    ramp = torch.linspace(0, 1, 33)[None, None, None, :].expand(1, 1, 33, 33).contiguous()
    zero = torch.zeros(1)
    window = affine(ramp, zero, zero + 0.5, zero + 0.5, zero)
    # the right half stretched to the full width: its centre is three quarters of the way
    assert window[0, 0, 16, 16].item() == pytest.approx(0.75 + 0.25 / 32, abs=1e-2)
    turned = affine(ramp, zero + np.pi / 2, zero + 1, zero, zero)
    assert turned[0, 0, :, 5].std() > 0.2 and turned[0, 0, 5, :].std() < 1e-3


def test_training_augmentations_keep_range():
    images = augment_mildly(smooth(16), generator())
    assert images.shape == (16, 1, 32, 32) and images.min() >= 0 and images.max() <= 1


@pytest.mark.parametrize("views", [1, 6, 11])
def test_gallery_views_begin_with_the_image(views):
    images = smooth(2)
    seen = gallery_views(images, views)
    assert seen.shape == (2, views, 1, 32, 32)
    assert torch.equal(seen[:, 0], images)


def test_codec_needs_a_codec_and_names_are_checked():
    with pytest.raises(ValueError, match="codec"):
        perturb("codec", smooth(), generator())
    with pytest.raises(ValueError, match="mirror"):
        perturb("mirror", smooth(), generator())
