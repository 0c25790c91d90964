"""NIfTI volumes that the tests write: slices against the voxels they were made from, damage by its reason."""

from __future__ import annotations

import gzip
import itertools

import nibabel
import numpy as np
import pytest

from unpersonal.images import nifti as nifti_module
from unpersonal.images.nifti import decode_nifti, read_nifti_header
from unpersonal.images.picture import DecodeOptions, ImageError

from .nifti_files import SHAPE, saved, voxels

AXES = ("sagittal", "coronal", "axial")


def rescaled(array: np.ndarray, slope: float, intercept: float) -> bytes:
    return saved(array, scl_slope=slope, scl_inter=intercept)


def picture(data: bytes, fragment: str = "slice=0", axis: str = "axial", window=None):
    (found,) = decode_nifti(data, [fragment], DecodeOptions(window, axis))
    if isinstance(found, ImageError):
        raise found
    return found


def reason(data: bytes, fragment: str = "slice=0") -> str:
    with pytest.raises(ImageError) as error:
        picture(data, fragment)
    return error.value.reason


def plane(array: np.ndarray, axis: str, number: int) -> np.ndarray:
    """The slice of a RAS+ array as it is shown, voxel by voxel: row 0 is above (in axial slices in front), column 0 is
    the patient's right (in sagittal slices the front)."""
    right, front, up = array.shape
    if axis == "axial":
        return np.array([[array[x, y, number] for x in reversed(range(right))] for y in reversed(range(front))])
    if axis == "coronal":
        return np.array([[array[x, number, z] for x in reversed(range(right))] for z in reversed(range(up))])
    return np.array([[array[number, y, z] for y in reversed(range(front))] for z in reversed(range(up))])


def shown(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1) * 65535


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "f4", "f8"])
def test_every_type_in_percentiles_of_the_whole_volume(dtype, kind, packed):
    array = voxels(dtype)
    data = saved(array, kind=kind, packed=packed)
    low, high = np.percentile(array.astype(float), (0.5, 99.5))
    for axis, number in (("axial", 12), ("coronal", 10), ("sagittal", 8)):
        found = picture(data, f"slice={number}", axis)
        assert found.pixels.dtype == np.uint16 and found.windowed and found.bits == 8 * array.dtype.itemsize
        assert (found.height, found.width) == found.pixels.shape[1:]
        np.testing.assert_allclose(found.pixels[0], shown(plane(array, axis, number), low, high), atol=0.51)


def test_big_endian_files_are_read():
    array = voxels("i2")
    image = nibabel.Nifti1Image(array, np.eye(4), nibabel.Nifti1Header(endianness=">"))
    assert image.to_bytes()[:4] == (348).to_bytes(4, "big")
    low, high = np.percentile(array, (0.5, 99.5))
    np.testing.assert_allclose(
        picture(image.to_bytes(), "slice=3").pixels[0], shown(plane(array, "axial", 3), low, high), atol=0.51
    )


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (0.25, 7.0), (-2.0, 0.0)])
def test_slope_and_intercept_come_before_the_window(slope, intercept):
    array = voxels("i2")
    values = plane(array, "axial", 4) * slope + intercept
    data = rescaled(array, slope, intercept)
    np.testing.assert_allclose(
        picture(data, "slice=4", window=(40, 400)).pixels[0], shown(values, -160, 240), atol=0.51
    )
    low, high = np.percentile(array * slope + intercept, (0.5, 99.5))
    np.testing.assert_allclose(picture(data, "slice=4").pixels[0], shown(values, low, high), atol=0.51)


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_void_slope_is_none(slope):
    array = voxels("i2")
    values = plane(array, "axial", 4)
    found = picture(rescaled(array, slope, 55.0), "slice=4", window=(0, 1000))
    np.testing.assert_allclose(found.pixels[0], shown(values, -500, 500), atol=0.51)


def test_a_volume_of_little_but_background_keeps_its_range():
    array = np.zeros((20, 20, 20), np.int16)
    array[5, 6, 7] = 1000
    found = picture(saved(array), "slice=7").pixels[0]
    assert found.max() == 65535 and (found > 0).sum() == 1
    assert (picture(saved(array * 0), "slice=7").pixels == 0).all()


def test_large_volumes_are_sampled_regularly(monkeypatch):
    monkeypatch.setattr(nifti_module, "MAX_SAMPLE", 400)
    array = voxels("i2", (12, 18, 10))  # a step of 6 would see one column in two
    flat = array.ravel(order="F")
    low, high = np.percentile(flat[::7].astype(float), (0.5, 99.5))
    found = picture(saved(array), "slice=5").pixels[0]
    np.testing.assert_allclose(found, shown(plane(array, "axial", 5), low, high), atol=0.51)


def test_slices_with_voxels_that_are_no_numbers_are_refused_alone():
    array = voxels("f4")
    array[2, 3, 5], array[4, 4, 6] = np.nan, np.inf
    found = decode_nifti(saved(array), [f"slice={number}" for number in range(13)], DecodeOptions())
    assert [number for number, item in enumerate(found) if isinstance(item, ImageError)] == [5, 6]
    assert found[5].reason == found[6].reason == "not-finite"
    low, high = np.percentile(array[np.isfinite(array)].astype(float), (0.5, 99.5))
    np.testing.assert_allclose(found[7].pixels[0], shown(plane(array, "axial", 7), low, high), atol=0.51)
    assert reason(saved(np.full((9, 9, 9), np.nan, "f4"))) == "not-finite"


@pytest.mark.parametrize("names", [("R", "G", "B"), ("R", "G", "B", "A")])
def test_colour_is_kept_as_it_is(names):
    array = np.zeros(SHAPE, [(name, "u1") for name in names])
    for number, name in enumerate(names):
        array[name] = voxels("u1", seed=number)
    found = picture(saved(array), "slice=6")
    assert (found.bits, found.windowed, found.pixels.dtype) == (8, False, np.uint8)
    np.testing.assert_array_equal(found.pixels, [plane(array[name], "axial", 6) for name in names[:3]])


# ---------------------------------------------------------------- orientation


def turned(array: np.ndarray, axes, flips, spacing=(1.0, 1.0, 1.0)) -> tuple[np.ndarray, np.ndarray]:
    """The same body, stored along other axes in other directions: array and affine."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for stored, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        affine[axis, stored] = spacing[axis] * (-1 if flip else 1)
        affine[axis, 3] = spacing[axis] * (array.shape[axis] - 1) if flip else 0
    stored = np.transpose(array, axes)
    for axis, flip in enumerate(flips):
        stored = np.flip(stored, axis) if flip else stored
    return np.ascontiguousarray(stored), affine


def test_all_48_orientations_give_the_same_slices():
    array = voxels("i2")
    spaced = np.diag([0.5, 0.8, 5.0, 1.0])
    straight = {axis: picture(saved(array, spaced), "slice=7", axis).pixels for axis in AXES}
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product([False, True], repeat=3):
            stored, affine = turned(array, axes, flips, spacing=(0.5, 0.8, 5.0))
            data = saved(stored, affine)
            assert read_nifti_header(data).shape == SHAPE
            for axis in AXES:
                np.testing.assert_array_equal(picture(data, "slice=7", axis).pixels, straight[axis])


def test_an_oblique_volume_takes_the_nearest_orientation():
    array = voxels("i2")
    stored, affine = turned(array, (2, 0, 1), (True, False, True))
    angle = np.deg2rad(20)
    tilt = np.eye(4)
    tilt[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    np.testing.assert_array_equal(
        picture(saved(stored, tilt @ affine), "slice=7").pixels, picture(saved(array), "slice=7").pixels
    )


def test_pictures_are_upright_in_radiological_convention():
    array = np.zeros((20, 24, 28), np.int16)
    array[18, 12, 14] = 100  # far right
    array[10, 21, 14] = 200  # far in front
    array[10, 12, 25] = 300  # far up
    image = saved(array)
    window = (150, 300)
    axial = picture(image, "slice=14", "axial", window).pixels[0]
    coronal = picture(image, "slice=12", "coronal", window).pixels[0]
    sagittal = picture(image, "slice=10", "sagittal", window).pixels[0]
    assert axial.shape == (24, 20) and axial[11, 1] > 0 and axial[2, 9] > 0  # right on the left, front above
    assert coronal.shape == (28, 20) and coronal[13, 1] > 0 and coronal[2, 9] > 0  # right on the left, head above
    assert sagittal.shape == (28, 24) and sagittal[13, 2] > 0 and sagittal[2, 11] > 0  # face to the left, head above


def test_flat_files_are_one_picture():
    array = voxels("u1", (12, 15))
    values = array[::-1, ::-1].T
    low, high = np.percentile(array.astype(float), (0.5, 99.5))
    for stored in (array, array[:, :, None], array[:, :, None, None]):
        data = saved(stored)
        assert read_nifti_header(data).slices("coronal") == 1
        for fragment in ("", "slice=0"):
            found = picture(data, fragment, "coronal")
            np.testing.assert_allclose(found.pixels[0], shown(values, low, high), atol=0.51)
    standing = saved(voxels("u1", (12, 1, 15)))  # a coronal picture, whatever axis is asked for
    assert picture(standing, "", "axial").pixels.shape == (1, 15, 12)


# ---------------------------------------------------------------- damage and lies


def test_series_and_other_things_are_refused():
    assert reason(saved(voxels("i2", (9, 9, 9, 4)))) == "dimensions"
    assert reason(saved(voxels("i2", (9,)))) == "dimensions"
    assert reason(saved(voxels("f4").astype("c8"))) == "unreadable"
    assert reason(saved(voxels()), "") == "dimensions"
    assert reason(saved(voxels()), "slice=13") == "missing"
    assert reason(saved(voxels()), "frame=1") == "missing"
    assert reason(saved(voxels("i2", (5, 9, 9)))) == "too-small"
    for data in (b"", b"junk", b"\0" * 4000, gzip.compress(b""), b"\x1f\x8b\x08\x00junk"):
        assert reason(data) == "unreadable"
    pair = nibabel.Nifti1Pair(voxels(), np.eye(4))
    with pytest.raises(ImageError, match="pair"):
        read_nifti_header(pair.header.binaryblock)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]}, "too-large"),
        ({"dim": [3, 9, 11, 14, 1, 1, 1, 1]}, "unreadable"),
        ({"dim": [3, 9, -11, 13, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [9, 9, 11, 13, 1, 1, 1, 1]}, "dimensions"),
        ({"datatype": 1234}, "unreadable"),
        ({"datatype": 64}, "unreadable"),
        ({"vox_offset": 1e30}, "unreadable"),
        ({"vox_offset": 3e9}, "unreadable"),
        ({"vox_offset": np.nan}, "unreadable"),
        ({"vox_offset": 2000.0}, "unreadable"),
        ({"srow_x": [np.nan] * 4, "sform_code": 1}, "unreadable"),
        ({"srow_x": [0] * 4, "srow_y": [0] * 4, "srow_z": [0] * 4, "sform_code": 1}, "unreadable"),
        ({"magic": b"abc"}, "unreadable"),
        ({"scl_slope": 1, "scl_inter": np.inf}, "unreadable"),
    ],
)
def test_headers_that_lie_are_refused(fields, expected):
    for packed in (False, True):
        assert reason(saved(voxels(), packed=packed, **fields)) == expected


@pytest.mark.parametrize("packed", [False, True])
def test_truncated_anywhere_is_a_reason(packed):
    data = saved(voxels("u1"), packed=packed)
    picture(data)
    for end in range(0, len(data) - 12, 37):
        assert reason(data[:end]) in ("unreadable", "dimensions")


@pytest.mark.slow
def test_a_gzip_bomb_is_never_unpacked(monkeypatch):
    plain = saved(voxels("u1"))
    asked = []
    unpacked = nifti_module._unpacked
    monkeypatch.setattr(nifti_module, "_unpacked", lambda data, size: asked.append(size) or unpacked(data, size))
    bomb = gzip.compress(plain + bytes(2**26))
    expected = picture(plain).pixels
    np.testing.assert_array_equal(picture(bomb).pixels, expected)
    assert max(asked) == 352 + 9 * 11 * 13
    for lie, expected in (
        ({"dim": [3, 2000, 2000, 2000, 1, 1, 1, 1]}, "too-large"),
        ({"vox_offset": 3e9}, "unreadable"),
    ):
        del asked[:]
        assert reason(gzip.compress(saved(voxels("u1"), **lie) + bytes(2**26))) == expected
        assert max(asked) < 1000


def test_header_extensions_are_stepped_over():
    image = nibabel.Nifti1Image(voxels("u1"), np.eye(4))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"text " * 900))
    np.testing.assert_array_equal(picture(image.to_bytes()).pixels, picture(saved(voxels("u1"))).pixels)


def test_a_beginning_is_enough_for_the_header():
    for packed in (False, True):
        data = saved(voxels("i2", (60, 70, 80)), packed=packed)
        assert read_nifti_header(data[:1024]) == read_nifti_header(data)
    header = read_nifti_header(data)
    assert [header.slices(axis) for axis in AXES] == [60, 70, 80]
    assert (header.bits, header.colour, header.flat) == (16, False, None)


def test_random_damage_gives_a_picture_or_a_reason():
    rng = np.random.default_rng(0)
    files = [saved(voxels("i2")), saved(voxels("f4"), kind=nibabel.Nifti2Image), saved(voxels("u1"), packed=True)]
    outcomes = set()
    for turn in range(900):
        data = bytearray(files[turn % 3])
        for place in rng.integers(0, 400, 3):
            data[place] = rng.integers(256)
        try:
            (found,) = decode_nifti(bytes(data), ["slice=3"], DecodeOptions())
            outcomes.add(found.reason if isinstance(found, ImageError) else "read")
        except ImageError as error:
            outcomes.add(error.reason)
    expected = {"read", "unreadable", "dimensions", "too-large", "too-small", "not-finite", "missing", "pixel-aspect"}
    assert {"read", "unreadable"} <= outcomes <= expected


def test_nothing_is_written_to_the_console(capfd):
    picture(saved(voxels("f4"), packed=True))
    for fields in ({"qform_code": 9}, {"quatern_b": 5.0, "qform_code": 1, "sform_code": 0}, {"pixdim": [0] * 8}):
        try:
            picture(saved(voxels("u1"), **fields))
        except ImageError as error:
            assert error.reason == "unreadable"
    assert capfd.readouterr() == ("", "")
