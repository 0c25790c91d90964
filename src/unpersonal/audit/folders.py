"""The audit of anyone's synthetic data set: folders and zips in, audit.json and report.md out."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.config import build_config
from ..core.errors import InputError
from ..core.files import write_json, write_text
from ..core.places import check_output_folder
from ..images.archives import open_archive
from ..images.decode import decode
from ..images.picture import ImageError
from ..images.preprocess import preprocess
from ..layouts.config import CohortConfig
from ..layouts.listing import Problems, subjects_by_pattern
from .config import AuditConfig
from .evaluate import audit_images
from .images import SubjectImages
from .markdown import markdown
from .result import AuditResult

SIDE = 64
"""Side in pixels of the images that are compared; centre-cropped to a square, grey."""


def read_images(path: Path, name: str, subject: str | None) -> SubjectImages:
    """All images under a folder or zip, nested or flat, as uint8 [n,1,64,64].

    `subject` is a regex, `file` (every file is a subject), or None: subjects do not matter.
    """
    archive = open_archive(path)
    names = archive.image_names()
    if not names:
        raise InputError("There are no images here", where=f"--{name} {path}", how="name a folder or zip of images")
    subjects = [""] * len(names)
    if subject is not None:
        problems = Problems(f"--{name} {path}")
        subjects = subjects_by_pattern(names, subject, problems)
        problems.raise_any()
        # composed and decomposed letters are one spelling, as in the cohort
        subjects = [unicodedata.normalize("NFC", spelling).strip() for spelling in subjects]
    # where every file is a subject, equal names in two folders are two subjects
    prefix = f"{name}:" if subject == "file" else ""
    pixels, kept = [], []
    for file, subject_of_file in zip(names, subjects, strict=True):
        try:
            decoded = decode(archive.open_bytes(file))
        except ImageError:
            continue
        pixels.append(preprocess(decoded, size=SIDE, fit="crop", colour=False))
        kept.append(prefix + subject_of_file)
    if not pixels:
        raise InputError("No image here can be read", where=f"--{name} {path}", how="give PNG or JPEG images")
    return SubjectImages(np.stack(pixels), np.array(kept, dtype=str), unreadable=len(names) - len(pixels))


def audit_folders(
    train: Path,
    control: Path,
    synthetic: Path,
    subject: str,
    out: Path,
    *,
    auxiliary: Path | None = None,
    seed: int = 0,
    config: AuditConfig | None = None,
    advantage_policy: float = 0.05,
) -> AuditResult:
    """Audit images in folders or zips; writes out/audit.json and out/report.md.

    `subject` is a regex with the named group `subject`, searched in the path relative to the root, or `file`; it is
    not applied to `synthetic`. Without `auxiliary` a seeded half of the control subjects serves, and the notes say so.
    Raises `InputError` for every problem of the input before anything is written.
    """
    # the cohort's configuration knows what a subject pattern must look like
    build_config(CohortConfig, {"images": ".", "subject": subject}, where="--subject")
    check_output_folder(out)
    sets, released, notes = _read_sets(train, control, synthetic, auxiliary, subject, seed)
    result = audit_images(
        sets["train"],
        sets["control"],
        released,
        sets["auxiliary"],
        config=config,
        seed=seed,
        advantage_policy=advantage_policy,
    )
    figures = replace(result.figures, notes=(*notes, *result.figures.notes))
    write_json(out / "audit.json", figures.to_json())
    write_text(out / "report.md", markdown(figures))
    return replace(result, figures=figures)


def _read_sets(
    train: Path, control: Path, synthetic: Path, auxiliary: Path | None, subject: str, seed: int
) -> tuple[dict[str, SubjectImages], np.ndarray, list[str]]:
    """Sets of subjects by name, the synthetic images uint8 [m,1,64,64], and notes on how they came about."""
    sets = {name: read_images(path, name, subject) for name, path in (("train", train), ("control", control))}
    released = read_images(synthetic, "synthetic", None)
    if released.unreadable:
        raise InputError(
            f"{released.unreadable} synthetic images cannot be read, and what is not read is not audited",
            where=f"--synthetic {synthetic}",
            how="remove or convert them",
        )
    notes = ["no labels were given: strata are images per subject alone, and attacks that need labels were not run"]
    lost = sum(given.unreadable for given in sets.values())
    if auxiliary is not None:
        sets["auxiliary"] = read_images(auxiliary, "auxiliary", subject)
        lost += sets["auxiliary"].unreadable
    else:
        sets["control"], sets["auxiliary"] = sets["control"].halves(seed, "audit-auxiliary")
        notes.append("no auxiliary images were given: a seeded half of the control subjects serves as auxiliary")
    if lost:
        notes.append(f"{lost} files could not be read and were left out")
    return sets, released.images, notes
