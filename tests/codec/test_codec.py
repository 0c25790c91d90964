"""Codecs against closed forms; preprocessing against hand-made pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from unpersonal.codec.config import CodecConfig
from unpersonal.codec.patch import PatchCodec
from unpersonal.codec.pixel import PixelCodec
from unpersonal.codec.store import fit_codec, load_codec, psnr, save_codec
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float, to_uint8
from unpersonal.images.preprocess import preprocess


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(64, 1, 4, 4))
    wide = torch.nn.functional.interpolate(torch.from_numpy(smooth), size=(32, 32), mode="bicubic").numpy()
    return np.clip(128 + 40 * wide + rng.normal(scale=3, size=(64, 1, 32, 32)), 0, 255).astype(np.uint8)


def test_all_components_give_the_image_back(images):
    codec = PatchCodec.fit(images, patch=4, components=16)
    pixels = to_float(images)
    assert torch.allclose(codec.decode(codec.encode(pixels)), pixels, atol=2e-5)
    assert torch.allclose(codec.basis.T @ codec.basis, torch.eye(16), atol=1e-5)


def test_latents_are_white_with_standard_deviation_one_half(images):
    latents = PatchCodec.fit(images, patch=4, components=6).encode(to_float(images))
    rows = latents.permute(0, 2, 3, 1).flatten(0, 2).double()
    assert latents.shape == (64, 6, 8, 8)
    assert torch.allclose(torch.cov(rows.T, correction=0), 0.25 * torch.eye(6, dtype=torch.float64), atol=2e-4)


def test_truncation_error_is_the_sum_of_the_dropped_variances(images):
    whole = PatchCodec.fit(images, patch=4, components=16)
    cut = PatchCodec.fit(images, patch=4, components=5)
    pixels = to_float(images)
    vectors = (cut.encode(pixels).permute(0, 2, 3, 1) * (cut.scale / 0.5)) @ cut.basis.T + cut.mean
    full = (whole.encode(pixels).permute(0, 2, 3, 1) * (whole.scale / 0.5)) @ whole.basis.T + whole.mean
    error = ((vectors - full) ** 2).sum(-1).mean().item()
    assert error == pytest.approx((whole.scale[5:] ** 2).sum().item(), rel=1e-3)


def test_pixel_codec_is_exact_and_scaled(images):
    codec = PixelCodec.fit(images)
    latents = codec.encode(to_float(images))
    assert latents.std(correction=0).item() == pytest.approx(0.5, abs=1e-4) and abs(latents.mean().item()) < 1e-4
    assert np.array_equal(to_uint8(codec.decode(latents)), images)


@pytest.mark.parametrize("kind", ["patch", "pixel"])
def test_a_saved_codec_is_the_same_codec(images, tmp_path, kind):
    codec = fit_codec(images, CodecConfig(kind=kind, patch=4, components=8))
    save_codec(tmp_path / "store" / "codec.safetensors", codec)
    back = load_codec(tmp_path)
    assert torch.equal(back.encode(to_float(images)), codec.encode(to_float(images)))


def test_too_many_components_are_refused(images):
    with pytest.raises(InputError, match="17 components of 16 values"):
        PatchCodec.fit(images, patch=4, components=17)
    with pytest.raises(ValueError, match="multiple of patch"):
        CodecConfig(patch=8).check_size(36)


def test_psnr_of_a_known_error():
    assert psnr(torch.zeros(10), torch.full((10,), 0.1)) == pytest.approx(20, abs=1e-4)


def test_preprocessing_crops_pads_and_keeps_eight_bit_values():
    wide = np.zeros((1, 32, 64), np.uint8)
    wide[:, :, 16:48] = 200
    assert (preprocess(wide, size=32, fit="crop", colour=False) == 200).all()
    padded = preprocess(wide, size=64, fit="pad", colour=False)
    assert padded.shape == (1, 64, 64) and padded[0, 0].max() == 0 and padded[0, 32, 32] == 200
    square = np.arange(32 * 32, dtype=np.uint32).reshape(1, 32, 32).astype(np.uint8)
    assert np.array_equal(preprocess(square, size=32, fit="crop", colour=False), square)


def test_preprocessing_windows_deep_images_and_keeps_colour_only_when_asked():
    deep = np.linspace(1000, 5000, 64 * 64).reshape(1, 64, 64).astype(np.uint16)
    out = preprocess(deep, size=64, fit="crop", colour=False)
    assert out.min() == 0 and out.max() == 255 and abs(float(out.mean()) - 127.5) < 1
    colour = np.zeros((3, 40, 40), np.uint8)
    colour[0] = 255
    assert preprocess(colour, size=32, fit="crop", colour=True)[:, 0, 0].tolist() == [255, 0, 0]
    assert preprocess(colour, size=32, fit="crop", colour=False).shape == (1, 32, 32)


def test_reduction_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (1, 128, 64))
    out = preprocess(stripes, size=32, fit="crop", colour=False)
    assert np.abs(out[0, 4:-4, 4:-4].astype(int) - 127).max() <= 2
    assert isinstance(Image.fromarray(out[0]), Image.Image)
