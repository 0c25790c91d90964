"""Preprocessing against closed forms, and the fast decoders against Pillow."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.images.decode import decode_raster, is_grey
from unpersonal.images.picture import ImageError, Picture
from unpersonal.images.preprocess import (
    PreprocessConfig,
    percentile_levels,
    prepare,
    preprocess,
    to_channels,
    to_eight_bits,
)
from unpersonal.phantom import phantom_cohort


def picture(pixels: np.ndarray, **more) -> Picture:
    return Picture(pixels, *pixels.shape[1:], bits=8 * pixels.dtype.itemsize, **more)


def saved(array: np.ndarray, fmt: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, fmt, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def phantom() -> np.ndarray:
    return phantom_cohort(3, 0, 256)[0][0]


# decoding


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("shape", [(64, 64), (61, 47), (200, 133)])
def test_a_grey_jpeg_is_what_pillow_decodes(phantom, quality, mode, shape):
    image = Image.fromarray(phantom[0]).resize(shape[::-1]).convert(mode)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    decoded = decode_raster(stream.getvalue())
    expected = np.asarray(Image.open(io.BytesIO(stream.getvalue())).convert("L"))
    np.testing.assert_array_equal(decoded.pixels, expected[None])
    assert (decoded.height, decoded.width, decoded.bits) == (*shape, 8)


def test_a_colour_jpeg_is_within_rounding_of_what_pillow_decodes():
    rng = np.random.default_rng(0)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((90, 70)))
    data = saved(smooth, "JPEG", quality=90)
    decoded = decode_raster(data).pixels
    expected = np.asarray(Image.open(io.BytesIO(data))).transpose(2, 0, 1)
    assert decoded.shape == (3, 70, 90) and np.abs(decoded.astype(int) - expected).max() <= 1


def test_one_coloured_mark_makes_a_jpeg_colour(phantom):
    array = np.repeat(phantom[0][..., None], 3, axis=2).copy()
    array[10:14, 10:14] = (255, 0, 0)
    assert decode_raster(saved(array, "JPEG", quality=90)).pixels.shape[0] == 3
    assert decode_raster(saved(array, "JPEG", quality=90), enough=32).pixels.shape[0] == 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF"])
def test_the_orientation_tag_is_obeyed(fmt, orientation):
    array = np.zeros((40, 24), np.uint8)
    array[:20, :12] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(array, fmt, exif=exif)
    upright = {
        1: array, 2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1], 5: array.T, 6: array[::-1].T,
        7: array[::-1, ::-1].T, 8: array.T[::-1],
    }[orientation]  # fmt: skip
    decoded = decode_raster(data)
    assert decoded.pixels.shape[1:] == upright.shape == (decoded.height, decoded.width)
    assert np.abs(decoded.pixels[0].astype(int) - upright).max() <= (20 if fmt == "JPEG" else 0)


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.98])
@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_a_truncated_file_is_refused(phantom, fmt, cut):
    data = saved(phantom[0], fmt)
    with pytest.raises(ImageError) as error:
        decode_raster(data[: int(len(data) * cut)])
    assert error.value.reason == "unreadable"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_grey_or_colour(mode, tmp_path):
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    if mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(ramp).convert(mode if mode != "CMYK" else "RGB").convert(mode)
    fmt = "TIFF" if mode == "CMYK" else "PNG"
    stream = io.BytesIO()
    image.save(stream, fmt)
    found = decode_raster(stream.getvalue())
    assert found.bits == {"1": 1, "I;16": 16}.get(mode, 8)
    assert found.pixels.dtype == (np.uint16 if mode == "I;16" else np.uint8) and is_grey(found.pixels)
    if mode not in ("1", "P"):
        expected = ramp.astype(np.uint16) * 257 if mode == "I;16" else ramp
        np.testing.assert_array_equal(found.pixels[0], expected)


def test_a_window_maps_deep_grey_and_leaves_eight_bits_alone():
    deep = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)
    found = decode_raster(saved(deep, "PNG"), window=(2000.0, 1000.0))
    expected = np.rint(np.clip((deep.astype(float) - 1500) / 1000, 0, 1) * 65535)
    np.testing.assert_array_equal(found.pixels[0], expected)
    assert found.windowed
    flat = decode_raster(saved((deep // 16).astype(np.uint8), "PNG"), window=(2000.0, 1000.0))
    assert not flat.windowed and flat.pixels.dtype == np.uint8


def png_of_16_bit_colour(array: np.ndarray) -> bytes:
    """A PNG of uint16 [H, W, 3], which Pillow reads and does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = array.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("normalisation", ["auto", "percentile"])
def test_a_window_does_not_touch_colour_of_16_bits(normalisation):
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    data = png_of_16_bit_colour(np.stack([ramp, ramp.T, ramp[::-1]], axis=2))
    config = PreprocessConfig(size=64, normalisation=normalisation)
    plain, found = decode_raster(data), decode_raster(data, window=(2000.0, 1000.0))
    assert (found.bits, found.windowed) == (16, False)
    shown = prepare(found, config)
    np.testing.assert_array_equal(shown, prepare(plain, config))
    assert shown.shape[0] == 3 and shown.min() == 0 and shown.max() > 250


def tiff(array: np.ndarray, photometric: int, **options) -> bytes:
    """A TIFF whose values are those of `array` and whose tag 262 says what they mean: 0, zero is white; 1, black."""
    data = bytearray(saved(array, "TIFF", **options))
    start = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, start)[0]):
        place = start + 2 + 12 * entry
        if struct.unpack_from("<H", data, place)[0] == 262:
            struct.pack_into("<H", data, place + 8, photometric)
    return bytes(data)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tiff_where_zero_is_white_is_inverted_at_every_depth(dtype, compression):
    array = np.linspace(0, 255 if dtype is np.uint8 else 65535, 40 * 40).reshape(40, 40).astype(dtype)
    top = 255 if dtype is np.uint8 else 65535
    straight, inverted = (decode_raster(tiff(array, tag, compression=compression)).pixels for tag in (1, 0))
    assert straight[0, 0, 0] == 0 and straight[0, -1, -1] == top
    np.testing.assert_array_equal(inverted, top - straight)
    if dtype is np.uint16:
        windowed = [decode_raster(tiff(array, tag), window=(20000.0, 9000.0)).pixels for tag in (1, 0)]
        np.testing.assert_array_equal(windowed[1], 65535 - windowed[0])


# grey values


def test_percentiles_are_those_of_numpy():
    rng = np.random.default_rng(1)
    for dtype, top in ((np.uint8, 256), (np.uint16, 65536), (np.uint16, 40)):
        for size in (1, 2, 7, 1000):
            values = rng.integers(0, top, size).astype(dtype)
            for pair in ((0.5, 99.5), (0, 100), (10, 33.3)):
                np.testing.assert_allclose(percentile_levels(values, pair), np.percentile(values, pair), rtol=1e-12)


def test_deep_images_are_shown_between_percentiles_and_windowed_ones_as_they_are():
    deep = np.random.default_rng(2).integers(100, 3000, (1, 50, 50)).astype(np.uint16)
    low, high = np.percentile(deep, (0.5, 99.5))
    expected = np.rint(np.clip((deep - low) / (high - low), 0, 1) * 255)
    np.testing.assert_array_equal(to_eight_bits(deep), expected)
    np.testing.assert_array_equal(to_eight_bits(deep, windowed=True), np.rint(deep / 65535 * 255))
    shallow = (deep // 16).astype(np.uint8)
    np.testing.assert_array_equal(to_eight_bits(shallow), shallow)
    stretched = to_eight_bits(shallow, always=True)
    assert stretched.min() == 0 and stretched.max() == 255 and shallow.max() < 190
    # percentiles that are asked for go before the range of a window
    np.testing.assert_array_equal(to_eight_bits(deep, windowed=True, always=True), expected)


@pytest.mark.parametrize("windowed", [False, True])
def test_padding_does_not_count_among_the_percentiles(windowed):
    valid = np.random.default_rng(4).integers(1000, 3000, (1, 40, 40)).astype(np.uint16)
    padding = np.zeros((40, 800), bool)
    padding[:, 40:] = True
    padded = np.where(padding, np.uint16(0), np.tile(valid, 20))
    found = to_eight_bits(padded, windowed=windowed, always=windowed, padding=padding)
    np.testing.assert_array_equal(found[:, :, :40], to_eight_bits(valid))
    assert not found[:, :, 40:].any()
    assert (to_eight_bits(padded)[:, :, :40] == 255).mean() > 0.05 > (found[:, :, :40] == 255).mean()
    nothing = np.zeros((1, 9, 9), np.uint16)
    assert not to_eight_bits(nothing, padding=np.ones((9, 9), bool)).any()


def test_percentile_normalisation_brings_two_exposures_together(phantom):
    dim = (phantom.astype(float) * 0.4 + 30).astype(np.uint8)
    config = PreprocessConfig(size=64, normalisation="percentile")
    one, two = (prepare(picture(x), config).astype(int) for x in (phantom, dim))
    plain = np.abs(np.subtract(*(prepare(picture(x), PreprocessConfig()).astype(int) for x in (phantom, dim))))
    assert np.abs(one - two).mean() < 2 < 20 < plain.mean()


# geometry


def test_crop_and_pad_keep_the_centre():
    wide = np.zeros((1, 64, 192), np.uint8)
    wide[:, :, 64:128] = 200
    assert (prepare(picture(wide), PreprocessConfig(size=32)) == 200).all()
    padded = prepare(picture(wide), PreprocessConfig(size=192, fit="pad"))[0]
    np.testing.assert_array_equal(padded[64:128], wide[0])
    assert not padded[:64].any() and not padded[128:].any()


@pytest.mark.parametrize("side", [64, 90, 200, 224, 500])
def test_resizing_is_antialiased(side):
    """A checkerboard of single pixels has no detail that 32 px can hold: it becomes its mean."""
    board = (np.indices((side, side)).sum(0) % 2 * 255).astype(np.uint8)[None]
    inner = prepare(picture(board), PreprocessConfig(size=32))[0, 2:-2, 2:-2].astype(float)
    assert np.abs(inner - 127.5).max() < 12


@pytest.mark.parametrize("side", [256, 500, 1024])
def test_resizing_follows_one_bicubic_step(phantom, side):
    large = np.asarray(Image.fromarray(phantom[0]).resize((side, side), Image.Resampling.BICUBIC))
    direct = np.asarray(Image.fromarray(large).resize((64, 64), Image.Resampling.BICUBIC)).astype(int)
    found = prepare(picture(large[None]), PreprocessConfig(size=64))[0]
    assert np.abs(found - direct).mean() < 1.0


@pytest.mark.parametrize("shape", [(900, 900), (1021, 803), (500, 711), (224, 224), (300, 1999)])
def test_a_reduced_jpeg_is_nearly_the_whole_one(phantom, shape):
    data = saved(np.asarray(Image.fromarray(phantom[0]).resize(shape[::-1])), "JPEG", quality=92)
    config = PreprocessConfig(size=64)
    whole, reduced = decode_raster(data), decode_raster(data, config.enough)
    assert config.enough <= min(reduced.pixels.shape[1:]) < 300 and (reduced.height, reduced.width) == shape
    one, two = (prepare(found, config).astype(int) for found in (whole, reduced))
    assert np.abs(one - two).mean() < 1.0


def test_channels():
    grey = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    assert to_channels(grey, 1) is grey and (to_channels(grey, 3) == grey).all()
    np.testing.assert_array_equal(to_channels(to_channels(grey, 3), 1), grey)
    colour = np.stack([np.full((4, 4), v, np.uint8) for v in (200, 100, 50)])
    assert (to_channels(colour, 1) == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()
    equal = np.repeat(grey, 3, axis=0).repeat(8, 1).repeat(8, 2)
    assert prepare(picture(equal), PreprocessConfig(size=32)).shape[0] == 1


@pytest.mark.parametrize(
    "values", [{"percentiles": (50, 50)}, {"percentiles": (-1, 50)}, {"size": 16}, {"fit": "tile"}]
)
def test_wrong_settings_are_refused(values):
    with pytest.raises(InputError):
        build_config(PreprocessConfig, values, where="test")


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
