"""Write a phantom cohort to disk as an ordinary data set of images, DICOM objects or NIfTI volumes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import atomic_folder
from ..core.memory import refuse_number, refuse_pictures
from ..core.places import real_place
from ..core.progress import progress_bar
from .dicom import dicom_bytes
from .modality import Modality, get_modality
from .nifti import dataset_description, nifti_bytes, nifti_path, participants_table
from .population import MIN_SIZE, Subjects, batch_rows, draw_subjects, draw_visits, render, render_raw
from .volume import MAX_SLICES, render_volume

FORMATS = {"cxr": ("png", "dicom"), "ct": ("dicom", "png", "nifti"), "mri": ("nifti", "png", "dicom")}
"""Modality -> the formats that it can be written in, the usual one first."""

RENDERED = 100
"""Bytes of each pixel while a picture is made."""
PERSON = 400
"""Bytes of each invented person."""
SUBJECT_PATTERN = r"(?P<subject>sub-\d+)"


def write_phantom(
    folder: Path,
    subjects: int,
    seed: int,
    size: int = 64,
    *,
    modality: str = "cxr",
    fmt: str | None = None,
    findings: Sequence[str] | None = None,
    slices: int = 8,
) -> int:
    """Write a phantom cohort; returns the number of image files, one per visit.

    `fmt` is `png` (`<label>/sub-00001_0.png`, the pixels of `render`), `dicom` (the same names with `.dcm`, the values
    of `render_raw`) or `nifti` (BIDS: `sub-00001/ses-0/anat/sub-00001_ses-0_T1w.nii.gz`, volumes of `slices` slices,
    and `participants.tsv` with the labels); absent: the modality's usual one. The same arguments give the same bytes.
    `folder` appears whole or not at all; one that exists and is not empty is an `InputError`, as are an unknown
    modality, format or finding and a combination that does not exist.
    """
    kind = get_modality(modality)
    fmt = check_format(modality, fmt)
    if subjects < 1:
        raise InputError(f"A phantom cohort needs at least one subject, not {subjects}", how="use --subjects 300")
    if size < MIN_SIZE:
        raise InputError(f"The phantom has at least {MIN_SIZE} pixels a side, not {size}", how=f"use --size {MIN_SIZE}")
    if not 1 <= slices <= MAX_SLICES:
        raise InputError(f"A volume has 1 to {MAX_SLICES} slices, not {slices}", how="use 8")
    refuse_pictures(slices if fmt == "nifti" else 1, size, RENDERED, what="Phantom pictures", where=f"--size {size}")
    refuse_number(subjects, PERSON, what="--subjects", where="phantom")
    folder = real_place(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("The folder for the phantom exists", where=str(folder), how="name a new folder")
    drawn = draw_subjects(subjects, seed=seed, modality=modality, findings=findings)
    visits = draw_visits(drawn)
    draw = _drawer(drawn, size, fmt, slices)
    step = batch_rows(size)
    try:
        with atomic_folder(folder) as temporary, progress_bar("phantom", len(visits)) as bar:
            _prepare(temporary, kind, drawn, fmt, findings or kind.classes)
            for start in range(0, len(visits), step):
                batch = visits[start : start + step]
                for (row, number), image in zip(batch, draw(batch), strict=True):
                    _write_one(temporary, drawn, int(row), int(number), image, fmt)
                bar.advance(len(batch))
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(
            f"The phantom cannot be written ({why})", where=str(folder), how="name another folder"
        ) from None
    return len(visits)


def check_format(modality: str, fmt: str | None) -> str:
    """The format to write `modality` in; `InputError` for one that is unknown or makes no sense."""
    title, possible = get_modality(modality).title, FORMATS[modality]
    if fmt is None:
        return possible[0]
    if fmt not in possible:
        known = any(fmt in formats for formats in FORMATS.values())
        what = f"A phantom of {title} is not written as {fmt}" if known else f"There is no format {fmt!r}"
        raise InputError(what, how=f"use --format {' or '.join(possible)}")
    return fmt


def init_command(images: Path, modality: str = "cxr", fmt: str | None = None) -> str:
    """The command line that reads what `write_phantom` wrote."""
    from ..layouts.known import dicom, folder, nifti

    options = {
        "png": ("--layout", folder.LAYOUT.name, "--subject", SUBJECT_PATTERN, "--label-from", "folder"),
        "dicom": ("--layout", dicom.LAYOUT.name, "--label-from", "folder"),
        "nifti": (
            "--layout",
            nifti.LAYOUT.name,
            "--subject",
            SUBJECT_PATTERN,
            "--label-from",
            "participants:diagnosis",
        ),
    }[check_format(modality, fmt)]
    return shlex.join(["unpersonal", "init", "my-study", "--images", str(images), *options])


def _drawer(drawn: Subjects, size: int, fmt: str, slices: int) -> Callable[[np.ndarray], np.ndarray]:
    """Visits int64 [b, 2] -> what is written of each: uint8 picture, raw picture or raw volume."""
    if fmt == "png":
        return lambda batch: render(drawn, batch, size)[:, 0]
    if fmt == "dicom":
        return lambda batch: render_raw(drawn, batch, size)
    return lambda batch: render_volume(drawn, batch, size, slices)


def _prepare(root: Path, kind: Modality, drawn: Subjects, fmt: str, labels: Sequence[str]) -> None:
    """A folder for each label, or the tables of BIDS."""
    if fmt != "nifti":
        for label in labels:
            (root / label).mkdir()
        return
    (root / "participants.tsv").write_bytes(participants_table(drawn.ids, drawn.labels).encode())
    (root / "dataset_description.json").write_bytes(dataset_description(kind.title).encode())


def _write_one(root: Path, drawn: Subjects, row: int, number: int, image: np.ndarray, fmt: str) -> None:
    subject, label = drawn.ids[row], drawn.labels[row]
    if fmt == "png":
        from PIL import Image

        buffer = BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        (root / label / f"{subject}_{number}.png").write_bytes(buffer.getvalue())
    elif fmt == "dicom":
        data = dicom_bytes(image, drawn.modality, subject, number, label, drawn.seed)
        (root / label / f"{subject}_{number}.dcm").write_bytes(data)
    else:
        path = root / nifti_path(drawn.modality, subject, number)
        path.parent.mkdir(parents=True)
        path.write_bytes(nifti_bytes(image))
