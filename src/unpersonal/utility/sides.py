"""A side of the cross-dataset matrix: any labelled folder, zip, table or release, every file of it accounted for."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..cohort.dealing import join
from ..core.config import build_config
from ..core.errors import InputError
from ..core.hashing import sha256_bytes
from ..core.memory import refuse_pictures
from ..core.tensors import open_array
from ..images.archives import FolderArchive, ZipArchive
from ..images.ingest import ingest
from ..images.picture import ImageError, split_name
from ..images.preprocess import PreprocessConfig
from ..images.reasons import Reason
from ..images.store import ImageStore
from ..layouts.account import counted, kind_of_file
from ..layouts.columns import TABLE_SUFFIXES, read_columns
from ..layouts.config import CohortConfig
from ..layouts.labels import SCHEMES
from ..layouts.listing import Listing, Refusal
from ..layouts.options import refuse_unused
from ..layouts.read import read_listing

LABELS_FILE = "labels.csv"
"""The table of a release, whose images lie in the folder `images` beside it."""
HELD = 6
"""Bytes of each pixel: as it is read, assembled, and as a number of the classifier."""
IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "file", "filename", "path"), ("label", "labels")
"""Names that the columns of a table may have, the first that is there being taken."""


@dataclass(frozen=True)
class Question:
    """How a side is read: `labels` as in `read_labelled`, the pattern of subjects, the layout, the form of images."""

    labels: str | None
    subject: str | None
    layout: str
    form: PreprocessConfig


@dataclass(frozen=True)
class LabelledSide:
    """What was read at `path`: images uint8 [n, C, S, S], their label names, and who is on them.

    `groups` [n] are subjects, those joined who share a picture; where `known` is false, every picture is one.
    `pixels` [n] are hashes of the prepared images. Files and pictures found = n + `refused` + `ignored`.
    """

    name: str
    path: Path
    release: bool
    images: np.ndarray
    labels: tuple[tuple[str, ...], ...]
    groups: np.ndarray
    known: bool
    pixels: np.ndarray
    refused: Mapping[str, int]
    ignored: int
    notes: tuple[str, ...] = ()
    refused_by_suffix: Mapping[str, int] = field(default_factory=dict)
    ignored_by: Mapping[str, int] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({label for row in self.labels for label in row}))

    def targets(self, classes: tuple[str, ...]) -> np.ndarray:
        """Multi-hot float32 [n, K]; an image without any of the K `classes` is a row of zeros."""
        return np.array([[float(name in row) for name in classes] for row in self.labels], dtype=np.float32)


def is_release(path: Path) -> bool:
    """Whether a folder holds its labels itself, in a table beside its images."""
    return (path / LABELS_FILE).is_file() and (path / "images").is_dir()


def read_labelled(path: Path, name: str, option: str, question: Question) -> LabelledSide:
    """Read a side completely.

    Labels: of a release or a table its own; else `question.labels`, which is `folder`, a pattern with the group
    `label`, a scheme, or a table of the images in the folder `path`; None: what the layout says. An image that nobody
    labelled is refused. Who is on an image: the subject pattern, where it finds somebody, else what the input says,
    else nobody knows. Whatever else is wrong is an `InputError`.
    """
    where = f"{option} {path}"
    if (path / "study.toml").is_file():
        raise InputError("This is a study, no data set", where=where, how="name its folder `release`, or its images")
    try:
        with unpacked(path) as (place, beside):
            keys = _settings(place, question)
            config, listing, known, notes = _listed(keys, question, where)
            if question.labels is not None and "label_from" in keys:
                refuse_unused(config, listing.layout, {"label_from"})
            images, listing, refused = _prepared(config, listing, question.form, where)
            release = is_release(place)
    except InputError as error:
        told = error.where if error.where and option in error.where else f"{option} {error.where or path}"
        raise InputError(error.what, where=told, how=error.how) from None
    records = listing.records
    pixels = np.array([sha256_bytes(image.tobytes()) for image in images], dtype=object)
    return LabelledSide(
        name=name,
        path=path,
        release=release,
        images=images,
        labels=tuple(record.labels for record in records),
        groups=_groups(np.array([record.subject for record in records], dtype=object), pixels),
        known=known,
        pixels=pixels,
        refused=counted(reason.value for _, reason, _ in refused),
        refused_by_suffix=counted(kind_of_file(name) for name, _, _ in refused),
        ignored=listing.ignored + len(beside),
        ignored_by=dict(Counter(listing.ignored_by) + Counter(map(kind_of_file, beside))),
        notes=notes,
    )


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """The path, or a folder for the block with labels and images of the release of which it is a zip; and the files
    that lie beside these.

    A file of the release that cannot be read in the zip is an `InputError`.
    """
    if not path.is_file() or not zipfile.is_zipfile(path) or path.name.lower().endswith(TABLE_SUFFIXES):
        yield path, _beside(FolderArchive(path).names()) if is_release(path) else []
        return
    archive = ZipArchive(path)
    names = archive.names()
    tables = [name.removesuffix(LABELS_FILE) for name in names if PurePosixPath(name).name == LABELS_FILE]
    places = [place for place in tables if any(name.startswith(f"{place}images/") for name in names)]
    if len(places) != 1:
        yield path, []
        return
    with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
        for name in names:
            inside = name.removeprefix(places[0])
            if name.startswith(places[0]) and (inside == LABELS_FILE or inside.startswith("images/")):
                target = Path(folder) / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_content(archive, name))
        yield Path(folder), _beside(names, places[0])


def _beside(names: Sequence[str], place: str = "") -> list[str]:
    """The files that are neither the labels nor among the images of a release at `place`."""
    inside = (f"{place}{LABELS_FILE}", f"{place}images/")
    return [name for name in names if name != inside[0] and not name.startswith(inside[1])]


def _content(archive: ZipArchive, name: str) -> bytes:
    try:
        return archive.open_bytes(name)
    except ImageError as error:
        raise InputError(
            f"{name} cannot be read: {error}", where=str(archive.root), how="make the archive anew, or name the folder"
        ) from None


def _settings(path: Path, question: Question) -> dict[str, Any]:
    """The keys of `[cohort]` for a side; who is on its images is asked apart."""
    labels = question.labels
    if is_release(path):
        table = _table_keys(path / LABELS_FILE, path / "images")
        # a release writes nothing where an image has no finding
        return {**table, "missing": "zero", "subject": "file"}
    scheme = {"labels": labels} if labels in SCHEMES else {}
    if path.is_file() and path.name.lower().endswith(TABLE_SUFFIXES):
        return {**_table_keys(path, None), **scheme}
    if labels is not None and labels.lower().endswith(TABLE_SUFFIXES):
        table_path = Path(labels).expanduser()
        if not table_path.is_file():
            raise InputError("There is no such table", where=f"--labels {labels}", how="correct its path")
        return _table_keys(table_path, path)
    keys: dict[str, Any] = {"images": str(path), "layout": question.layout}
    return {**keys, **scheme} if scheme or labels is None else {**keys, "label_from": labels}


def _table_keys(table: Path, root: Path | None) -> dict[str, Any]:
    there = read_columns(table, frozenset()).cells
    keys: dict[str, Any] = {"images": str(table), "layout": "table", "missing": "ignore"}
    for key, names in (("image_column", IMAGE_COLUMNS), ("label_column", LABEL_COLUMNS)):
        if found := [name for name in names if name in there]:
            keys[key] = found[0]
    return keys if root is None else {**keys, "root": str(root)}


def _listed(
    keys: dict[str, Any], question: Question, where: str
) -> tuple[CohortConfig, Listing, bool, tuple[str, ...]]:
    """The configuration, what it lists, whether somebody says who is on the images, and what is odd about that."""

    def read(subject: str | None) -> tuple[CohortConfig, Listing]:
        config = build_config(CohortConfig, {**keys, "subject": subject}, where=where)
        return config, read_listing(config, Path(), frozenset(keys))

    if keys.get("subject") == "file":
        return *read("file"), False, ()
    bare = read("file")
    if question.subject == "file":
        return *bare, True, ()
    if question.subject is not None:
        build_config(CohortConfig, {**keys, "subject": question.subject}, where="--subject")
        if any(re.search(question.subject, split_name(record.image)[0]) for record in bare[1].records):
            return *read(question.subject), True, ()
    try:
        return *read(None), True, ()
    except InputError:
        # all else that can be wrong was raised by the first reading
        return *bare, False, ("nobody says who is on its pictures: each stands for itself",)


def _prepared(
    config: CohortConfig, listing: Listing, form: PreprocessConfig, where: str
) -> tuple[np.ndarray, Listing, list[Refusal]]:
    """Images uint8 [n, C, S, S], the listing of those alone, and what was refused."""
    with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
        names = [record.image for record in listing.records]
        refuse_pictures(len(names), form.size, HELD, what=f"{len(names):,} pictures", where=where)
        options = config.decoding()
        store = ImageStore(Path(folder), form, options, text=False)
        facts = ingest(names, listing.archive, options, form, store)
        usable = (facts["reason"] == "").to_numpy(bool)
        labelled = np.array([record.labelled for record in listing.records], dtype=bool)
        kept = np.flatnonzero(usable & labelled)
        refused = list(listing.refused)
        looked_at = zip(names, facts["reason"], facts["detail"], strict=True)
        refused += [(name, Reason(reason), detail) for name, reason, detail in looked_at if reason]
        refused += [(names[row], Reason.LABEL_MISSING, "") for row in np.flatnonzero(usable & ~labelled)]
        refused += [(name, Reason.OUTSIDE, "a link to a folder") for name in listing.archive.skipped]
        if not len(kept):
            counts = counted(reason.value for _, reason, _ in refused)
            told = ", ".join(f"{count} {reason}" for reason, count in counts.items())
            raise InputError(
                f"No picture here can be read with a label ({told or 'there is none'})",
                where=where,
                how="name a folder, zip, table or release with labelled pictures",
            )
        rows = facts.iloc[kept]
        store.assemble(rows["content"].tolist(), 3 if (rows["channels"] == 3).mean() > 0.5 else 1)
        images = np.array(open_array(Path(folder) / "images.npy"))
    records = tuple(listing.records[row] for row in kept)
    return images, replace(listing, records=records), refused


def _groups(subjects: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Subjects [n] as text, under one name where they share a picture."""
    _, first, code = np.unique(pixels.astype(str), return_index=True, return_inverse=True)
    origin = first[code.reshape(-1)]
    links = [(int(row), int(other)) for row, other in enumerate(origin) if row != other]
    joined = join(subjects, links) if links else {}
    return np.array([joined.get(str(subject), str(subject)) for subject in subjects], dtype=object)


def same_place(first: Path, second: Path) -> bool:
    """Whether two paths lead to one folder or file."""
    return os.path.realpath(first) == os.path.realpath(second)
