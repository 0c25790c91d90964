"""Files in folders and zips, and what becomes of their bytes."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from unpersonal.core.errors import InputError
from unpersonal.images import archives as archives_module
from unpersonal.images import picture
from unpersonal.images.archives import FolderArchive, ImageError, ZipArchive, open_archive
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


@pytest.fixture
def zip_path(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for i in range(60):
            zipped.writestr(f"a/{i:02d}.png", encoded(np.roll(GREY, i), "PNG"))
        zipped.writestr("__MACOSX/a/._00.png", b"litter")
        zipped.writestr("a/readme.txt", b"text")
    return path


def read_all(archive):
    return [archive.open_bytes(name) for name in archive.image_names()]


def read_in_child(archive, queue):
    queue.put([len(data) for data in read_all(archive)])


def test_zip_and_folder_give_the_same_bytes(zip_path, tmp_path):
    with zipfile.ZipFile(zip_path) as stream:
        stream.extractall(tmp_path / "out")
    zipped, folder = open_archive(zip_path), open_archive(tmp_path / "out")
    assert isinstance(zipped, ZipArchive) and isinstance(folder, FolderArchive)
    assert zipped.names() == folder.names() and len(zipped.image_names()) == 60
    assert read_all(zipped) == read_all(folder)


def test_a_zip_is_read_by_threads_forks_and_copies_alike(zip_path):
    archive = open_archive(zip_path)
    expected = read_all(archive)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(archive.open_bytes, archive.image_names())) == expected
    assert read_all(pickle.loads(pickle.dumps(archive))) == expected  # noqa: S301
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=read_in_child, args=(archive, queue)) for _ in range(2)]
    for child in children:
        child.start()
    assert read_all(archive) == expected
    assert [queue.get(timeout=30) for _ in children] == [[len(data) for data in expected]] * 2
    for child in children:
        child.join()


@pytest.mark.parametrize("name", ["../out.png", "/etc/x.png", "a/../../x.png", "C:/x.png", "a\\..\\x.png"])
def test_archives_with_names_that_reach_outside_are_refused(tmp_path, name):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("good.png", encoded(GREY, "PNG"))
        zipped.writestr(name, b"x")
    with pytest.raises(InputError, match="reaches outside"):
        open_archive(path)


@pytest.mark.parametrize("other", ["./a/x.png", "a//x.png", "a/./x.png"])
def test_archives_with_two_spellings_of_one_name_are_refused(tmp_path, other):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as zipped:
        zipped.writestr("a/x.png", b"1")
        zipped.writestr(other, b"2")
    with pytest.raises(InputError, match="twice"):
        open_archive(tmp_path / "bad.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_doubled_names_and_broken_archives_are_refused(tmp_path):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("a.png", b"1")
        zipped.writestr("a.png", b"2")
    with pytest.raises(InputError, match="twice"):
        open_archive(path)
    data = bytearray(path.read_bytes())
    data[-60:-30] = os.urandom(30)
    (tmp_path / "broken.zip").write_bytes(bytes(data))
    with pytest.raises(InputError):
        open_archive(tmp_path / "broken.zip")


def test_files_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives_module, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.png", bytes(100_000))
    (tmp_path / "b.png").write_bytes(bytes(100_000))
    for archive, name in ((open_archive(path), "a.png"), (open_archive(tmp_path), "b.png")):
        with pytest.raises(ImageError) as error:
            archive.open_bytes(name)
        assert error.value.reason == "too-large"


def test_links_and_paths_that_leave_a_folder_are_refused(tmp_path):
    (tmp_path / "secret.png").write_bytes(encoded(GREY, "PNG"))
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    for name in ("link.png", "../secret.png", str(tmp_path / "secret.png")):
        with pytest.raises(ImageError) as error:
            open_archive(root).open_bytes(name)
        assert error.value.reason == "outside"
