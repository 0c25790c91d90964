"""What a form of export is, and where forms are found.

A form is one object `FORM` in one module of `export`, or an entry point of the group `unpersonal.exports`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..core.registry import Registry


@dataclass(frozen=True)
class Image:
    """One released image: its `stem` (`img-000001`), where its PNG lies, its labels, and class probabilities."""

    stem: str
    path: Path
    sha256: str
    labels: tuple[str, ...]
    probabilities: Mapping[str, float] | None = None

    @property
    def label(self) -> str:
        """The labels as labels.csv has them: joined by `|`."""
        return "|".join(self.labels)

    def pixels(self) -> np.ndarray:
        """uint8 [H,W] (grey) or [H,W,3] (RGB)."""
        from PIL import Image as Pictures

        with Pictures.open(self.path) as picture:
            return np.asarray(picture.convert("L" if picture.mode == "L" else "RGB"), dtype=np.uint8)


@dataclass(frozen=True)
class Content:
    """A release that was checked: its images in their order, every class, and the SHA-256 of its manifest.json."""

    images: tuple[Image, ...]
    classes: tuple[str, ...]
    manifest_sha256: str
    modality: str = "OT"
    """What a DICOM header says of how such pictures are made."""

    @property
    def one_label_each(self) -> bool:
        """Whether every image has exactly one label, so that a class number can stand for it."""
        return all(len(image.labels) == 1 for image in self.images)


@dataclass(frozen=True)
class Written:
    """What a form wrote: what the loader of Hugging Face shall read, and how to read it otherwise, in Markdown."""

    data_files: tuple[str, ...]
    how: str


class Form(Protocol):
    """One form of export."""

    def write(self, content: Content, out: Path) -> Written:
        """Write the images and their labels into the empty folder `out`; the same content gives the same bytes."""


FORMS: Registry[Form] = Registry("export", package="unpersonal.release.export", attribute="FORM")


def write_tables(out: Path, content: Content, suffix: str) -> None:
    """labels.csv (`file,label`), metadata.csv (`file_name,label`) and, where there are any, probabilities.csv."""
    images = content.images
    _write_csv(out / "labels.csv", [("file", "label"), *((each.stem + suffix, each.label) for each in images)])
    named = ((f"images/{each.stem}{suffix}", each.label) for each in images)
    _write_csv(out / "metadata.csv", [("file_name", "label"), *named])
    if images and images[0].probabilities is not None:
        rows = list(_probabilities(content, suffix))
        _write_csv(out / "probabilities.csv", rows)


def _probabilities(content: Content, suffix: str) -> Iterator[tuple[str, ...]]:
    names = tuple(content.images[0].probabilities or ())
    yield ("file", *names)
    for image in content.images:
        told = image.probabilities or {}
        yield (image.stem + suffix, *(f"{told[name]:.3f}" for name in names))


def _write_csv(path: Path, rows: list[tuple[str, ...]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    path.write_bytes(stream.getvalue().encode("utf-8"))
