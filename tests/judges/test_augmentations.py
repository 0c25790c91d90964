"""Augmentations of the re-identifier: range, documented strength, and what is left of a person."""

import numpy as np
import pytest
import torch

from unpersonal.judges.augmentations import blurred, boxes, disguise, geometry, mixed, moved, occluded, turn, warp


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(count=6, channels=1, size=32, seed=3):
    low = torch.rand(count, channels, 5, 5, generator=generator(seed))
    return torch.nn.functional.interpolate(low, size=(size, size), mode="bicubic").clamp(0, 1)


class Halver:
    """A codec that loses something: it keeps 16 levels."""

    def encode(self, images):
        return (images * 15).round()

    def decode(self, latents):
        return latents / 15


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "change", [geometry, moved, occluded, blurred, disguise, lambda x, g: disguise(x, g, Halver())]
)
def test_shape_and_range_stay_and_the_generator_decides(change, channels):
    images = smooth(8, channels)
    before = images.clone()
    first, again, other = (change(images, generator(seed)) for seed in (1, 1, 2))
    assert first.shape == images.shape and first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, again) and torch.equal(images, before) and not torch.equal(first, other)


def test_warp_mirrors_turns_and_frames():
    images = smooth(4)
    mirror = torch.diag(torch.tensor([-1.0, 1.0])).expand(4, 2, 2)
    still, none = torch.zeros(4, 2), torch.full((4,), -1.0)
    torch.testing.assert_close(warp(images, mirror, still, none), images.flip(3), atol=1e-5, rtol=0)
    quarter, full = torch.full((4,), np.pi / 2), torch.ones(4)
    torch.testing.assert_close(
        warp(images, turn(quarter, full, full), still, none), torch.rot90(images, 1, (2, 3)), atol=1e-5, rtol=0
    )
    # twice as large a window: the picture is a quarter of the area, the rest is grey, or the border
    framed = warp(images, 2 * torch.eye(2).expand(4, 2, 2), still, torch.full((4,), 0.5))
    assert (framed[:, :, :8] == 0.5).all() and not (framed[:, :, 8:24, 8:24] == 0.5).all()
    bordered = warp(images, 2 * torch.eye(2).expand(4, 2, 2), still, none)
    torch.testing.assert_close(bordered[:, :, 0, 0], images[:, :, 0, 0])


def test_boxes_have_the_area_asked_for():
    found = boxes(400, 64, 0.25, 0.75, generator()).float().mean(dim=(1, 2, 3))
    assert 0.22 < found.min() < 0.3 and 0.7 < found.max() < 0.78
    full = boxes(50, 64, 0.9, 0.9, generator()).float().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(full, 0.9, atol=0.03)


def test_a_mixed_picture_is_a_quarter_or_half_the_person_at_least():
    images, hosts = torch.ones(400, 1, 64, 64), torch.zeros(400, 1, 64, 64)
    out = mixed(images, hosts, generator())
    flat = out.amax(dim=(1, 2, 3)) < 1
    assert 0.4 < flat.float().mean() < 0.6
    assert out[flat].mean(dim=(1, 2, 3)).min() >= 0.5 and out[flat].mean(dim=(1, 2, 3)).max() <= 0.9
    pasted = out[~flat]
    assert set(pasted.unique().tolist()) == {0.0, 1.0}
    assert pasted.mean(dim=(1, 2, 3)).min() > 0.22


def test_blur_keeps_the_mean_and_lowers_contrast():
    noise = torch.rand(4, 2, 64, 64, generator=generator())
    out = blurred(noise, generator())
    torch.testing.assert_close(out.mean(dim=(2, 3)), noise.mean(dim=(2, 3)), atol=0.01, rtol=0)
    assert (out.std(dim=(2, 3)) < 0.9 * noise.std(dim=(2, 3))).all()
