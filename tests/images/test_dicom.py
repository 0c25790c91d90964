"""DICOM files that the tests write: values against NumPy, syntaxes against what was encoded, damage by its reason."""

from __future__ import annotations

import base64
import io
import warnings
import zlib

import gdcm
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from unpersonal.images import dicom as dicom_module
from unpersonal.images.archives import MAX_FILE_BYTES
from unpersonal.images.codestream import FrameShape, check_frame, without_comments
from unpersonal.images.dicom import DEFLATED, decode_dicom, read_header
from unpersonal.images.picture import NOTES, DecodeOptions, ImageError
from unpersonal.images.preprocess import to_eight_bits

from .dicom_files import BIG_ENDIAN, COLUMNS, EXPLICIT, IMPLICIT, ROWS, dataset, noise, saved

SMALL = (16, 20)  # of the recorded frames
RLE, BASELINE, EXTENDED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
LOSSLESS, LOSSLESS_1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
JPEG_LS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K, J2K_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203))
MPEG4 = "1.2.840.10008.1.2.4.102"
# 200 row + 7 column, by OpenJPH 0.26.3 (imagecodecs 2026.3.6); nothing that is installed here writes this syntax
HTJ2K_FRAME = base64.b64decode(
    "/0//UQApQAAAAAAUAAAAEAAAAAAAAAAAAAAAFAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJCQ"
    "kJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAIkAAf+TwAAmZ/gFB3QAwAASgOQBB3QAwAARwAATgABjAEZu5ADCNADAABHA"
    "ABVAEnMAIAcZ5AAYwHdWAMAAE8AAFcDe3dF+y3UAggsWLFjw4BBGQgHsuADAACrgABawJEmS7+Cnp6dCeACOHR0dHR0dHR0d/oY9jGB79jGB7LwA"
    "/9k="
)
# 2048 + 1500 sin(column / 5) cos(row / 4), 12 bits, quality 98, by libjpeg-turbo (imagecodecs 2026.3.6)
EXTENDED_FRAME = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQEAgMFBQQE"
    "BQQEBAT/wQALDAAQABQBAREA/8QAFwAAAwEAAAAAAAAAAAAAAAAACgwNDv/EACgQAAAEBgEEAgMBAAAAAAAAAAEDBQYCBAcICQoACwwREiFBEyIx"
    "M//aAAgBAQAAPwB6o7et7rN1uejvYmbVsfGUq7Wg9GXxQGmaMx1tOqK9UxCnJc5NkyZYyGOA8yEQEBLH4HhJ3XQO8gNV3qq2GC5XGbjevRt0qzUG"
    "ttJ1anyQlsN+JK1PHnqEibKlwwwEmxCIjEYAchd3ULu3GM8G4rtO5As9trNtdZHnRe75XKUWu4G41J+fSZ2EtWXVERLMggGEf1Vih+B+w4sB95D7"
    "2u7bry7DeQGkmA1/XatulbUro5ktsE0YUl2VToZYlSmoCQLCUEIfHqAePHAhe1Fuol7++dXZwsgotmyqRekv0ec1wreSXGRVpVcMylxypyrLwGgY"
    "EzEMPj1EfPnmrv8Ao2mnhqWZD9BHD3dVf0y7aVK5yoLdmDn5NvSQSDXAZGDdaZwfmiOD3/0mD/79iPP/2Q=="
)


def with_frames(ds: Dataset, syntax: str, *frames: bytes) -> bytes:
    """A file with compressed frames as they are."""
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.add_new("PixelData", "OB", encapsulate(list(frames)))
    ds["PixelData"].is_undefined_length = True
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def compressed(ds: Dataset, syntax: str, **options) -> bytes:
    """A file compressed by pydicom (RLE, JPEG-LS, JPEG 2000)."""
    ds.compress(UID(syntax), generate_instance_uid=False, **options)
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def by_gdcm(tmp_path, ds: Dataset, syntax: int) -> bytes:
    """A file compressed by GDCM (JPEG lossless)."""
    (tmp_path / "in.dcm").write_bytes(saved(ds))
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(tmp_path / "in.dcm"))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "out.dcm"))
    assert writer.Write()
    return (tmp_path / "out.dcm").read_bytes()


def picture(data: bytes, window=None, fragment: str = ""):
    """The only picture of a file."""
    (found,) = decode_dicom(data, [fragment], DecodeOptions(window))
    if isinstance(found, ImageError):
        raise found
    return found


def grey(data: bytes, window=None, fragment: str = "") -> np.ndarray:
    pixels = picture(data, window, fragment).pixels
    assert pixels.dtype == np.uint16 and pixels.shape[0] == 1
    return pixels[0].astype(np.int64)


def reason(data: bytes, fragment: str = "") -> str:
    with pytest.raises(ImageError) as error:
        picture(data, fragment=fragment)
    return error.value.reason


def smooth(shape=(ROWS, COLUMNS)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return 2048 + 1500 * np.sin(columns / 5) * np.cos(rows / 4)


# ---------------------------------------------------------------- grey values


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
@pytest.mark.parametrize(
    ("bits", "dtype"), [(8, "u1"), (8, "i1"), (10, "u2"), (12, "i2"), (12, "u2"), (16, "u2"), (16, "i2")]
)
def test_every_depth_and_sign_starts_at_zero(bits, dtype, syntax):
    signed = dtype[0] == "i"
    values = noise(-(2 ** (bits - 1)) if signed else 3, 2 ** (bits - 1) - 2 if signed else 2**bits - 1, dtype)
    found = picture(saved(dataset(values, bits), syntax))
    assert (found.height, found.width, found.bits, found.windowed) == (ROWS, COLUMNS, bits, False)
    np.testing.assert_array_equal(found.pixels[0], values.astype(int) - values.astype(int).min())


def test_bits_above_those_stored_are_ignored():
    values = noise(0, 1023, np.uint16)
    dirty = values | (noise(0, 63, np.uint16, seed=1) << 10)
    np.testing.assert_array_equal(grey(saved(dataset(dirty, 10))), values.astype(int) - values.min())
    signed = noise(-512, 511, np.int16)
    dirty = (signed & 0x3FF) | (noise(0, 31, np.int16, seed=1) << 10)
    np.testing.assert_array_equal(grey(saved(dataset(dirty, 10))), signed.astype(int) - signed.min())


def test_32_bit_integers_are_stretched():
    values = noise(0, 2**32 - 1, np.uint32)
    low, high = int(values.min()), int(values.max())
    np.testing.assert_allclose(grey(saved(dataset(values))), (values - low) / (high - low) * 65535, atol=0.51)


def test_monochrome1_is_inverted():
    values = noise(5, 4000, np.uint16)
    np.testing.assert_array_equal(grey(saved(dataset(values, 12, "MONOCHROME1"))), values.max() - values.astype(int))
    windowed = {"WindowCenter": 2000, "WindowWidth": 1000}
    straight = grey(saved(dataset(values, 12, **windowed)))
    inverted = grey(saved(dataset(values, 12, "MONOCHROME1", **windowed)))
    np.testing.assert_array_equal(inverted, 65535 - straight)


def linear(x, centre, width):
    """PS3.3 C.11.2.1.2.1, for an output of 0..65535."""
    y = ((x - (centre - 0.5)) / (width - 1) + 0.5) * 65535
    return np.where(x <= centre - 0.5 - (width - 1) / 2, 0, np.where(x > centre - 0.5 + (width - 1) / 2, 65535, y))


def linear_exact(x, centre, width):
    """PS3.3 C.11.2.1.3.2."""
    return np.clip((x - centre) / width + 0.5, 0, 1) * 65535


def sigmoid(x, centre, width):
    """PS3.3 C.11.2.1.3.1."""
    return 65535 / (1 + np.exp(-4 * (x - centre) / width))


@pytest.mark.parametrize("function", [linear, linear_exact, sigmoid])
@pytest.mark.parametrize("rescale", [(1, -1024), (0.5, 3.25), (-2, 100)])
def test_windows_apply_after_rescale(function, rescale):
    values = noise(-1024, 2000, np.int16)
    slope, intercept = rescale
    keywords = {"RescaleSlope": slope, "RescaleIntercept": intercept, "WindowCenter": 40, "WindowWidth": 400}
    data = saved(dataset(values, 12, VOILUTFunction=function.__name__.upper(), **keywords))
    found = picture(data)
    assert found.windowed
    hu = values * slope + intercept
    np.testing.assert_allclose(found.pixels[0], function(hu, 40, 400), atol=0.51)
    np.testing.assert_allclose(grey(data, window=(-600, 1500)), linear_exact(hu, -600, 1500), atol=0.51)


def test_the_first_of_several_windows_counts_and_a_void_one_does_not():
    values = noise(0, 4095, np.uint16)
    several = saved(dataset(values, 12, WindowCenter=[1000, 50], WindowWidth=[500, 20]))
    np.testing.assert_allclose(grey(several), linear(values.astype(int), 1000, 500), atol=0.51)
    for centre, width in ((1000, 0), (None, None), (1000, 0.5)):
        void = picture(saved(dataset(values, 12, WindowCenter=centre, WindowWidth=width)))
        assert not void.windowed
        np.testing.assert_array_equal(void.pixels[0], values.astype(int) - values.min())


def test_rescale_without_a_window_keeps_the_stored_steps():
    values = noise(0, 4095, np.uint16)
    up = saved(dataset(values, 12, RescaleSlope=0.001, RescaleIntercept=-5))
    np.testing.assert_array_equal(grey(up), values.astype(int) - values.min())
    down = saved(dataset(values, 12, RescaleSlope=-1, RescaleIntercept=4095))
    np.testing.assert_array_equal(grey(down), values.max() - values.astype(int))


def lut(first: int, table: np.ndarray, bits: int, packed: bool = False) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(table) % 65536, first, bits])
    if packed:
        item.add_new("LUTData", "OW", table.astype(np.uint8).tobytes())
    else:
        item.add_new("LUTData", "US", [int(entry) for entry in table])
    return item


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_voi_luts_hold_their_ends(bits, syntax):
    table = np.round((2**bits - 1) * np.linspace(0, 1, 700) ** 2)  # more entries than 8 bits can count
    values = noise(0, 1023, np.uint16)
    data = saved(dataset(values, 10, VOILUTSequence=[lut(100, table, bits)], WindowCenter=5, WindowWidth=9), syntax)
    found = picture(data)
    assert found.windowed
    expected = table[np.clip(values.astype(int) - 100, 0, 699)] / (2**bits - 1) * 65535
    np.testing.assert_allclose(found.pixels[0], expected, atol=0.51)
    # a window that is asked for goes before the file's own
    np.testing.assert_allclose(grey(data, window=(500, 300)), linear_exact(values.astype(int), 500, 300), atol=0.51)


def test_voi_lut_may_start_below_zero_and_be_packed():
    table = np.arange(256)[::-1]
    values = noise(-200, 200, np.int16)
    data = saved(dataset(values, 12, VOILUTSequence=[lut(-128, table, 8, packed=True)]))
    expected = table[np.clip(values.astype(int) + 128, 0, 255)] * 257
    np.testing.assert_array_equal(grey(data), expected)


def test_modality_luts_come_before_the_window():
    table = np.arange(1024) ** 2 // 16
    values = noise(0, 1023, np.uint16)
    mapped = table[values.astype(int)]
    plain = picture(saved(dataset(values, 10, ModalityLUTSequence=[lut(0, table, 16)])))
    assert not plain.windowed
    np.testing.assert_array_equal(plain.pixels[0], mapped - mapped.min())
    data = saved(dataset(values, 10, ModalityLUTSequence=[lut(0, table, 16)], WindowCenter=9000, WindowWidth=8000))
    np.testing.assert_allclose(grey(data), linear(mapped, 9000, 8000), atol=0.51)


def test_a_lut_that_lies_about_its_length_is_refused():
    item = lut(0, np.arange(100), 16)
    item.LUTDescriptor = [300, 0, 16]
    assert reason(saved(dataset(noise(0, 255, np.uint16), 8, VOILUTSequence=[item]))) == "unreadable"


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [None, (40, 400)])
def test_padding_is_black_and_counts_for_nothing(photometric, window):
    values = noise(-1000, 1000, np.int16)
    padded = values.copy()
    padded[:3], padded[3] = -2000, -1990
    keywords = {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1990}
    found = grey(saved(dataset(padded, 16, photometric, **keywords)), window)
    clean = grey(saved(dataset(values[4:], 16, photometric)), window)
    np.testing.assert_array_equal(found[4:], clean)
    assert (found[:4] == 0).all()


@pytest.mark.parametrize("normalisation", ["auto", "percentile"])
@pytest.mark.parametrize("window", [None, (40, 400)])
def test_an_image_that_is_mostly_padding_is_shown_as_without_it(window, normalisation):
    """19 pixels of 20 are padding: as values, they would be the percentiles."""
    values = np.random.default_rng(3).normal(0, 90, (40, 40)).round().astype(np.int16)
    padded = np.full((40, 800), -2000, np.int16)
    padded[:, :40] = values
    found = picture(saved(dataset(padded, PixelPaddingValue=-2000)), window=window)
    plain = picture(saved(dataset(values)), window=window)
    assert plain.padding is None and found.padding is not None
    np.testing.assert_array_equal(found.padding, padded == -2000)
    always = normalisation == "percentile"
    shown, expected = (
        to_eight_bits(one.pixels, windowed=one.windowed, always=always, padding=one.padding) for one in (found, plain)
    )
    np.testing.assert_array_equal(shown[:, :, :40], expected)
    assert not shown[:, :, 40:].any()
    # a header that names a padding value is no reason to think there is padding
    assert picture(saved(dataset(values, PixelPaddingValue=-2000))).padding is None


def test_padding_written_as_the_unsigned_number_of_the_same_bits():
    values = noise(-1000, 1000, np.int16)
    values[0] = -2000
    ds = dataset(values)
    ds.add_new("PixelPaddingValue", "US", 63536)
    found = grey(saved(ds))
    assert (found[0] == 0).all()
    np.testing.assert_array_equal(found[1:], values[1:].astype(int) - values[1:].min())


def test_an_image_that_is_all_padding_is_black():
    assert (grey(saved(dataset(np.full((9, 9), 7, np.uint16), PixelPaddingValue=7))) == 0).all()


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")])
def test_floating_point_pixels(keyword, dtype):
    values = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(dtype)

    def file(values, **keywords) -> bytes:
        ds = dataset(np.zeros((ROWS, COLUMNS), np.uint16), **keywords)
        del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
        ds.BitsAllocated = 8 * values.dtype.itemsize
        setattr(ds, keyword, values.tobytes())
        return saved(ds)

    found = picture(file(values))
    assert (found.bits, found.windowed) == (8 * values.dtype.itemsize, False)
    span = values.max() - values.min()
    np.testing.assert_allclose(found.pixels[0], (values - values.min()) / span * 65535, atol=0.6)
    np.testing.assert_allclose(grey(file(values), window=(0, 2)), linear_exact(values, 0, 2), atol=0.51)
    padded = file(np.where(np.arange(COLUMNS) < 3, np.asarray(-999, dtype), values), FloatPixelPaddingValue=-999.0)
    inside = values[:, 3:]
    expected = (inside - inside.min()) / (inside.max() - inside.min()) * 65535
    np.testing.assert_allclose(grey(padded)[:, 3:], expected, atol=0.6)
    for bad in (np.nan, np.inf):
        broken = values.copy()
        broken[3, 4] = bad
        assert reason(file(broken)) == "not-finite"


# ---------------------------------------------------------------- colour


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize(("bits", "dtype"), [(8, "u1"), (12, "u2"), (16, "u2")])
def test_rgb_by_pixel_and_by_plane(planar, bits, dtype):
    values = noise(0, 2**bits - 1, dtype, (ROWS, COLUMNS, 3))
    stored = values if planar == 0 else np.ascontiguousarray(values.transpose(2, 0, 1))
    ds = dataset(values, bits, "RGB", PlanarConfiguration=planar, PixelData=stored.tobytes())
    found = picture(saved(ds))
    top = 255 if bits == 8 else 65535
    assert found.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    np.testing.assert_allclose(found.pixels, values.transpose(2, 0, 1) * (top / (2**bits - 1)), atol=0.51)


def ybr(rgb: np.ndarray) -> np.ndarray:
    """PS3.3 C.7.6.3.1.2, of [..., 3]."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.clip(np.rint(rgb @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def test_ybr_full_and_422_become_rgb():
    rgb = np.repeat(noise(0, 255, np.uint8, (ROWS, COLUMNS // 2, 3)), 2, axis=1)  # pairs of equal pixels lose nothing
    full = ybr(rgb)
    found = picture(saved(dataset(full, 8, "YBR_FULL")))
    np.testing.assert_allclose(found.pixels.transpose(1, 2, 0).astype(int), rgb, atol=2)
    halved = np.stack([full[:, ::2, 0], full[:, 1::2, 0], full[:, ::2, 1], full[:, ::2, 2]], axis=-1)
    found = picture(saved(dataset(full, 8, "YBR_FULL_422", PixelData=halved.tobytes())))
    np.testing.assert_allclose(found.pixels.transpose(1, 2, 0).astype(int), rgb, atol=2)


@pytest.mark.parametrize("depth", [8, 16])
def test_palettes_are_resolved(depth):
    tables = noise(0, 2**depth - 1, f"u{depth // 8}", (3, 200))
    values = noise(0, 255, np.uint8)
    ds = dataset(values, 8, "PALETTE COLOR")
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [200, 10, depth])
        setattr(ds, f"{name}PaletteColorLookupTableData", table.tobytes())
    index = np.clip(values.astype(int) - 10, 0, 199)
    np.testing.assert_array_equal(picture(saved(ds)).pixels, tables[:, index])


# ---------------------------------------------------------------- transfer syntaxes


@pytest.mark.parametrize("syntax", [RLE, LOSSLESS, LOSSLESS_1, JPEG_LS, J2K])
@pytest.mark.parametrize(("bits", "dtype"), [(8, "u1"), (10, "u2"), (12, "u2"), (16, "u2"), (12, "i2"), (16, "i2")])
def test_lossless_syntaxes_give_back_what_was_encoded(syntax, bits, dtype, tmp_path):
    signed = dtype[0] == "i"
    values = noise(-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - 1) - 1 if signed else 2**bits - 1, dtype)
    ds = dataset(values, bits)
    if syntax in (LOSSLESS, LOSSLESS_1):
        kinds = gdcm.TransferSyntax
        kind = kinds.JPEGLosslessProcess14 if syntax == LOSSLESS else kinds.JPEGLosslessProcess14_1
        data = by_gdcm(tmp_path, ds, kind)
    else:
        data = compressed(ds, syntax)
    assert read_header(data).syntax == syntax
    np.testing.assert_array_equal(grey(data), values.astype(int) - values.astype(int).min())


@pytest.mark.parametrize("syntax", [RLE, LOSSLESS_1, JPEG_LS, J2K])
def test_lossless_syntaxes_in_colour(syntax, tmp_path):
    values = noise(0, 255, np.uint8, (ROWS, COLUMNS, 3))
    ds = dataset(values, 8, "RGB")
    if syntax == J2K:
        ds.PhotometricInterpretation = "YBR_RCT"
        data = compressed(ds, syntax)
        ds.PhotometricInterpretation = "RGB"
    elif syntax == LOSSLESS_1:
        data = by_gdcm(tmp_path, ds, gdcm.TransferSyntax.JPEGLosslessProcess14_1)
    else:
        data = compressed(ds, syntax)
    np.testing.assert_array_equal(picture(data).pixels, values.transpose(2, 0, 1))


@pytest.mark.parametrize("syntax", HTJ2K)
def test_high_throughput_jpeg_2000(syntax):
    rows, columns = np.mgrid[: SMALL[0], : SMALL[1]]
    values = (200 * rows + 7 * columns).astype(np.uint16)
    np.testing.assert_array_equal(grey(with_frames(dataset(values, 16), syntax, HTJ2K_FRAME)), values)


def jpeg(values: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=98, **options)
    return stream.getvalue()


def test_baseline_jpeg_is_close():
    values = (smooth() / 16).astype(np.uint8)
    found = grey(with_frames(dataset(values), BASELINE, jpeg(values)))
    np.testing.assert_allclose(found - found.min(), values.astype(int) - values.min(), atol=4)
    rgb = np.stack([values, values[::-1], values[:, ::-1]], axis=-1)
    for photometric in ("YBR_FULL_422", "YBR_FULL"):
        found = picture(with_frames(dataset(rgb, 8, photometric), BASELINE, jpeg(rgb, subsampling=0)))
        np.testing.assert_allclose(found.pixels.transpose(1, 2, 0).astype(int), rgb, atol=6)


def test_extended_jpeg_of_12_and_of_8_bits():
    recorded = smooth(SMALL)
    found = grey(with_frames(dataset(recorded.astype(np.uint16), 12), EXTENDED, EXTENDED_FRAME))
    np.testing.assert_allclose(found, recorded - recorded.min(), atol=8)
    values = (smooth() / 16).astype(np.uint8)
    found = grey(with_frames(dataset(values), EXTENDED, jpeg(values)))
    np.testing.assert_allclose(found - found.min(), values.astype(int) - values.min(), atol=4)


def test_a_scanners_own_12_bit_jpeg():
    path = pydicom.data.get_testdata_file("JPGExtended.dcm", download=False)
    with open(path, "rb") as stream:
        found = grey(stream.read())
    assert found.shape == (1024, 256) and (found[420, 140], found[230, 120]) == (244, 95)  # as pydicom documents


def test_lossy_syntaxes_stay_within_their_error():
    values = smooth().astype(np.uint16)
    near = grey(compressed(dataset(values, 12), JPEG_LS_NEAR, jls_error=3))
    np.testing.assert_allclose(near - near.min(), values.astype(int) - values.min(), atol=6)
    assert (near != values.astype(int) - values.min()).any()
    lossy = grey(compressed(dataset(values, 12), J2K_LOSSY, j2k_psnr=[70]))
    np.testing.assert_allclose(lossy - lossy.min(), values.astype(int) - values.min(), atol=40)


def test_a_missing_decoder_is_a_reason_not_a_traceback(monkeypatch):
    values = noise(0, 255, np.uint8)
    with pytest.raises(ImageError, match=r"no decoder for transfer syntax MPEG-4"):
        picture(with_frames(dataset(values), MPEG4, b"\0\0\0\1" * 10))
    data = compressed(dataset(values), J2K)
    grey(data)
    monkeypatch.setitem(dicom_module.PLUGINS, J2K, ("not-installed",))
    with pytest.raises(ImageError, match=r"unreadable: no decoder for transfer syntax JPEG 2000"):
        picture(data)


# ---------------------------------------------------------------- several frames


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE, J2K])
def test_frames_come_in_the_order_asked_for(syntax):
    values = noise(0, 4095, np.uint16, (5, ROWS, COLUMNS))
    ds = dataset(values, 12)
    data = saved(ds) if syntax == EXPLICIT else compressed(ds, syntax)
    assert read_header(data).frames == 5
    asked = [3, 0, 4, 3]
    found = decode_dicom(data, [f"frame={number}" for number in asked], DecodeOptions())
    for number, frame in zip(asked, found, strict=True):
        np.testing.assert_array_equal(frame.pixels[0], values[number].astype(int) - values[number].min())
    mixed = decode_dicom(data, ["frame=5", "frame=1", "", "slice=1"], DecodeOptions())
    assert [getattr(found, "reason", "") for found in mixed] == ["missing", "", "frames", "missing"]


def test_enhanced_objects_have_values_of_their_own_in_every_frame():
    values = noise(0, 1000, np.uint16, (2, ROWS, COLUMNS))

    def group(slope, centre) -> Dataset:
        transform, view, item = Dataset(), Dataset(), Dataset()
        transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = slope, -100, "US"
        item.PixelValueTransformationSequence = [transform]
        if centre is not None:
            view.WindowCenter, view.WindowWidth = centre, 300
            item.FrameVOILUTSequence = [view]
        return item

    ds = dataset(values, 12, PerFrameFunctionalGroupsSequence=[group(1, None), group(2, 900)])
    ds.SharedFunctionalGroupsSequence = [group(1, 400)]
    data = saved(ds)
    for number, (slope, centre) in enumerate([(1, 400), (2, 900)]):
        expected = linear(values[number] * slope - 100.0, centre, 300)
        np.testing.assert_allclose(grey(data, fragment=f"frame={number}"), expected, atol=0.51)


# ---------------------------------------------------------------- damage and lies


def test_what_is_no_image_says_so():
    report = dataset(noise(0, 255, np.uint8))
    del report.PixelData, report.Rows
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    assert reason(saved(report)) == "no-pixels"
    mask = dataset(noise(0, 255, np.uint8))
    mask.BitsAllocated = mask.BitsStored = 1
    mask.HighBit = 0
    assert reason(saved(mask)) == "unreadable"
    for data in (b"", b"\0" * 400, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + bytes(range(256)) * 20):
        assert reason(data) == "unreadable"


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"Rows": 33}, "unreadable"),
        ({"Rows": 60000, "Columns": 60000}, "too-large"),
        ({"Rows": 7}, "too-small"),
        ({"Rows": None}, "unreadable"),
        ({"NumberOfFrames": 2_000_000_000}, "too-large"),
        ({"NumberOfFrames": 3000}, "unreadable"),
        ({"NumberOfFrames": -1}, "unreadable"),
        ({"SamplesPerPixel": 2}, "unreadable"),
        ({"SamplesPerPixel": 3}, "unreadable"),
        ({"BitsAllocated": 12}, "unreadable"),
        ({"BitsStored": 0}, "unreadable"),
        ({"BitsStored": 20}, "unreadable"),
        ({"HighBit": 15}, "unreadable"),
        ({"PhotometricInterpretation": "HSV"}, "unreadable"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "unreadable"),
        ({"VOILUTFunction": "CUBIC", "WindowCenter": 5, "WindowWidth": 9}, "unreadable"),
    ],
)
def test_headers_that_lie_are_refused(keywords, expected):
    assert reason(saved(dataset(noise(0, 4095, np.uint16), 12, **keywords))) == expected


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED, RLE, J2K, JPEG_LS])
def test_truncated_anywhere_is_a_reason(syntax):
    ds = dataset(noise(0, 4095, np.uint16), 12)
    data = saved(ds, syntax) if syntax in (EXPLICIT, DEFLATED) else compressed(ds, syntax)
    whole = grey(data)
    for end in [*range(0, 400, 23), *range(400, len(data) - 8, 41)]:
        try:
            # JPEG 2000 keeps a picture of lower quality at any length: a reason, or one of the right shape
            assert grey(data[:end]).shape == whole.shape and syntax == J2K
        except ImageError as error:
            assert error.reason in ("unreadable", "no-pixels")


@pytest.mark.parametrize("syntax", [BASELINE, LOSSLESS_1, JPEG_LS, J2K])
def test_a_frame_of_another_size_than_the_header_says_never_reaches_the_decoder(syntax, tmp_path, monkeypatch):
    values = noise(0, 255, np.uint8, (40, 48))
    if syntax == BASELINE:
        data = with_frames(dataset(values), BASELINE, jpeg(values))
    elif syntax == LOSSLESS_1:
        data = by_gdcm(tmp_path, dataset(values), gdcm.TransferSyntax.JPEGLosslessProcess14_1)
    else:
        data = compressed(dataset(values), syntax)
    monkeypatch.setattr(
        pydicom.pixels.decoders.base.Decoder, "as_array", lambda *_, **__: pytest.fail("the decoder was called")
    )
    for rows, columns in ((40, 47), (39, 48), (48, 40)):
        ds = pydicom.dcmread(io.BytesIO(data))
        ds.Rows, ds.Columns = rows, columns
        stream = io.BytesIO()
        ds.save_as(stream)
        assert reason(stream.getvalue()) == "unreadable"


def test_frames_are_checked_marker_by_marker():
    shape = FrameShape(ROWS, COLUMNS, 1, 1)
    frame = jpeg((smooth() / 16).astype(np.uint8))
    check_frame(frame, BASELINE, shape)
    frame_header = frame.index(b"\xff\xc0")
    damage = {
        "precision": (frame_header + 4, 16),
        "components": (frame_header + 9, 3),
        "sampling": (frame_header + 11, 0),
        "process": (frame_header + 1, 0xC2),
        "table": (frame.index(b"\xff\xc4") + 5, 255),
        "end": (len(frame) - 1, 0),
    }
    for place, value in damage.values():
        with pytest.raises(ImageError):
            check_frame(frame[:place] + bytes([value]) + frame[place + 1 :], BASELINE, shape)
    deep = frame[: frame_header + 4] + b"\x0c" + frame[frame_header + 5 :]
    with pytest.raises(ImageError, match="12 bits"):  # which baseline does not have
        check_frame(deep, BASELINE, FrameShape(ROWS, COLUMNS, 1, 2))
    counts = frame.index(b"\xff\xc4") + 5
    table = bytearray(frame)
    longest = next(counts + length for length in range(1, 16) if table[counts + length] >= 3)
    table[counts], table[longest] = 3, table[longest] - 3  # three codes of one bit
    with pytest.raises(ImageError, match="Huffman"):
        check_frame(bytes(table), BASELINE, shape)
    with pytest.raises(ImageError):
        check_frame(frame, LOSSLESS, shape)


def test_comments_never_reach_gdcm(tmp_path):
    values = noise(0, 255, np.uint8, (ROWS, COLUMNS, 3))
    data = by_gdcm(tmp_path, dataset(values, 8, "RGB"), gdcm.TransferSyntax.JPEGLosslessProcess14_1)
    frame = pydicom.encaps.get_frame(pydicom.dcmread(io.BytesIO(data)).PixelData, 0, number_of_frames=1)
    # an unknown colour transform, at which GDCM ends the process
    loud = frame[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x06" + b"\xff\xfe\x00\x04hi" + frame[2:]
    check_frame(loud, LOSSLESS_1, FrameShape(ROWS, COLUMNS, 3, 1))
    assert b"Adobe" not in without_comments(loud) and b"hi" not in without_comments(loud)
    found = picture(with_frames(dataset(values, 8, "RGB"), LOSSLESS_1, loud))
    np.testing.assert_array_equal(found.pixels, values.transpose(2, 0, 1))


@pytest.mark.slow
def test_a_deflate_bomb_is_cut_short():
    ds = dataset(noise(0, 255, np.uint8))
    plain = saved(ds, DEFLATED)
    start = 132 + 12 + pydicom.dcmread(io.BytesIO(plain)).file_meta.FileMetaInformationGroupLength
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = b"\x10\x00\x20\x00LO\x02\x00P1"
    bomb = deflater.compress(head)
    for _ in range(MAX_FILE_BYTES // 2**24 + 1):
        bomb += deflater.compress(bytes(2**24))
    bomb += deflater.flush()
    assert len(bomb) < 2**20
    assert reason(plain[:start] + bomb) == "too-large"


@pytest.mark.slow
def test_random_damage_gives_a_picture_or_a_reason():
    rng = np.random.default_rng(0)
    values = noise(0, 4095, np.uint16)
    files = [saved(dataset(values, 12)), compressed(dataset(values, 12), RLE), compressed(dataset(values, 12), JPEG_LS)]
    recorded = with_frames(dataset(smooth(SMALL).astype(np.uint16), 12), EXTENDED, EXTENDED_FRAME)
    files += [recorded, saved(dataset(values, 12), DEFLATED)]
    outcomes = set()
    for turn in range(600):
        data = bytearray(files[turn % len(files)])
        for place in rng.integers(0, len(data), 4):
            data[place] = rng.integers(256)
        try:
            (found,) = decode_dicom(bytes(data), [""], DecodeOptions())
            outcomes.add(found.reason if isinstance(found, ImageError) else "read")
        except ImageError as error:
            outcomes.add(error.reason)
    expected = {"read", "unreadable", "no-pixels", "too-large", "too-small", "frames"}
    assert {"read", "unreadable"} <= outcomes <= expected


def test_reading_does_not_warn(capfd):
    odd = dataset(noise(0, 255, np.uint8), NumberOfFrames=0)
    odd.add_new("StudyDate", "DA", "yesterday")
    data = saved(odd) + b"\0" * 3
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pydicom.dcmread(io.BytesIO(data)).pixel_array  # noqa: B018
        assert caught  # pydicom itself does warn
        del caught[:]
        read_header(data)
        picture(data)
        reason(data[:300])
    assert not caught
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------- headers


def test_header_fields_and_notes():
    ds = dataset(
        noise(0, 255, np.uint8), PatientID=" 17 ", IssuerOfPatientID="Ward", BodyPartExamined="BRAIN", Modality="MR",
        ImageType=["DERIVED", "PRIMARY"], BurnedInAnnotation="YES", PatientName="Doe^Jo",
    )  # fmt: skip
    header = read_header(saved(ds), ["ImageType", "ViewPosition"])
    assert (header.patient_id, header.issuer, header.modality, header.body_part) == ("17", "Ward", "MR", "BRAIN")
    assert (header.rows, header.columns, header.samples, header.frames, header.bits) == (ROWS, COLUMNS, 1, 1, 8)
    assert header.instance == ds.SOPInstanceUID
    assert header.values == {"ImageType": ("DERIVED", "PRIMARY"), "ViewPosition": ()}
    assert header.notes == ("burned-in", "header-identity", "head")
    assert picture(saved(ds)).notes == header.notes
    bare = dataset(noise(0, 255, np.uint8), BodyPartExamined="CHEST", PatientName="")
    assert read_header(saved(bare)).notes == ("burned-in-unsaid",)
    bare.BurnedInAnnotation = "NO"
    assert read_header(saved(bare)).notes == ()
    assert set(header.notes) <= set(NOTES)


def test_files_without_preamble_or_transfer_syntax_are_read():
    ds = dataset(noise(0, 4095, np.uint16), 12)
    values = np.frombuffer(ds.PixelData, np.uint16).reshape(ROWS, COLUMNS).astype(int)
    for syntax in (IMPLICIT, EXPLICIT):
        data = saved(ds, syntax)
        start = 132 + 12 + pydicom.dcmread(io.BytesIO(data)).file_meta.FileMetaInformationGroupLength
        np.testing.assert_array_equal(grey(data[start:]), values - values.min())


@pytest.mark.parametrize("embedded", [False, True])
def test_an_overlay_is_left_out_and_told(embedded):
    """Drawn apart from the picture: as a plane of its own, or (retired) in bits above those of the picture."""
    stored = noise(0, 4095, np.uint16)
    bare = decode_dicom(saved(dataset(stored, bits=12)), [""], DecodeOptions())[0]
    drawn = dataset(stored | (np.uint16(0x1000) if embedded else np.uint16(0)), bits=12)
    drawn.add_new(0x60020010, "US", ROWS)
    drawn.add_new(0x60020011, "US", COLUMNS)
    drawn.add_new(0x60020040, "CS", "G")
    drawn.add_new(0x60020050, "SS", [1, 1])
    drawn.add_new(0x60020100, "US", 16 if embedded else 1)
    drawn.add_new(0x60020102, "US", 12 if embedded else 0)
    if not embedded:
        drawn.add_new(0x60023000, "OW", b"\xff" * (ROWS * COLUMNS // 8))
    found = decode_dicom(saved(drawn), [""], DecodeOptions())[0]
    np.testing.assert_array_equal(found.pixels, bare.pixels)
    assert "overlay" in found.notes and "overlay" not in bare.notes
