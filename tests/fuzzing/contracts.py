"""What a reader owes for any input: a picture or one reason, a cohort that conserves or one InputError."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unpersonal.cohort import read as reader
from unpersonal.cohort import table
from unpersonal.cohort.inspect.printing import print_understanding
from unpersonal.cohort.splits import POOL
from unpersonal.cohort.stage import figures, write_reading
from unpersonal.core.errors import InputError
from unpersonal.images import decode, dicom, formats, nifti, preprocess
from unpersonal.images.archives import FolderArchive
from unpersonal.images.burned_text import text_score
from unpersonal.images.picture import (
    MAX_PIXELS,
    MERE_NOTES,
    MIN_SIDE,
    NOTES,
    DecodeOptions,
    ImageError,
    Picture,
    split_name,
)
from unpersonal.images.preprocess import PreprocessConfig
from unpersonal.images.reasons import Reason
from unpersonal.images.store import ImageStore
from unpersonal.layouts import columns
from unpersonal.layouts import read as readers
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.known import filelist
from unpersonal.layouts.listing import Listing

COMPLETE = ("folder", "kermany", "mednist")
"""Layouts that read every image file there is."""
MEMORY = "MemoryError"


class Broken(Exception):
    """The contract is broken: the sentence says how."""


def require(condition: bool, what: str) -> None:
    """`Broken` unless the condition holds."""
    if not condition:
        raise Broken(what)


def decode_case(
    data: bytes, file: str, fragments: Sequence[str], options: DecodeOptions, config: PreprocessConfig, again: bool
) -> str:
    """Decode, check and prepare one file as ingestion does; returns `picture` or `refused: <reason>` (first fragment).

    With `again` the file is decoded twice, and must give the same.
    """
    _headers(data, file)
    found = formats.decode_pictures(data, fragments, options, config.enough)
    require(isinstance(found, list) and len(found) == len(fragments), f"{len(found)} results of {len(fragments)}")
    for one in found:
        require(isinstance(one, (Picture, ImageError)), f"{type(one).__name__} instead of a picture")
    if again:
        second = formats.decode_pictures(data, fragments, options, config.enough)
        require(all(map(_alike, found, second)), "a second look gives another result")
    outcomes = [_check_refusal(one) if isinstance(one, ImageError) else _check_picture(one, config) for one in found]
    return outcomes[0]


def _headers(data: bytes, file: str) -> None:
    """The readers of headers raise nothing but `ImageError`."""
    kind = formats.kind_of(data)
    try:
        if kind == "dicom":
            dicom.read_header(data, ("BodyPartExamined", "WindowCenter"))
        elif kind == "nifti":
            nifti.read_nifti_header(data)
    except ImageError as error:
        _check_refusal(error)


def _check_refusal(error: ImageError) -> str:
    require(isinstance(error.reason, Reason), f"the reason {error.reason!r} is none that is documented")
    sentence = bool(error.detail) and error.detail.isprintable() and len(error.detail) < 500
    require(sentence, f"{error.detail!r} is no sentence")
    require(MEMORY not in error.detail, "out of memory")
    _encodable(error.detail, "the detail of a refusal")
    return f"refused: {error.reason}"


def _check_picture(picture: Picture, config: PreprocessConfig) -> str:
    pixels, height, width = picture.pixels, picture.height, picture.width
    require(isinstance(pixels, np.ndarray) and pixels.dtype in (np.uint8, np.uint16), "pixels of another type")
    require(pixels.ndim == 3 and pixels.shape[0] in (1, 3), f"pixels of shape {pixels.shape}")
    require(
        height * width <= MAX_PIXELS and min(height, width) >= MIN_SIDE, f"{width} × {height} pixels are let through"
    )
    require(all(type(number) is int for number in (height, width, picture.bits)), "sizes that are no integers")
    shown = pixels.shape[1:]
    if shown != (height, width):
        reduced = [{-(-side * n // 8) for n in range(1, 9)} for side in (height, width)]
        require(shown[0] in reduced[0] and shown[1] in reduced[1], f"{shown} pixels of a {height} × {width} picture")
        require(min(shown) >= (config.enough or 0), f"reduced to {shown}")
    require(1 <= picture.bits <= 64 and isinstance(picture.windowed, bool), "facts out of range")
    require(set(picture.notes) <= {*NOTES, *MERE_NOTES}, "a note that is not in the vocabulary")
    try:
        decode.check_content(pixels)
    except ImageError as error:
        return _check_refusal(error)
    score = text_score(pixels)
    require(math.isfinite(score) and score >= 0, f"text score {score}")
    image = preprocess.prepare(picture, config)
    size = config.size
    require(image.dtype == np.uint8 and image.shape in ((1, size, size), (3, size, size)), f"prepared {image.shape}")
    return "picture"


def _alike(first: Picture | ImageError, second: Picture | ImageError) -> bool:
    if isinstance(first, ImageError) or isinstance(second, ImageError):
        return str(first) == str(second)
    facts = [(one.height, one.width, one.bits, one.notes, one.windowed) for one in (first, second)]
    return facts[0] == facts[1] and np.array_equal(first.pixels, second.pixels)


def columns_case(data: bytes, name: str) -> str:
    """The cells of one table; returns `table` or `InputError`."""
    try:
        if name.endswith(".txt"):
            rows, classes = filelist.parse_filelist(columns.decode_text(data, "t"), where="t")
            require(all(path and set(labels) <= set(classes) for path, labels in rows), "a row without a path")
            return "table"
        found = columns.parse_columns(name, data, where="t")
    except InputError as error:
        return check_input_error(error)
    lengths = {len(column) for column in found.cells.values()}
    require(lengths <= {len(found)}, f"columns of {sorted(lengths)} cells in a table of {len(found)} rows")
    for column in found.cells:
        require(all(isinstance(text, str) for text in found.texts(column)), "a cell without text")
    return "table"


def check_input_error(error: InputError) -> str:
    """`InputError`, if it has all of its parts."""
    require(bool(error.what and error.where and error.how), f"an InputError that lacks a part: {error}")
    require(MEMORY not in str(error), "out of memory")
    return "InputError"


def cohort_case(
    config: CohortConfig,
    codec: PreprocessConfig,
    work: Path,
    images: int | None,
    again: bool,
    store: Path | None = None,
) -> str:
    """Read an input completely and check what came of it; returns `cohort` or `InputError`.

    `images` is the number of image files, where the layout reads all of them; `again` reads anew, from the store.
    """
    folder = store or work / "study" / "store"
    try:
        reading = reader.read(config, 0, work, images=codec, store=folder, workers=1)
    except InputError as error:
        return check_input_error(error)
    _check_conservation(config, work, reading, images)
    _check_store(folder, config, codec, reading.cohort)
    _check_written(work / "study", reading)
    if again:
        second = reader.read(config, 0, work, images=codec, store=folder, workers=1)
        same = second.cohort.table.equals(reading.cohort.table) and second.quarantine == reading.quarantine
        require(same, "the second reading gives another cohort")
        _check_store(folder, config, codec, second.cohort)
    return "cohort"


def _check_conservation(config: CohortConfig, work: Path, reading: reader.Reading, images: int | None) -> None:
    cohort, quarantine = reading.cohort, reading.quarantine
    listing = readers.read_listing(config, work)
    listed = Counter([record.image for record in listing.records] + [row[0] for row in listing.refused])
    kept = Counter(cohort.table["image"])
    found = kept + Counter(path for path, _, _ in quarantine)
    require(found == listed, f"{sum(listed.values())} images read, {sum(found.values())} kept or quarantined")
    require(max(kept.values()) == 1, "an image was kept twice")
    if images is not None and listing.layout in COMPLETE:
        require(sum(found.values()) == images, f"{images} image files, {sum(found.values())} kept or quarantined")
    for path, reason, detail in quarantine:
        require(isinstance(reason, Reason), f"the reason {reason!r} is none that is documented")
        require(MEMORY not in detail, "out of memory")
        require("process" not in detail or "died" not in detail, "a decoder died")
        _encodable(path, "a path in the quarantine")
    _check_listing(listing)
    if isinstance(listing.archive, FolderArchive):
        root = os.path.realpath(listing.archive.root)
        # a snapshot in a cache of the Hub consists of links into the blobs of that cache
        cache, _, _ = root.partition("/snapshots/")
        allowed = (root, os.path.join(cache, "blobs")) if cache != root else (root,)
        for image in kept:
            inside = os.path.realpath(os.path.join(root, split_name(image)[0]))
            require(
                any(os.path.commonpath([top, inside]) == top for top in allowed), "an image outside the root was kept"
            )


def _check_listing(listing: Listing) -> None:
    """What every layout owes to what follows."""
    names = [record.image for record in listing.records]
    require(names == sorted(names) and len(set(names)) == len(names), "records that are not in order, or doubled")
    labels = {label for record in listing.records for label in record.labels}
    require(labels <= set(listing.classes), "a label that is none of the classes")
    require(not set(names) & {row[0] for row in listing.refused}, "an image is both listed and refused")
    for record in listing.records:
        require(bool(record.subject) and all(record.labels), "an empty subject or label")
        require(record.split in (None, "train", "val", "aux", "test", POOL), f"the split {record.split!r}")


def listing_case(config: CohortConfig, work: Path, images: int | None) -> str:
    """List an input without opening its images; returns `listing` or `InputError`."""
    try:
        listing = readers.read_listing(config, work)
    except InputError as error:
        return check_input_error(error)
    _check_listing(listing)
    for _, reason, _ in listing.refused:
        require(isinstance(reason, Reason), f"the reason {reason!r} is none that is documented")
    if images is not None and listing.layout in COMPLETE:
        read = len(listing.records) + len(listing.refused)
        require(read == images, f"{images} image files, {read} listed or refused")
    return "listing"


def _check_store(folder: Path, config: CohortConfig, codec: PreprocessConfig, cohort: table.Cohort) -> None:
    """Every kept content is in the store, in the order of the cohort, as it was written."""
    store = ImageStore(folder, codec, config.decoding())
    channels = 3 if cohort.colour else 1
    require(store.holds(cohort.table["sha256"].tolist(), channels), "a kept image is not in the store")


def _check_written(study: Path, reading: reader.Reading) -> None:
    """What is written can be read again and says the same."""
    from rich.console import Console

    cohort, quarantine, understood = reading.cohort, reading.quarantine, reading.understanding
    study.mkdir(exist_ok=True)
    write_reading(study, reading)
    loaded = table.load_cohort(study)
    require(
        loaded.table.equals(cohort.table) and loaded.classes == cohort.classes, "cohort.parquet says something else"
    )
    with open(study / "quarantine.csv", encoding="utf-8", newline="") as stream:
        rows = [tuple(row) for row in csv.reader(stream)][1:]
    require(rows == [tuple(row) for row in quarantine], "quarantine.csv says something else")
    require(understood.read == len(cohort) + len(quarantine), "what was understood does not add up")
    json.dumps(figures(cohort, understood).to_json(), allow_nan=False)
    print_understanding(understood, Console(file=io.TextIOWrapper(io.BytesIO(), "utf-8"), highlight=False))
    use_cohort(loaded)


def use_cohort(cohort: table.Cohort) -> None:
    """Everything that later stages ask of a cohort."""
    require(cohort.targets.shape == (len(cohort), len(cohort.classes)), "targets of another shape")
    require(len(cohort.labels) == len(cohort.subjects) == len(cohort.splits) == len(cohort), "columns of other lengths")
    parts = [set(cohort.rows(part).tolist()) for part in (*table.SPLITS, table.CONTROL)]
    require(sum(map(len, parts)) == len(cohort), "an image is in no split or in two")
    halves = [cohort.rows(part) for part in table.HALVES]
    require(all(rows.dtype == np.int64 for rows in halves), "rows that are no integers")


def _encodable(text: str, what: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Broken(f"{what} cannot be written as UTF-8") from None


def rows_by_content(index: bytes, images: bytes) -> dict[str, bytes]:
    """Content to prepared pixels of a store's two files."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(io.BytesIO(index)).read(columns=["content", "row"]).to_pylist()
    array = np.load(io.BytesIO(images), allow_pickle=False)
    return {row["content"]: array[row["row"]].tobytes() for row in table if row["row"] >= 0}


def require_images(study: Path, clean: Mapping[str, bytes]) -> None:
    """Whatever a damaged store held, each image is now what it was before the damage."""
    index, images = study / "store" / "index.parquet", study / "store" / "images.npy"
    if index.exists() and images.exists():
        rows = rows_by_content(index.read_bytes(), images.read_bytes())
        require(all(rows[content] == clean.get(content) for content in rows), "an image in the store is not its own")


def load_case(study: Path) -> str:
    """Read cohort.parquet again; returns `cohort` or `InputError`."""
    try:
        cohort = table.load_cohort(study)
    except InputError as error:
        return check_input_error(error)
    use_cohort(cohort)
    return "cohort"


def study_case(study: Path) -> str:
    """Open a study folder; returns `study` or `InputError`."""
    from unpersonal.study import Study

    try:
        opened: Any = Study.open(study)
    except InputError as error:
        return check_input_error(error)
    opened.freshness()
    return "study"
