"""The audit of anyone's synthetic data set: folders and zips in, audit.json and report.md out."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.strata import halve, subject_strata
from ..core.config import build_config
from ..core.errors import InputError
from ..core.files import write_json, write_text
from ..images.archives import open_archive
from ..images.decode import decode
from ..images.picture import ImageError
from ..images.preprocess import preprocess
from ..layouts.config import CohortConfig
from ..layouts.listing import Problems, subjects_by_pattern
from .config import AuditConfig
from .evaluate import audit_images
from .result import AuditResult

SIDE = 64
"""Side in pixels of the images that are compared; centre-cropped to a square, grey."""


@dataclass(frozen=True)
class Part:
    """Images uint8 [n,1,64,64], their subjects str [n], and how many files could not be read."""

    images: np.ndarray
    subjects: np.ndarray
    unreadable: int


def read_part(path: Path, name: str, subject: str | None) -> Part:
    """All images under a folder or zip, nested or flat. `subject` = regex, `file`, or None: people do not matter."""
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
        subjects = [unicodedata.normalize("NFC", person).strip() for person in subjects]
    # where every file is a person, equal names in two folders are two people
    prefix = f"{name}:" if subject == "file" else ""
    pixels, kept = [], []
    for file, person in zip(names, subjects, strict=True):
        try:
            decoded = decode(archive.open_bytes(file))
        except ImageError:
            continue
        pixels.append(preprocess(decoded, size=SIDE, fit="crop", colour=False))
        kept.append(prefix + person)
    if not pixels:
        raise InputError("No image here can be read", where=f"--{name} {path}", how="give PNG or JPEG images")
    return Part(np.stack(pixels), np.array(kept, dtype=str), len(names) - len(pixels))


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
    parts = {name: read_part(path, name, subject) for name, path in (("train", train), ("control", control))}
    parts["synthetic"] = read_part(synthetic, "synthetic", None)
    if parts["synthetic"].unreadable:
        raise InputError(
            f"{parts['synthetic'].unreadable} synthetic images cannot be read, and what is not read is not audited",
            where=f"--synthetic {synthetic}",
            how="remove or convert them",
        )
    notes = ["no labels were given: strata are images per subject alone, and attacks that need labels were not run"]
    if auxiliary is not None:
        parts["auxiliary"] = read_part(auxiliary, "auxiliary", subject)
    else:
        parts["control"], parts["auxiliary"] = _split_control(parts["control"], seed)
        notes.append("no auxiliary images were given: a seeded half of the control subjects serves as auxiliary")
    lost = sum(part.unreadable for part in parts.values())
    if lost:
        notes.append(f"{lost} files could not be read and were left out")
    result = audit_images(
        parts["train"].images,
        parts["train"].subjects,
        parts["control"].images,
        parts["control"].subjects,
        parts["synthetic"].images,
        parts["auxiliary"].images,
        parts["auxiliary"].subjects,
        config=config,
        seed=seed,
        advantage_policy=advantage_policy,
    )
    result = replace(result, notes=(*notes, *result.notes))
    figures = result.to_dict()
    write_json(out / "audit.json", figures)
    write_text(out / "report.md", markdown(figures))
    return result


def _split_control(control: Part, seed: int) -> tuple[Part, Part]:
    half = halve(subject_strata(control.subjects, [()] * len(control.subjects)), seed, "audit-auxiliary")
    second = np.array([half[str(name)] == 1 for name in control.subjects], dtype=bool)
    first = Part(control.images[~second], control.subjects[~second], control.unreadable)
    return first, Part(control.images[second], control.subjects[second], 0)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["(none)"]
    keys = list(rows[0])
    lines = ["| " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|" + " --- |" * len(keys)]
    for row in rows:
        cells = (f"{row[key]:.4g}" if isinstance(row[key], float) else str(row[key]) for key in keys)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def markdown(figures: Mapping[str, Any]) -> str:
    """The audit as a readable page; aggregates only, as they are in audit.json."""
    scalars = [
        {"figure": key.replace("_", " "), "value": value}
        for key, value in figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    lines = [f"# Audit: {figures['verdict']}", "", figures["claim"][0].upper() + figures["claim"][1:] + ".", ""]
    for title in ("reasons", "notes"):
        if figures[title]:
            lines += [f"## {title.capitalize()}", "", *(f"- {text}" for text in figures[title]), ""]
    lines += ["## Figures", "", *_table(scalars), "", "## Tests", "", *_table(figures["tests"]), ""]
    lines += ["## Weights", "", *_table(figures["weights"]["calibration"]), ""]
    lines += ["## Placebo", "", *_table([figures["placebo"]]), ""]
    planted = figures["planted"]
    lines += [
        "## Planted copies",
        "",
        f"{planted['power']:.1%} of {planted['copies']} copies isolated exactly their own subject"
        f" (lower bound {planted['power_lower']:.1%}).",
        "",
        *_table(planted["kinds"]),
        "",
        *_table(planted["mixtures"]),
        "",
    ]
    return "\n".join(lines)
