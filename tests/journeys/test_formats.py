"""Every format and layout: a real tree of at least 40 subjects is written, and `unpersonal init` says what it holds."""

from __future__ import annotations

import gzip
import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.studies import SUBJECT
from unpersonal.layouts.labels import CHEST8, CHEXPERT14
from unpersonal.phantom import draw_subjects, draw_visits, render, render_raw
from unpersonal.phantom.dicom import dicom_bytes

from .cohort_cases import (
    FINDINGS,
    SIZE,
    People,
    Truth,
    assert_says,
    draw_people,
    encoded,
    init,
    labelled_files,
    png_file,
    refused,
    run,
    write_files,
    zip_files,
)

pytestmark = pytest.mark.slow

CLASSES = tuple(sorted(FINDINGS))


@pytest.fixture(scope="module")
def people() -> People:
    return draw_people()


# raster files: every format in each of its modes


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint(np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def between_percentiles(values: np.ndarray) -> np.ndarray:
    return stretched(values, *np.percentile(values, (0.5, 99.5)))


def luma(rgb: np.ndarray) -> np.ndarray:
    """[H,W] of [H,W,3] (ITU-R BT.601)."""
    return np.rint(rgb @ np.array([0.299, 0.587, 0.114]))


def deep(grey: np.ndarray) -> np.ndarray:
    """uint16, with low bits that 8 bits do not have."""
    return grey.astype(np.uint16) * 200 + np.arange(SIZE, dtype=np.uint16)


def coloured(grey: np.ndarray) -> np.ndarray:
    return np.stack([grey, grey // 2, 255 - grey], axis=-1)


def veiled(grey: np.ndarray) -> np.ndarray:
    """Alpha: opaque above, half below."""
    return np.where(np.arange(SIZE)[:, None] < SIZE // 2, np.full_like(grey, 255), np.full_like(grey, 128))


def over_black(grey: np.ndarray) -> np.ndarray:
    return np.rint(grey * (veiled(grey) / 255.0))


def painted(grey: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    """A palette image of 16 colours, and its RGB."""
    palette = np.stack([np.arange(16) * 17, 255 - np.arange(16) * 17, np.arange(16) * 7], axis=1).astype(np.uint8)
    image = Image.fromarray(grey // 16, "L").convert("P")
    image.putpalette(palette.tobytes())
    return image, palette[grey // 16]


def deep_rgb(grey: np.ndarray) -> bytes:
    """A PNG of 16-bit RGB, grey in content."""
    samples = np.repeat((grey.astype(">u2") * 257)[..., None], 3, axis=-1).reshape(SIZE, -1).astype(">u2")
    return png_file(SIZE, SIZE, 16, 2, b"".join(b"\0" + row.tobytes() for row in samples))


Form = Callable[[np.ndarray], tuple[bytes, np.ndarray, dict[str, int]]]
"""A grey picture uint8 [S,S] -> file, how it looks in a grey store, and what else is true of it."""


def grey_form(kind: str, mode: str, **options: Any) -> Form:
    return lambda grey: (encoded(Image.fromarray(grey).convert(mode), kind, **options), grey, {})


def alpha_form(kind: str, mode: str, **options: Any) -> Form:
    def form(grey):
        image = Image.fromarray(grey).convert(mode)
        image.putalpha(Image.fromarray(veiled(grey)))
        return encoded(image, kind, **options), over_black(grey), {"near": 1}

    return form


def binary_form(kind: str) -> Form:
    def form(grey):
        lit = np.where(grey >= 128, 255, 0).astype(np.uint8)
        return encoded(Image.fromarray(lit).convert("1", dither=Image.Dither.NONE), kind), lit, {"bits": 1}

    return form


def deep_form(kind: str, **options: Any) -> Form:
    return lambda grey: (
        encoded(deep(grey), kind, **options), between_percentiles(deep(grey)), {"bits": 16, "near": 1},
    )  # fmt: skip


def colour_form(kind: str, mode: str = "RGB", near: int = 1, **options: Any) -> Form:
    def form(grey):
        rgb = coloured(grey)
        data = encoded(Image.fromarray(rgb).convert(mode), kind, **options)
        return data, luma(rgb), {"channels": 3, "near": near}

    return form


def palette_form(kind: str) -> Form:
    def form(grey):
        image, rgb = painted(grey)
        return encoded(image, kind), luma(rgb), {"channels": 3, "near": 1}

    return form


def lossy_form(kind: str, mode: str = "L", **options: Any) -> Form:
    """What Pillow makes of it is the truth; other decoders may differ in the last bits."""

    def form(grey):
        data = encoded(Image.fromarray(grey).convert(mode), kind, **options)
        back = np.asarray(Image.open(io.BytesIO(data)).convert("RGB").convert("L"))
        assert np.abs(back.astype(int) - grey).mean() < 4
        return data, back, {"near": 4}

    return form


def wide_form(dtype: str) -> Form:
    """TIFF of 32-bit integers or floating point, some below zero."""

    def form(grey):
        values = (grey.astype(dtype) - 60) * (900 if dtype == "int32" else 1.5)
        return encoded(values, "TIFF"), between_percentiles(values), {"bits": 32, "near": 1}

    return form


FORMS: dict[str, dict[str, Form]] = {
    ".png": {
        "1": binary_form("PNG"),
        "L": grey_form("PNG", "L"),
        "LA": alpha_form("PNG", "LA"),
        "P": palette_form("PNG"),
        "P, grey": grey_form("PNG", "P"),
        "RGB, grey": grey_form("PNG", "RGB"),
        "RGB": colour_form("PNG"),
        "RGBA": alpha_form("PNG", "RGBA"),
        "I;16": deep_form("PNG"),
        "RGB of 16 bits": lambda grey: (deep_rgb(grey), grey, {"bits": 16}),
    },
    ".jpg": {
        "L": lossy_form("JPEG", quality=95),
        "RGB, grey": lossy_form("JPEG", "RGB", quality=95),
        "progressive": lossy_form("JPEG", progressive=True, quality=95),
        "CMYK": lossy_form("JPEG", "CMYK", quality=95),
        "RGB": colour_form("JPEG", near=12, quality=98, subsampling=0),
    },
    ".tif": {
        "1": binary_form("TIFF"),
        "L": grey_form("TIFF", "L"),
        "LZW": grey_form("TIFF", "L", compression="tiff_lzw"),
        "deflate": grey_form("TIFF", "RGB", compression="tiff_adobe_deflate"),
        "LA": alpha_form("TIFF", "LA"),
        "P": palette_form("TIFF"),
        "RGB": colour_form("TIFF"),
        "RGBA": alpha_form("TIFF", "RGBA"),
        "CMYK": colour_form("TIFF", "CMYK"),
        "CMYK, grey": grey_form("TIFF", "CMYK"),
        "I;16": deep_form("TIFF"),
        "I;16, LZW": deep_form("TIFF", compression="tiff_lzw"),
        "I": wide_form("int32"),
        "F": wide_form("float32"),
    },
    ".bmp": {
        "1": binary_form("BMP"),
        "L": grey_form("BMP", "L"),
        "P": palette_form("BMP"),
        "RGB": colour_form("BMP"),
        "RGB, grey": grey_form("BMP", "RGB"),
    },
    ".webp": {
        "lossless": grey_form("WEBP", "RGB", lossless=True),
        "RGB": colour_form("WEBP", lossless=True),
        "RGBA": alpha_form("WEBP", "RGBA", lossless=True),
        "lossy": lossy_form("WEBP", "RGB", quality=95),
    },
}
SUFFIXES = {".png": ".PNG", ".jpg": ".jpeg", ".tif": ".tiff", ".bmp": ".bmp", ".webp": ".webp"}


@pytest.mark.parametrize("suffix", FORMS)
def test_raster_files_in_every_mode(tmp_path, people, suffix):
    truth, files = {}, {}
    forms = list(FORMS[suffix].values())
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        data, shown, facts = forms[i % len(forms)](image)
        name = f"{label}/{subject}_{people.visits[i]}{(suffix, SUFFIXES[suffix])[i % 2]}"
        files[name] = data
        truth[name] = Truth(subject, (label,), data, shown, **facts)
    words = ("--subject", SUBJECT)
    folder = init(tmp_path / "folder", write_files(tmp_path / "images", files), *words)
    assert_says(folder, truth, CLASSES, layout="folder")
    assert not folder.quarantine
    archive = init(tmp_path / "zip", zip_files(tmp_path / "images.zip", files), *words)
    assert archive.json | {"study": ""} == folder.json | {"study": ""}
    assert archive.table.equals(folder.table)
    assert np.array_equal(archive.images, folder.images)


def test_a_cohort_in_colour_keeps_its_channels(tmp_path, people):
    truth, files = {}, {}
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        pixels = image if i % 3 == 0 else coloured(image)
        name = f"{label}/{subject}_{people.visits[i]}.png"
        files[name] = encoded(pixels)
        shown = np.broadcast_to(image, (3, SIZE, SIZE)) if i % 3 == 0 else pixels.transpose(2, 0, 1)
        truth[name] = Truth(subject, (label,), files[name], shown, channels=1 if i % 3 == 0 else 3)
    found = init(tmp_path / "study", write_files(tmp_path / "images", files), "--subject", SUBJECT)
    assert_says(found, truth, CLASSES, layout="folder")
    assert found.json["colour"] is True


# tables


@pytest.fixture(scope="module")
def flat(people, tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A folder scans/0000.png… whose names say nothing, and its files."""
    files = {f"scans/{i:04d}.png": encoded(image) for i, image in enumerate(people.images)}
    return write_files(tmp_path_factory.mktemp("flat"), files), files


def several_labels(people: People) -> list[tuple[str, ...]]:
    """One or two labels an image, in the order of the names of the columns."""
    return [
        tuple(sorted({label, CLASSES[i % 3]}) if i % 2 else (label,)) for i, label in enumerate(people.labels)
    ]  # fmt: skip


def write_table(path: Path, columns: dict[str, list[Any]]) -> Path:
    frame = pd.DataFrame(columns)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".csv", "one label"),
        (".csv", "columns of labels"),
        (".tsv", "one label"),
        (".tsv", "joined labels"),
        (".parquet", "one label"),
        (".parquet", "columns of labels"),
        (".csv.gz", "joined labels"),
    ],
)
def test_tables(flat, people, tmp_path, suffix, kind):
    folder, files = flat
    labels = [(label,) for label in people.labels] if kind == "one label" else several_labels(people)
    given = ["train" if int(subject[4:]) % 4 else "test" for subject in people.subjects]
    columns: dict[str, list[Any]] = {"file": list(files), "who": people.subjects, "fold": given}
    words: list[object] = ["--image-column", "file", "--subject-column", "who", "--root", folder]
    if kind == "columns of labels":
        columns |= {name: [int(name in row) for row in labels] for name in CLASSES}
        words += ["--label-columns", ",".join(CLASSES)]
    else:
        columns["finding"] = ["|".join(row) for row in labels]
        words += ["--label-column", "finding"]
    split = ["--split-column", "fold"] if kind == "one label" else []
    table = write_table(tmp_path / f"table{suffix}", columns)
    found = init(tmp_path / "study", table, *words, *split)
    truth = {
        name: Truth(
            people.subjects[i],
            labels[i],
            data,
            people.images[i],
            split="test" if split and given[i] == "test" else None,
        )
        for i, (name, data) in enumerate(files.items())
    }
    assert_says(found, truth, CLASSES, layout="table")
    if split:  # val and aux were carved out of train, nothing out of test
        assert set(found.table.loc[found.table["split"] == "test", "subject"]) == {
            subject for subject, part in zip(people.subjects, given, strict=True) if part == "test"
        }
        assert any("was divided by subject" in note for note in found.json["notes"])


def test_a_table_of_images_in_a_zip(flat, people, tmp_path):
    _, files = flat
    columns = {"image": list(files), "subject": people.subjects, "label": people.labels}
    table, archive = write_table(tmp_path / "table.csv", columns), zip_files(tmp_path / "scans.zip", files)
    found = init(tmp_path / "study", table, "--root", archive)
    truth = {
        name: Truth(people.subjects[i], (people.labels[i],), data, people.images[i])
        for i, (name, data) in enumerate(files.items())
    }
    assert_says(found, truth, CLASSES, layout="table")


# file lists


@pytest.mark.parametrize("kind", ["eight columns", "own classes"])
def test_file_lists(people, tmp_path, kind):
    findings = CHEST8 if kind == "eight columns" else CLASSES
    people = draw_people(64, findings=CHEST8) if kind == "eight columns" else people
    labels = [(label,) for label in people.labels] if kind == "eight columns" else several_labels(people)
    names = [f"images of {s[4:]}/{s}_{v}.png" for s, v in zip(people.subjects, people.visits, strict=True)]
    files = dict(zip(names, map(encoded, people.images), strict=True))
    write_files(tmp_path, files)
    lines = [
        " ".join([name, *(str(int(finding in row)) for finding in findings)])
        for name, row in zip(names, labels, strict=True)
    ]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    words = ["--classes", ",".join(findings)] if kind == "own classes" else []
    found = init(tmp_path / "study", tmp_path / "list.txt", "--subject", SUBJECT, *words)
    truth = {name: Truth(people.subjects[i], labels[i], files[name], people.images[i]) for i, name in enumerate(names)}
    assert_says(found, truth, tuple(findings), layout="filelist")


# public data sets in their published shape


def nih_files(people: People) -> tuple[dict[str, bytes], dict[str, Truth]]:
    name_of = {"Pleural Effusion": "Effusion"}
    header = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    )
    lines, lists = [header], {"train-val": [], "test": []}
    files, truth = {}, {}
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        patient = int(subject[4:])
        labels = (name_of.get(label, label), *(("Hernia", "Mass")[: i % 3] if label != "No Finding" else ()))
        name = f"{patient:08d}_{people.visits[i]:03d}.png"
        part = "test" if patient % 4 == 0 else "train-val"
        lines.append(f"{name},{'|'.join(labels)},{people.visits[i]},{patient},58,M,PA,2682,2749,0.143,0.143,")
        lists[part].append(name)
        where = f"images_{i % 12 + 1:03d}/images/{name}"
        files[where] = encoded(image)
        truth[where] = Truth(str(patient), labels, files[where], image, "test" if part == "test" else None)
    files["Data_Entry_2017.csv"] = "\r\n".join(lines).encode()
    files["train_val_list.txt"] = "\n".join(lists["train-val"]).encode()
    files["test_list.txt"] = "\n".join(lists["test"]).encode()
    files["README_CHESTXRAY.pdf"] = b"%PDF-1.5"
    return files, truth


def chexpert_files(people: People) -> tuple[dict[str, bytes], dict[str, Truth]]:
    header = ",".join(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT14])
    tables = {"train": [header], "valid": [header]}
    files, truth = {}, {}
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        person = int(subject[4:])
        folder, split = ("valid", "val") if person % 5 == 0 else ("train", None)
        labels = tuple(name for name in CHEXPERT14 if name in {label, *(("Support Devices",) if i % 2 else ())})
        flags = ["1.0" if name in labels else ("0.0" if i % 3 else "") for name in CHEXPERT14]
        path = f"{folder}/patient{person:05d}/study{people.visits[i] + 1}/view1_frontal.jpg"
        tables[folder].append(f"CheXpert-v1.0-small/{path},Female,68,Frontal,AP,{','.join(flags)}")
        files[path] = encoded(image, "JPEG", quality=95)
        truth[path] = Truth(f"patient{person:05d}", labels, files[path], reopened(files[path]), split, near=3)
    files |= {f"{name}.csv": ("\n".join(lines) + "\n").encode() for name, lines in tables.items()}
    return files, truth


def mimic_files(people: People) -> tuple[dict[str, bytes], dict[str, Truth]]:
    files, truth = {}, {}
    labels = ["subject_id,study_id," + ",".join(sorted(CHEXPERT14))]
    parts, metadata = ["dicom_id,study_id,subject_id,split"], ["dicom_id,subject_id,study_id,ViewPosition"]
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        person, study = 10000000 + int(subject[4:]), 50000000 + i
        dicom = "-".join(f"{(i + 1) * k % 2**32:08x}" for k in (2654435761, 40503, 97, 131071, 65599))
        part = {0: "test", 1: "validate"}.get(person % 5, "train")
        flags = ["1.0" if name == label else "" for name in sorted(CHEXPERT14)]
        labels.append(f"{person},{study},{','.join(flags)}")
        parts.append(f"{dicom},{study},{person},{part}")
        metadata.append(f"{dicom},{person},{study},PA")
        path = f"files/p{str(person)[:2]}/p{person}/s{study}/{dicom}.jpg"
        files[path] = encoded(image, "JPEG", quality=95)
        split = {"test": "test", "validate": "val", "train": None}[part]
        truth[path] = Truth(f"p{person}", (label,), files[path], reopened(files[path]), split, near=3)
    for kind, lines in (("chexpert", labels), ("split", parts), ("metadata", metadata)):
        files[f"mimic-cxr-2.0.0-{kind}.csv.gz"] = gzip.compress(("\n".join(lines) + "\n").encode())
    return files, truth


def kermany_files(people: People) -> tuple[dict[str, bytes], dict[str, Truth]]:
    files, truth = {}, {}
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        kind, number, visit = FINDINGS.index(label), int(subject[4:]), people.visits[i]
        if kind == 0:
            person, own = f"IM-{number:04d}", f"{'NORMAL2-' if i % 2 else ''}IM-{number:04d}-{visit + 1:04d}.jpeg"
        else:
            person = f"person{number}_{('bacteria', 'virus')[kind - 1]}"
            own = f"{person}_{i}.jpeg"
        path = f"{('NORMAL', 'PNEUMONIA', 'PNEUMONIA')[kind]}/{own}"
        files[path] = encoded(image, "JPEG", quality=95)
        labels = (("normal", "bacteria", "virus")[kind],)
        truth[path] = Truth(person, labels, files[path], reopened(files[path]), near=3)
    return files, truth


def mednist_files(people: People) -> tuple[dict[str, bytes], dict[str, Truth]]:
    files, truth = {}, {}
    for i, (image, label) in enumerate(zip(people.images, people.labels, strict=True)):
        folder = ("CXR", "Hand", "HeadCT")[FINDINGS.index(label)]
        path = f"MedNIST/{folder}/{i:06d}.jpeg"
        files[path] = encoded(image, "JPEG", quality=95)
        truth[path] = Truth(path, (folder,), files[path], reopened(files[path]), near=3)
    return files, truth


def reopened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


PUBLIC: dict[str, tuple[Callable[[People], tuple[dict[str, bytes], dict[str, Truth]]], tuple[str, ...]]] = {
    "nih": (nih_files, ("Cardiomegaly", "Effusion", "Hernia", "Mass", "No Finding")),
    "chexpert": (chexpert_files, ("No Finding", "Cardiomegaly", "Pleural Effusion", "Support Devices")),
    "mimic": (mimic_files, ("No Finding", "Cardiomegaly", "Pleural Effusion")),
    "kermany": (kermany_files, ("normal", "bacteria", "virus")),
    "mednist": (mednist_files, ("CXR", "Hand", "HeadCT")),
}


@pytest.mark.parametrize("layout", PUBLIC)
def test_public_data_sets_are_recognised_in_a_folder_and_in_a_zip(tmp_path, people, layout):
    write, classes = PUBLIC[layout]
    files, truth = write(people)
    words = ("--layout", "auto")
    folder = init(tmp_path / "folder", write_files(tmp_path / layout, files), *words)
    assert_says(folder, truth, classes, layout=layout)
    assert not folder.quarantine and folder.json["ignored"] == len(files) - len(truth)
    archive = init(tmp_path / "zip", zip_files(tmp_path / f"{layout}.zip", files), *words)
    assert archive.json | {"study": ""} == folder.json | {"study": ""}
    assert archive.table.equals(folder.table) and np.array_equal(archive.images, folder.images)


# DICOM


def windowed(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """DICOM PS3.3, C.11.2.1.2.1 (LINEAR)."""
    return stretched(values, centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)


def test_dicom_in_several_transfer_syntaxes(tmp_path):
    """Subject from PatientID, label from the folder and then from a keyword; a window, MONOCHROME1, several frames."""
    from pydicom import dcmread
    from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

    people = draw_subjects(42, seed=5, modality="ct")
    visits = draw_visits(people)
    files, truth = {}, {}
    for i, (image, (row, number)) in enumerate(zip(render_raw(people, visits, SIZE), visits, strict=True)):
        subject, label = people.ids[row], people.labels[row]
        dataset = dcmread(io.BytesIO(dicom_bytes(image, "ct", subject, int(number), label, 5)))
        syntax = (None, RLELossless, JPEG2000Lossless, JPEGLSLossless)[i % 4]
        if i % 8 == 0:
            dataset.PhotometricInterpretation = "MONOCHROME1"
        if syntax is not None:
            dataset.compress(syntax)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        # as archives write them: with a suffix, or named by number without one
        name = f"{label}/{subject}_{number}.dcm" if i % 2 else f"{label}/{i:06d}"
        files[name] = stream.getvalue()
        shown = windowed(np.rint(image).clip(-1024, 3071), 40, 80)  # of the header
        shown = 255 - shown if i % 8 == 0 else shown
        truth[name] = Truth(subject, (label,), files[name], shown, bits=12, near=1)
    files["DICOMDIR"] = files["notes.txt"] = b"not read"
    labels = tuple(sorted(set(people.labels)))
    folder = init(tmp_path / "folder", write_files(tmp_path / "ct", files))
    assert_says(folder, truth, labels, layout="dicom")
    assert folder.json["ignored"] == 2 and not folder.quarantine
    archive = init(tmp_path / "zip", zip_files(tmp_path / "ct.zip", files), "--label-from", "dicom:StudyDescription")
    assert archive.table.equals(folder.table)  # the phantom writes its label there too
    assert np.array_equal(archive.images, folder.images)
    bone = init(tmp_path / "bone", tmp_path / "ct", "--window", "400,2000")
    assert not np.array_equal(bone.images, folder.images)


def test_dicom_of_several_frames(tmp_path, people):
    from pydicom import dcmread

    files, truth = {}, {}
    by_subject: dict[str, list[int]] = {}
    for i, subject in enumerate(people.subjects):
        by_subject.setdefault(subject, []).append(i)
    for subject, rows in by_subject.items():
        label = people.labels[rows[0]]
        first = dicom_bytes(people.images[rows[0]].astype(np.float32) / 255, "cxr", subject, 0, label, 1)
        dataset = dcmread(io.BytesIO(first))
        frames = people.images[rows].astype("<u2") * 257
        dataset.PixelData = frames.tobytes()
        if len(rows) > 1:
            dataset.NumberOfFrames = len(rows)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        name = f"{label}/{subject}.dcm"
        files[name] = stream.getvalue()
        for k, row in enumerate(rows):
            several = len(rows) > 1
            image = f"{name}#frame={k}" if several else name
            data = None if several else files[name]
            truth[image] = Truth(subject, (label,), data, people.images[row], bits=16, near=1)
    found = init(tmp_path / "study", write_files(tmp_path / "loops", files))
    assert_says(found, truth, CLASSES, layout="dicom")
    assert any("#frame=2" in image for image in found.table["image"]) and found.table["sha256"].is_unique


# NIfTI


def test_nifti_volumes_and_flat_files(tmp_path):
    """Subject from BIDS `sub-`, label from participants.tsv; slices by range and step; a window; a flat file."""
    import nibabel

    people = draw_subjects(40, seed=6, modality="mri")
    rng = np.random.default_rng(1)
    files, truth = {}, {}
    table = ["participant_id\tdiagnosis"]
    for row, subject in enumerate(people.ids):
        label = people.labels[row]
        table.append(f"{subject}\t{label}")
        # [x, y, z] to the right, to the front, up
        volume = rng.integers(0, 1000, (SIZE, SIZE, 8)).astype((np.int16, np.float32)[row % 2])
        volume = volume[:, :, :1] if row % 10 == 9 else volume
        data = nibabel.Nifti1Image(volume, np.diag([1.0, 1.0, 2.0, 1.0])).to_bytes()
        packed = row % 3 > 0
        name = f"{subject}/anat/{subject}_T2star.nii{'.gz' * packed}"
        files[name] = gzip.compress(data) if packed else data
        kept = [None] if volume.shape[2] == 1 else [2, 4]
        for k in kept:
            plane = volume[:, :, k or 0].astype(float)[::-1, ::-1].T  # patient's right on the left, front above
            shown = stretched(plane, 100, 700)
            image = name if k is None else f"{name}#slice={k}"
            bits = 16 if row % 2 == 0 else 32
            data = files[name] if k is None else None
            truth[image] = Truth(subject, (label,), data, shown, bits=bits, near=1)
    files["participants.tsv"] = ("\n".join(table) + "\n").encode()
    files["dataset_description.json"] = b"{}"
    words = ("--label-from", "participants:diagnosis", "--slice-step", "2", "--window", "400,600")
    folder = init(tmp_path / "folder", write_files(tmp_path / "bids", files), *words)
    assert_says(folder, truth, tuple(sorted(set(people.labels))), layout="nifti")
    archive = init(tmp_path / "zip", zip_files(tmp_path / "bids.zip", files), *words)
    assert archive.json | {"study": ""} == folder.json | {"study": ""}
    assert np.array_equal(archive.images, folder.images)


# Hugging Face


def parted(people: People) -> list[str]:
    return [("train", "train", "train", "validation", "test")[int(subject[4:]) % 5] for subject in people.subjects]


@pytest.mark.parametrize("metadata", [None, "csv", "jsonl"])
def test_hugging_face_imagefolder(tmp_path, people, metadata):
    files, truth = {}, {}
    rows: list[dict[str, Any]] = []
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        part, data = parted(people)[i], encoded(image)
        path = f"{label}/{subject}_{people.visits[i]}.png" if metadata is None else f"{i:04d}.png"
        files[f"{part}/{path}"] = data
        rows.append({"part": part, "file_name": path, "label": label, "person": subject})
        split = {"validation": "val", "test": "test"}.get(part)
        truth[f"{part}/{path}"] = Truth(subject, (label,), data, image, split)
    for part in {row["part"] for row in rows} if metadata else ():
        own = pd.DataFrame([{k: v for k, v in row.items() if k != "part"} for row in rows if row["part"] == part])
        text = own.to_csv(index=False) if metadata == "csv" else own.to_json(orient="records", lines=True)
        files[f"{part}/metadata.{metadata}"] = text.encode()
    root = write_files(tmp_path / "images", files)
    # folders alone could be of any origin, so they have to be called a data set
    words = ("--layout", "huggingface", "--subject", SUBJECT) if metadata is None else ("--subject-column", "person")
    found = init(tmp_path / "study", root, *words)
    assert_says(found, truth, CLASSES, layout="huggingface")


@pytest.mark.parametrize("several", [True, False])
def test_hugging_face_saved_data_set(tmp_path, people, several):
    import datasets

    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(FINDINGS)),
            "subject": datasets.Value("string"),
        }
    )
    parts = parted(people) if several else ["rows"] * len(people)
    sets, truth = {}, {}
    for part in sorted(set(parts)):
        own = [i for i, name in enumerate(parts) if name == part]
        contents = [encoded(people.images[i]) for i in own]
        sets[part] = datasets.Dataset.from_dict(
            {
                "image": [{"bytes": data, "path": None} for data in contents],
                "label": [FINDINGS.index(people.labels[i]) for i in own],
                "subject": [people.subjects[i] for i in own],
            },
            features=features,
        )
        split = {"validation": "val", "test": "test"}.get(part)
        for row, (i, data) in enumerate(zip(own, contents, strict=True)):
            name = f"{part}/{row:08d}.png"
            truth[name] = Truth(people.subjects[i], (people.labels[i],), data, people.images[i], split)
    (datasets.DatasetDict(sets) if several else sets["rows"]).save_to_disk(str(tmp_path / "saved"))
    found = init(tmp_path / "study", tmp_path / "saved")
    assert_says(found, truth, CLASSES, layout="huggingface")


# phantoms, read by the line that `unpersonal phantom` prints


@pytest.mark.parametrize(
    ("modality", "fmt"),
    [("cxr", None), ("cxr", "dicom"), ("ct", None), ("ct", "nifti"), ("mri", None)],
)
def test_phantoms_are_read_by_the_line_that_is_printed(tmp_path, modality, fmt):
    subjects = 64 if modality == "cxr" else 40
    words = ("--modality", modality, *(("--format", fmt) if fmt else ()), "--subjects", subjects, "--size", SIZE)
    written = run("phantom", tmp_path / "phantom", *words, "--seed", 4)
    assert written.exit_code == 0, written.output
    line = shlex.split(written.stdout.splitlines()[-1])
    assert line[:3] == ["unpersonal", "init", "my-study"] and line[3:5] == ["--images", str(tmp_path / "phantom")]
    found = init(tmp_path / "my-study", line[4], *line[5:])
    people = draw_subjects(subjects, seed=4, modality=modality)
    visits = draw_visits(people)
    label = dict(zip(people.ids, people.labels, strict=True))
    assert found.json["subjects"] == subjects and not found.quarantine
    assert found.json["classes"] == sorted(set(label.values()))
    assert dict(zip(found.table["subject"], [row[0] for row in found.table["labels"]], strict=True)) == label
    if found.json["layout"] == "nifti":
        assert found.json["images"] == len(visits) * 4  # the middle half of 8 slices
        assert found.json["bits"] == {"16": len(visits) * 4}
        return
    assert found.json["images"] == len(visits)
    if found.json["layout"] == "dicom":  # whole units, in the window of the header
        factor, *window = {"cxr": (65535, 32768, 65536), "ct": (1, 40, 80), "mri": (1, 450, 900)}[modality]
        drawn = windowed(np.rint(render_raw(people, visits, SIZE) * factor), *window)
    else:
        drawn = render(people, visits, SIZE)[:, 0]
    shown = {
        f"{label[people.ids[row]]}/{people.ids[row]}_{number}": image
        for (row, number), image in zip(visits, drawn, strict=True)
    }
    for name, image in zip(found.table["image"], found.images, strict=True):
        assert np.abs(image[0].astype(int) - shown[name.rsplit(".", 1)[0]].astype(int)).max() <= 1


# from init to run


@pytest.mark.parametrize("kind", ["folder", "dicom"])
def test_run_goes_on_from_the_images_that_init_prepared(tmp_path, people, kind, monkeypatch):
    if kind == "folder":
        write_files(tmp_path / "images", labelled_files(people))
        found = init(tmp_path / "study", tmp_path / "images", "--subject", SUBJECT)
    else:
        assert run("phantom", tmp_path / "images", "--subjects", 40, "--size", 32, "--modality", "ct").exit_code == 0
        found = init(tmp_path / "study", tmp_path / "images")
    kept = {
        name: (found.study / name).read_bytes() for name in ("store/images.npy", "cohort.parquet", "quarantine.csv")
    }
    written = (found.study / "store" / "images.npy").stat().st_mtime_ns

    def decoded_again(*_):
        raise AssertionError("an image was decoded again")

    monkeypatch.setattr("unpersonal.images.ingest.Decoder._prepare", decoded_again)
    monkeypatch.setattr("unpersonal.images.ingest.decode_pictures", lambda data, name, fragments, *_: list(fragments))
    result = run("run", found.study, "--until", "encode", "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    assert {name: (found.study / name).read_bytes() for name in kept} == kept
    assert (found.study / "store" / "images.npy").stat().st_mtime_ns == written
    states = json.loads(run("status", found.study, "--json").stdout)
    assert [name for name, state in states.items() if state == "fresh"] == ["cohort", "encode"]
    summary = json.loads(result.stdout)["cohort"]
    assert (summary["images"], summary["subjects"]) == (found.json["images"], found.json["subjects"])
    again = run("run", found.study, "--until", "encode")
    assert again.exit_code == 0 and [line.strip() for line in again.stderr.splitlines() if line.strip()] == [
        "cohort: fresh",
        "encode: fresh",
    ]


def test_nih_with_labels_left_blank(tmp_path, people):
    """`--missing` is read by this layout too."""
    files, _ = nih_files(people)
    lines = files["Data_Entry_2017.csv"].decode().split("\r\n")
    name, _, *rest = lines[3].split(",")
    lines[3] = ",".join([name, "", *rest])
    files["Data_Entry_2017.csv"] = "\r\n".join(lines).encode()
    root = write_files(tmp_path / "nih", files)
    refused(run("init", tmp_path / "x", "--images", root), "1 of 66 rows has no label", name)
    found = init(tmp_path / "study", root, "--missing", "ignore")
    (path,) = [path for path in files if path.endswith(name)]
    assert found.reasons == {path: "label-missing"}
