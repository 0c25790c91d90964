"""What lies on a side is read, refused or ignored, and the counts add up; synthetic and not read is an error."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpersonal.audit.reading import MOST_UNREAD, not_compared, read_side, side_read, unread_remarks
from unpersonal.core.errors import InputError

SUBJECT = r"(?P<subject>p\d+)"


def picture(seed: int, height: int = 40, width: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)


def encoded(seed: int, form: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture(seed)).save(stream, form)
    return stream.getvalue()


def write_pngs(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"p{number}.png").write_bytes(encoded(number, "PNG"))
    return folder


def write_dicom(path: Path, pixels: np.ndarray) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    file = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.Modality, file.SamplesPerPixel, file.PhotometricInterpretation = "CR", 1, "MONOCHROME2"
    file.Rows, file.Columns = pixels.shape
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation, file.PixelData = 7, 0, pixels.tobytes()
    file.save_as(path, enforce_file_format=True)


def write_nifti(path: Path, slices: list[np.ndarray]) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(np.stack(slices, axis=2).astype(np.uint8), np.eye(4)), path)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".dcm", ".zip"])
def test_copies_are_the_same_squares_in_every_format_that_is_read(tmp_path: Path, suffix: str) -> None:
    known = read_side(write_pngs(tmp_path / "png", 3), "train", SUBJECT, 40)
    folder = tmp_path / "other"
    folder.mkdir()
    for number in range(3):
        if suffix == ".dcm":
            write_dicom(folder / f"{number}.dcm", picture(number))
        elif suffix == ".webp":
            Image.fromarray(picture(number)).save(folder / f"{number}.webp", lossless=True)
        elif suffix != ".zip":
            Image.fromarray(picture(number)).save(folder / f"{number}{suffix}")
    if suffix == ".zip":
        folder = tmp_path / "other.zip"
        with zipfile.ZipFile(folder, "w") as archive:
            for number in range(3):
                archive.writestr(f"deep/er/{number}.png", encoded(number, "PNG"))
    found = read_side(folder, "synthetic", "file", 40)
    # black and white of a DICOM file are percentiles
    np.testing.assert_allclose(found.views.astype(int), known.views, atol=3 if suffix == ".dcm" else 0)


def test_every_slice_of_a_volume_is_compared_and_blank_ones_count_as_read(tmp_path: Path) -> None:
    slices = [np.full((40, 40), 7, np.uint8), *(picture(seed) for seed in range(8)), np.zeros((40, 40), np.uint8)]
    (tmp_path / "v").mkdir()
    write_nifti(tmp_path / "v" / "a.nii.gz", slices)
    found = read_side(tmp_path / "v", "synthetic", "file", 40)
    account = side_read("synthetic", found, len(found.views))
    assert (account.read, account.blank, account.refused, account.views) == (10, 2, 0, 8)
    assert account.found == account.read + account.refused + account.ignored


BAD: dict[str, Callable[[Path], None]] = {
    "gif": lambda at: (at / "x.gif").write_bytes(encoded(1, "GIF")) and None,
    "npy": lambda at: np.save(at / "x.npy", picture(1)),
    "jpeg 2000": lambda at: (at / "x.jp2").write_bytes(encoded(1, "JPEG2000")) and None,
    "no suffix": lambda at: (at / "x").write_bytes(encoded(1, "PNG")) and None,
    "wrong suffix": lambda at: (at / "x.csv").write_bytes(encoded(1, "JPEG")) and None,
    "hidden": lambda at: (at / ".x.png").write_bytes(encoded(1, "PNG")) and None,
    "damaged": lambda at: (at / "x.png").write_bytes(encoded(1, "PNG")[:200]) and None,
    "empty": lambda at: (at / "x.png").write_bytes(b"") and None,
    "no picture": lambda at: (at / "x.png").write_bytes(b"no image") and None,
    "one value": lambda at: Image.new("L", (40, 40), 9).save(at / "x.png"),
    "tiny": lambda at: Image.fromarray(picture(1, 4, 4)).save(at / "x.png"),
    "several frames": lambda at: Image.fromarray(picture(1)).save(
        at / "x.tif", save_all=True, append_images=[Image.fromarray(picture(2))]
    ),
    "damaged volume": lambda at: (at / "x.nii.gz").write_bytes(b"\x1f\x8b nothing") and None,
    "link to a folder": lambda at: (at / "more").symlink_to(at.parent / "copies"),
    "link to a file outside": lambda at: (at / "x.png").symlink_to(at.parent / "copies" / "p0.png"),
    "link to nothing": lambda at: (at / "x.png").symlink_to(at / "nothing.png"),
    "unknown": lambda at: (at / "x.dat").write_bytes(picture(1).tobytes()) and None,
}


def zip_within(at: Path) -> None:
    with zipfile.ZipFile(at / "batch.zip", "w") as archive:
        archive.writestr("0.png", encoded(1, "PNG"))


BAD["zip within"] = zip_within


@pytest.mark.parametrize("what", BAD)
def test_what_is_synthetic_and_not_read_is_an_error_and_counted_elsewhere(tmp_path: Path, what: str) -> None:
    write_pngs(tmp_path / "copies", 2)
    folder = write_pngs(tmp_path / "side", 4)
    (folder / "labels.csv").write_text("file,label\np0.png,healthy\n")
    BAD[what](folder)
    with pytest.raises(InputError, match="what is not read is not audited") as error:
        read_side(folder, "synthetic", "file", 40)
    assert error.value.where == f"--synthetic {folder}" and "unpack archives" in str(error.value)
    found = read_side(folder, "train", r"(?P<subject>.)", 40)
    account = side_read("train", found, len(found.views))
    assert (account.read, account.refused, account.ignored) == (4, 1, 1)
    assert account.found == 6 and account.ignored_by_suffix == {".csv": 1}
    assert sum(account.refused_by_reason.values()) == sum(account.refused_by_suffix.values()) == 1
    (said,), notes = unread_remarks({"train": found})
    assert "1 file or picture was not read of train" in said and "more than 1%" in said and not notes
    assert "p0" not in said and "x." not in said.replace("more", "")


def test_a_synthetic_file_with_another_picture_in_it_is_an_error(tmp_path: Path) -> None:
    folder = write_pngs(tmp_path / "side", 2)
    (folder / "p1.png").write_bytes(encoded(1, "PNG") + encoded(2, "PNG"))
    with pytest.raises(InputError, match="1 file holds more than one picture") as error:
        read_side(folder, "synthetic", "file", 40)
    assert "p1.png" in str(error.value) and len(read_side(folder, "train", SUBJECT, 40).names) == 2


def test_few_unread_pictures_of_real_people_are_a_note(tmp_path: Path) -> None:
    folder = write_pngs(tmp_path / "side", 100)
    (folder / "broken_p7.png").write_bytes(b"no image")
    found = read_side(folder, "control", SUBJECT, 32)
    assert len(not_compared(found)) == 1 and MOST_UNREAD > 1 / 101
    shortfalls, (note,) = unread_remarks({"control": found})
    assert not shortfalls and "1 .png" in note and "0.99%" in note and "p7" not in note
    (folder / "other_p8.png").write_bytes(b"no image")
    (shortfall,), notes = unread_remarks({"control": read_side(folder, "control", SUBJECT, 32)})
    assert "2 .png" in shortfall and not notes


def test_without_a_pattern_headers_say_who_it_is_or_nobody_does(tmp_path: Path) -> None:
    from unpersonal.phantom import write_phantom

    write_phantom(tmp_path / "ct", subjects=3, seed=1, size=32, modality="ct")
    found = read_side(tmp_path / "ct", "train", None, 32)
    assert len(set(found.subjects)) == 3 and found.assumed == 0
    (tmp_path / "ct" / "x.png").write_bytes(encoded(1, "PNG"))
    with pytest.raises(InputError, match="who is on 1 picture:") as error:
        read_side(tmp_path / "ct", "control", None, 32)
    assert "--subject" in str(error.value)


def test_a_side_without_a_readable_picture_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "side"
    folder.mkdir()
    with pytest.raises(InputError, match="no pictures") as error:
        read_side(folder, "train", "file", 32)
    assert error.value.where == f"--train {folder}"
    (folder / "x.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="No picture here can be read"):
        read_side(folder, "control", "file", 32)
