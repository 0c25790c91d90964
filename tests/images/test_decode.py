"""What becomes of the bytes of raster files."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from unpersonal.images import picture
from unpersonal.images.archives import ImageError
from unpersonal.images.decode import check_content, decode, is_grey

GREY = np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (20, 24), dtype=np.uint16)
COLOUR = np.random.default_rng(2).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def encoded(pixels, form: str, **options) -> bytes:
    stream = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_lossless_formats_keep_grey_and_colour(form):
    np.testing.assert_array_equal(decode(encoded(GREY, form)), GREY[None])
    np.testing.assert_array_equal(decode(encoded(COLOUR, form)), COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_kept(form):
    pixels = decode(encoded(DEEP, form))
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, DEEP[None])


def test_lossy_formats_are_close():
    smooth = np.add.outer(np.arange(20), np.arange(24)).astype(np.uint8) * 4
    for form, options in (("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})):
        pixels = decode(encoded(smooth, form, **options)).astype(int)
        assert np.abs(pixels - smooth).max() <= 6, form


def test_alpha_is_laid_over_black_and_palettes_are_resolved():
    alpha = np.full((20, 24, 1), 255, dtype=np.uint8)
    np.testing.assert_array_equal(decode(encoded(np.concatenate([COLOUR, alpha], 2), "PNG")), COLOUR.transpose(2, 0, 1))
    np.testing.assert_array_equal(decode(encoded(np.concatenate([COLOUR, 0 * alpha], 2), "PNG")), np.zeros((3, 20, 24)))
    half = np.stack([GREY, np.full_like(GREY, 128)], axis=2)
    np.testing.assert_allclose(decode(encoded(Image.fromarray(half, "LA"), "PNG"))[0], GREY * (128 / 255), atol=0.51)
    palette = Image.fromarray(GREY).convert("P")
    np.testing.assert_array_equal(decode(encoded(palette, "PNG")), np.repeat(GREY[None], 3, 0))


def test_orientation_tag_is_followed():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encoded(GREY, "PNG", exif=exif))
    np.testing.assert_array_equal(turned[0], np.rot90(GREY, -1))


def test_floating_point_grey_is_stretched_and_nan_refused():
    values = np.linspace(-1, 3, 480, dtype=np.float32).reshape(20, 24)
    pixels = decode(encoded(values, "TIFF"))
    assert pixels.dtype == np.uint16 and pixels.min() == 0 and pixels.max() == 65535
    values[3, 4] = np.nan
    with pytest.raises(ImageError) as error:
        decode(encoded(values, "TIFF"))
    assert error.value.reason == "not-finite"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not an image", "unreadable"),
        (encoded(GREY, "PNG")[:200], "unreadable"),
        (encoded(GREY, "JPEG")[:300], "unreadable"),
        (encoded(GREY[:4, :4], "PNG"), "too-small"),
        (encoded(Image.fromarray(GREY), "TIFF", save_all=True, append_images=[Image.fromarray(GREY)]), "frames"),
        (encoded(Image.fromarray(GREY), "GIF"), "unreadable"),
    ],
)
def test_what_is_no_usable_picture_is_refused_with_a_reason(data, reason):
    with pytest.raises(ImageError) as error:
        decode(data)
    assert error.value.reason == reason and "0x" not in error.value.detail


def test_a_picture_that_would_unpack_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(picture, "MAX_PIXELS", 400)
    with pytest.raises(ImageError) as error:
        decode(encoded(GREY, "PNG"))
    assert error.value.reason == "too-large"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8500, 12_000, 60_000])
def test_a_picture_that_claims_to_be_huge_is_refused(side):
    data = bytearray(encoded(GREY, "PNG"))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(ImageError) as error:
        decode(bytes(data))
    assert error.value.reason == "too-large"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_damaged_files_give_a_picture_or_a_reason_and_nothing_else(form):
    rng, whole = np.random.default_rng(3), np.frombuffer(encoded(COLOUR, form), dtype=np.uint8)
    for _ in range(60):
        data = whole.copy()
        data[rng.integers(0, len(data), 6)] = rng.integers(0, 256, 6)
        try:
            assert decode(data.tobytes()).ndim == 3
        except ImageError as error:
            assert error.reason and error.detail


def test_constant_content_is_refused():
    check_content(GREY[None])
    with pytest.raises(ImageError) as error:
        check_content(np.full((1, 9, 9), 7, dtype=np.uint8))
    assert error.value.reason == "constant"


def test_is_grey_looks_at_content_not_at_channels():
    assert is_grey(GREY[None]) and is_grey(np.repeat(GREY[None], 3, 0))
    assert is_grey(decode(encoded(np.repeat(GREY[..., None], 3, 2), "JPEG")))
    assert not is_grey(COLOUR.transpose(2, 0, 1))
