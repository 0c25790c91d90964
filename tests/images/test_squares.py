"""Pixels that are not square: a round disc is round once a picture is read, whatever format says what a pixel is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from unpersonal.images.formats import decode_pictures
from unpersonal.images.picture import DecodeOptions, ImageError, Picture
from unpersonal.images.squares import MOST_ENLARGED, density_aspect, pixel_aspect, squared

from .dicom_files import dataset
from .dicom_files import saved as saved_dicom
from .nifti_files import saved as saved_nifti

RADIUS = 20.0  # in the unit of the spacings


def disc(height: float, width: float, side: float = 64.0) -> np.ndarray:
    """uint8 [H,W]: a disc in the middle of a field of `side`, sampled by pixels of `height` × `width`."""
    rows = (np.arange(round(side / height)) + 0.5) * height - side / 2
    columns = (np.arange(round(side / width)) + 0.5) * width - side / 2
    return ((rows[:, None] ** 2 + columns[None] ** 2 < RADIUS**2) * 200).astype(np.uint8)


def read(data: bytes, fragment: str = "", **options) -> Picture:
    (found,) = decode_pictures(data, [fragment], DecodeOptions(**options), 48)
    if isinstance(found, ImageError):
        raise found
    return found


def axes(picture: Picture) -> tuple[float, float]:
    """Standard deviations of the bright area down and across, in pixels: equal for a round disc."""
    pixels = picture.pixels[0].astype(float)
    rows, columns = np.nonzero(pixels > pixels.max() / 2)
    return float(rows.std()), float(columns.std())


def assert_round(picture: Picture, unit: float) -> None:
    """Round, and as large as it is; the deviation of a disc along an axis is half of its radius."""
    down, across = axes(picture)
    assert down == pytest.approx(across, rel=0.03)
    assert down == pytest.approx(RADIUS / 2 / unit, rel=0.05)
    assert (picture.height, picture.width) == picture.pixels.shape[1:]


def dicom(height: float, width: float, **keywords) -> bytes:
    return saved_dicom(dataset(disc(height, width), **keywords))


RATIOS = [(1, 2), (2, 1), (0.7, 0.5), (1.0, 1.37), (3, 0.5)]


@pytest.mark.parametrize("sides", RATIOS)
@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"])
def test_a_disc_is_round_by_the_spacing_of_dicom(sides, keyword):
    picture = read(dicom(*sides, **{keyword: [str(side) for side in sides]}))
    assert_round(picture, min(sides))
    assert "squared" in picture.notes


@pytest.mark.parametrize("sides", [(1, 2), (2, 1), (3, 4)])
def test_a_disc_is_round_by_the_aspect_ratio_of_dicom(sides):
    height, width = (side / max(sides) for side in sides)
    ratio = [str(side) for side in sides]
    assert_round(read(dicom(height, width, PixelAspectRatio=ratio)), min(height, width))


def test_the_spacing_counts_before_the_spacing_at_the_detector_and_this_before_the_ratio():
    first = {"PixelSpacing": ["1", "2"], "ImagerPixelSpacing": ["2", "1"], "PixelAspectRatio": ["1", "1"]}
    assert_round(read(dicom(1, 2, **first)), 1)
    assert_round(read(dicom(1, 2, ImagerPixelSpacing=["1", "2"], PixelAspectRatio=["3", "1"])), 1)
    # zeros say nothing, and what comes next counts
    assert_round(read(dicom(1, 2, PixelSpacing=["0", "0"], PixelAspectRatio=["1", "2"])), 1)


def test_each_frame_has_its_own_spacing():
    def measures(*sides: str) -> Dataset:
        group, item = Dataset(), Dataset()
        item.PixelSpacing = list(sides)
        group.PixelMeasuresSequence = Sequence([item])
        return group

    data = dataset(np.stack([disc(1, 2), disc(1, 2)]), PixelSpacing=["5", "1"])
    data.SharedFunctionalGroupsSequence = Sequence([measures("1", "2")])
    data.PerFrameFunctionalGroupsSequence = Sequence([measures("1", "1"), Dataset()])
    content = saved_dicom(data)
    assert read(content, "frame=0").pixels.shape == (1, 64, 32)
    assert_round(read(content, "frame=1"), 1)


def test_a_decimal_comma_is_read():
    content = dicom(0.5, 1.0, PixelSpacing=["0.50", "1.00"])
    assert_round(read(content.replace(b"0.50\\1.00", b"0,50\\1,00")), 0.5)


def test_the_regions_of_an_ultrasound_picture_count_where_they_agree():
    def region(across: float, down: float, units: int = 3) -> Dataset:
        item = Dataset()
        item.RegionSpatialFormat, item.PhysicalUnitsXDirection, item.PhysicalUnitsYDirection = 1, units, units
        item.PhysicalDeltaX, item.PhysicalDeltaY = across, -down
        return item

    both = Sequence([region(0.02, 0.01), region(0.04, 0.02)])
    assert_round(read(dicom(1, 2, SequenceOfUltrasoundRegions=both)), 1)
    for other in (region(0.01, 0.01), region(0.02, 0.01, units=4)):
        left = Sequence([region(0.02, 0.01), other])
        assert read(dicom(1, 2, SequenceOfUltrasoundRegions=left)).pixels.shape == (1, 64, 32)


@pytest.mark.parametrize("keyword", ["PixelSpacing", "PixelAspectRatio"])
@pytest.mark.parametrize("sides", [("1", "1000"), ("40", "1"), ("0", "1"), ("-1", "1")])
def test_absurd_ratios_are_refused(keyword, sides):
    with pytest.raises(ImageError) as error:
        read(dicom(1, 2, **{keyword: list(sides)}))
    assert error.value.reason == "pixel-aspect"


def test_padding_stays_black_and_counts_for_nothing():
    stored = disc(1, 2).astype(np.uint16) + 1
    stored[:10] = 0
    picture = read(saved_dicom(dataset(stored, PixelPaddingValue=0, PixelSpacing=["1", "2"])))
    assert picture.padding is not None
    assert picture.padding.shape == picture.pixels.shape[1:] == (64, 64)
    assert picture.padding[:10].all()
    assert not picture.padding[10:].any()
    assert not picture.pixels[0][picture.padding].any()


@pytest.mark.parametrize("axis", ["sagittal", "coronal", "axial"])
@pytest.mark.parametrize("sides", [(1.0, 1.0, 2.5), (2.0, 1.0, 1.5), (0.5, 1.0, 1.0)])
def test_a_ball_is_round_in_every_slice_of_nifti(axis, sides):
    grid = np.meshgrid(*((np.arange(round(64 / side)) + 0.5) * side - 32 for side in sides), indexing="ij")
    ball = ((sum(place**2 for place in grid) < RADIUS**2) * 900).astype(np.int16)
    kept = [side for number, side in enumerate(sides) if number != ("sagittal", "coronal", "axial").index(axis)]
    middle = ball.shape[("sagittal", "coronal", "axial").index(axis)] // 2
    turn = np.deg2rad(25)
    oblique = np.eye(4)
    oblique[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    for affine in (np.diag([*sides, 1.0]), oblique @ np.diag([-sides[0], *sides[1:], 1.0])):
        assert_round(read(saved_nifti(ball, affine), f"slice={middle}", slice_axis=axis), min(kept))


def test_nifti_takes_the_sides_from_wherever_a_writer_put_them():
    ball = np.repeat(disc(1, 2)[..., None], 9, axis=2).transpose(1, 0, 2).astype(np.int16)
    placed = saved_nifti(ball, np.diag([2.0, 1, 1, 1]), pixdim=[1, 1, 1, 1, 1, 1, 1, 1])
    told = saved_nifti(ball, np.eye(4), pixdim=[1, 2, 1, 1, 1, 1, 1, 1])
    for data in (placed, told):
        assert_round(read(data, "slice=4"), 1)
    with pytest.raises(ImageError) as error:
        read(saved_nifti(ball, np.diag([99.0, 1, 1, 1])), "slice=4")
    assert error.value.reason == "pixel-aspect"


def raster(kind: str, height: float, width: float, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(disc(height, width)).save(stream, kind, **options)
    return stream.getvalue()


def tiff(height: float, width: float) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[282], tags[283], tags[296] = 100 / width, 100 / height, 2
    return raster("TIFF", height, width, tiffinfo=tags)


@pytest.mark.parametrize("sides", [(1, 2), (2, 1), (1.5, 1.0)])
def test_a_disc_is_round_by_a_clear_resolution_of_a_raster_file(sides):
    density = tuple(round(300 / side) for side in sides[::-1])
    for data in (
        raster("PNG", *sides, dpi=density),
        raster("JPEG", *sides, dpi=density, quality=95),
        raster("BMP", *sides, dpi=density),
        tiff(*sides),
    ):
        assert_round(read(data), min(sides))


def test_a_ratio_without_unit_counts_in_png_and_jpeg():
    png = bytearray(raster("PNG", 1, 2, dpi=(150, 300)))
    at = png.index(b"pHYs")
    png[at + 12] = 0
    import zlib

    png[at + 13 : at + 17] = zlib.crc32(png[at : at + 13]).to_bytes(4, "big")
    assert_round(read(bytes(png)), 1)
    jpeg = bytearray(raster("JPEG", 1, 2, dpi=(1, 2), quality=95))
    jpeg[13] = 0
    assert_round(read(bytes(jpeg)), 1)


def test_a_picture_that_is_turned_has_its_pixels_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read(raster("JPEG", 1, 2, dpi=(150, 300), exif=exif, quality=95))
    assert_round(picture, 1)


def test_a_resolution_that_hardly_differs_changes_nothing():
    data = raster("PNG", 1, 1, dpi=(204, 196))
    assert read(data).pixels.shape == (1, 64, 64)
    assert "squared" not in read(data).notes
    assert read(dicom(1, 1, PixelSpacing=["0.1430", "0.1431"])).pixels.shape == (1, 64, 64)


def test_a_ratio_is_of_two_usable_sides():
    nan = float("nan")
    assert [pixel_aspect(*sides) for sides in [(2, 1), (0, 0), (-1, -1), (nan, 0)]] == [2, None, None, None]
    assert [density_aspect(*pair) for pair in [(1, 2), (100, 102), (0, 0)]] == [0.5, 1, 1]


def test_a_large_picture_is_reduced_instead():
    side = int(MOST_ENLARGED**0.5)
    flat = Picture(np.zeros((1, side, side), np.uint8), side, side, 8)
    assert squared(flat, 0.5).pixels.shape == (1, side // 2, side)
    assert squared(flat, 2.0).pixels.shape == (1, side, side // 2)
    small = Picture(np.zeros((3, 16, 16), np.uint16), 16, 16, 16)
    assert squared(small, 0.5).pixels.shape == (3, 16, 32)
