"""The patch codec against closed forms."""

from __future__ import annotations

import pytest
import torch

from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.codec.config import CodecConfig
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float


def test_all_components_give_the_image_back(smooth_images):
    codec = PatchCodec.fit(smooth_images, patch=4, components=16)
    pixels = to_float(smooth_images)
    assert torch.allclose(codec.decode(codec.encode(pixels)), pixels, atol=2e-5)
    assert torch.allclose(codec.basis.T @ codec.basis, torch.eye(16), atol=1e-5)


def test_latents_are_white_with_standard_deviation_one_half(smooth_images):
    latents = PatchCodec.fit(smooth_images, patch=4, components=6).encode(to_float(smooth_images))
    rows = latents.permute(0, 2, 3, 1).flatten(0, 2).double()
    assert latents.shape == (64, 6, 8, 8)
    assert torch.allclose(torch.cov(rows.T, correction=0), 0.25 * torch.eye(6, dtype=torch.float64), atol=2e-4)


def test_truncation_error_is_the_sum_of_the_dropped_variances(smooth_images):
    whole = PatchCodec.fit(smooth_images, patch=4, components=16)
    cut = PatchCodec.fit(smooth_images, patch=4, components=5)
    pixels = to_float(smooth_images)
    vectors = (cut.encode(pixels).permute(0, 2, 3, 1) * (cut.scale / 0.5)) @ cut.basis.T + cut.mean
    full = (whole.encode(pixels).permute(0, 2, 3, 1) * (whole.scale / 0.5)) @ whole.basis.T + whole.mean
    error = ((vectors - full) ** 2).sum(-1).mean().item()
    assert error == pytest.approx((whole.scale[5:] ** 2).sum().item(), rel=1e-3)


def test_too_many_components_are_refused(smooth_images):
    with pytest.raises(InputError, match="17 components of 16 values"):
        PatchCodec.fit(smooth_images, patch=4, components=17)
    with pytest.raises(ValueError, match="multiple of patch"):
        CodecConfig(patch=8).check_size(36)
    with pytest.raises(ValueError, match="exceeds the values in a patch"):
        CodecConfig(patch=2, components=13).check_size(32)
