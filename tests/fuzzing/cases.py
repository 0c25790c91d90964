"""Every case by its kind and number: the input that these and the seed determine, and what the reader makes of it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.images.picture import DecodeOptions
from unpersonal.images.preprocess import PreprocessConfig
from unpersonal.layouts.config import CohortConfig

from . import commands, containers, contracts, foreign, places, rasters, trees, volumes
from .damage import damage
from .tables import Sheet, mutated_table

FILES: dict[str, tuple[Callable[[], dict[str, bytes]], str]] = {
    "png": (rasters.pngs, ".png"),
    "jpeg": (rasters.jpegs, ".jpg"),
    "tiff": (rasters.tiffs, ".tif"),
    "bmp": (rasters.bmps, ".bmp"),
    "webp": (rasters.webps, ".webp"),
    "dicom": (volumes.dicoms, ".dcm"),
    "nifti": (volumes.niftis, ""),
    "foreign": (foreign.foreigns, ""),
}
TABLES = ("csv", "tsv", "csv.gz", "parquet", "jsonl", "txt")
STUDY_FILES = {"store": "store/", "cohort": "cohort.parquet", "study": "study.toml"}
# how many of a hundred cases are of each kind
SHARES = {
    "png": 7.0, "jpeg": 6.0, "tiff": 7.0, "bmp": 3.0, "webp": 3.0, "dicom": 12.0, "nifti": 7.0, "mixed": 3.5,
    "cells": 5.5, "listings": 14.0, "folder": 1.2, "zip": 2.2, "table": 2.2, "filelist": 0.7, "nih": 0.8,
    "chexpert": 0.8, "mimic": 0.8, "kermany": 0.4, "mednist": 0.3, "dicom-files": 1.0, "nifti-files": 1.0,
    "imagefolder": 1.2, "saved-dataset": 1.2, "store": 0.7, "cohort": 0.6, "study": 0.4,
    "tar": 1.2, "nested": 1.6, "webdataset": 1.2, "parquet-images": 1.2, "masks": 0.6, "letters": 1.0, "spacing": 1.2,
    "foreign": 3.0, "hub-cache": 0.7, "links": 0.8, "others": 1.0, "no-pictures": 0.8,
    "sides": 7.0, "metrics": 2.0, "matches": 0.4, "labelled": 2.0, "releases": 2.2,
}  # fmt: skip
DECODED = (*FILES, "mixed")
LOOSE = ("sides", "metrics", "matches", "labelled")
"""Kinds of cases in which a tree of any kind is read as `audit`, `metrics`, `match` and `utility` do."""
SIDES = ("synthetic", "train", "control", "auxiliary")
UNCOUNTED = (*containers.PACKED, "hub-cache", "links", "masks", "no-pictures")
"""Kinds in which what lies there is not what the layouts count: images in archives, behind links, in headers."""
assert places  # adds its trees to those of the kinds
ODD = {"letters": containers.odd_letters, "spacing": containers.odd_spacing}
OTHER_FORMAT, AGAIN, DAMAGED = 0.1, 0.1, 0.6
SIZES = (32, 64)
SEVERAL = ("frames.dcm", "enhanced.dcm", "rle-frames.dcm", "j2k-frames.dcm")
REFUSED = {"frames.png", "pages.tif", "frames.webp", "no-size.dcm", "report.dcm", "series.nii", "empty.nii"}
"""Starting files that are refused as they stand."""


@dataclass(frozen=True)
class Case:
    """One mutated input: `kind:number` under a seed."""

    seed: int
    kind: str
    number: int

    @property
    def name(self) -> str:
        """As `--only` takes it."""
        return f"{self.kind}:{self.number}"

    def rng(self) -> Random:
        """Numbers that depend on the seed, the kind and the number alone."""
        return Random(f"{self.seed}:{self.kind}:{self.number}")


@cache
def starting_files(kind: str) -> dict[str, bytes]:
    """Valid files of one format, by name."""
    make, suffix = FILES[kind]
    return {name + suffix: data for name, data in make().items()}


@cache
def all_files() -> tuple[tuple[str, bytes], ...]:
    """The valid files of every format."""
    return tuple(item for kind in FILES for item in starting_files(kind).items())


def plan(count: int, seed: int, kinds: Sequence[str] = ()) -> list[Case]:
    """`count` cases of all kinds in their shares, mixed evenly, so that a part of them has all kinds."""
    shares = {kind: share for kind, share in SHARES.items() if not kinds or kind in kinds}
    whole = sum(shares.values())
    numbers = {kind: max(1, round(count * share / whole)) for kind, share in shares.items()}
    largest = max(numbers, key=lambda kind: numbers[kind])
    numbers[largest] += count - sum(numbers.values())
    placed = [((number + 0.5) / total, kind, number) for kind, total in numbers.items() for number in range(total)]
    return [Case(seed, kind, number) for _, kind, number in sorted(placed)]


def prepare(kinds: Sequence[str]) -> None:
    """Make what the cases start from, and import what they need: before processes are forked."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.ndimage  # noqa: F401

    all_files()
    for kind in trees.TREES if {"listings", *LOOSE} & set(kinds) else kinds:
        if kind in trees.TREES:
            trees.trees_of(kind)
    for kind in kinds:
        if kind in STUDY_FILES:
            study_files()
    if {"metrics", "matches"} & set(kinds):
        # else every process would import them in its first case, which takes half a minute where others use the cores
        commands.warm_up()


def run(case: Case, keep: Path | None = None) -> str:
    """What came of a case, in a few words; a broken contract and whatever a reader lets through is raised.

    `keep` is a folder that the input is written to.
    """
    rng = case.rng()
    if case.kind in DECODED:
        return _decode(case, rng, keep)
    if case.kind == "cells":
        return _cells(rng, keep)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        try:
            (work / "study").mkdir()
            if case.kind == "releases":
                return _release(rng, work)
            return _study(case, rng, work) if case.kind in STUDY_FILES else _tree(case, rng, work)
        finally:
            if keep is not None:
                shutil.copytree(work, keep / "input", symlinks=True, dirs_exist_ok=True, ignore=_pipes)


def _pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_fifo()]


def digest(case: Case) -> str:
    """A hash of a decoded case's input, to see that a number always gives the same."""
    file, data = _mutated_file(case.kind, case.rng())
    return hashlib.sha256(file.encode() + b"\0" + data).hexdigest()


# one file


def _mutated_file(kind: str, rng: Random) -> tuple[str, bytes]:
    every = all_files()
    name, data = rng.choice(list(starting_files(kind).items()) if kind in FILES else every)
    others = [rng.choice(every)[1]]
    if kind == "mixed":
        # one format under the name of another, or one spliced into another
        other_name, other = rng.choice(every)
        if rng.random() < 0.5:
            return other_name, damage(data, format_of(name), rng, [other]) if rng.random() < 0.5 else data
        cut, resume = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
        return rng.choice((name, other_name)), data[:cut] + other[resume:]
    return name, damage(data, format_of(name), rng, others)


def format_of(name: str) -> str:
    """The format of a starting file by its suffix."""
    return trees.kind_of(name)


def _decode(case: Case, rng: Random, keep: Path | None) -> str:
    file, data = _mutated_file(case.kind, rng)
    if keep is not None:
        (keep / file.replace("/", "_")).write_bytes(data)
    fragments = [""]
    if ".nii" in file and rng.random() < 0.9:
        fragments = [f"slice={rng.choice((0, 1, 5, 9, 99))}", f"slice={rng.randrange(12)}"]
    elif ("frames" in file or "enhanced" in file) and rng.random() < 0.8:
        fragments = [f"frame={rng.choice((0, 1, 2, 9))}" for _ in range(2)]
    window = rng.choice((None, None, None, (40.0, 400.0), (0.0, 1e-6)))
    options = DecodeOptions(window, rng.choice(("axial", "axial", "coronal", "sagittal")))
    config = PreprocessConfig(
        size=rng.choice(SIZES), fit=rng.choice(("crop", "pad")), normalisation=rng.choice(("auto", "percentile"))
    )
    return contracts.decode_case(data, file, fragments, options, config, rng.random() < AGAIN)


# one table


@cache
def _sheet() -> Sheet:
    rows: list[list[Any]] = [[f"d/p{i}.png", f"p{i}", "ab"[i % 2], str(i % 2), "", f"{i / 7:.3f}"] for i in range(12)]
    return Sheet(["file_name", "subject", "label", "x", "y", "score"], rows, ["file_name"])


def _cells(rng: Random, keep: Path | None) -> str:
    suffix = rng.choice(TABLES)
    pieces = [rng.choice(all_files())[1]]
    if suffix == "txt":
        columns = rng.choice((8, 8, 8, 1, 3))
        lines = [
            f"d/p {i}.png " + " ".join("1" if j == i % columns else "0" for j in range(columns)) for i in range(12)
        ]
        data = damage("\n".join(lines).encode(), "text", rng, pieces)
    else:
        data = mutated_table(_sheet(), f"t.{suffix}", rng, pieces)
    if keep is not None:
        (keep / f"t.{suffix}").write_bytes(data)
    return contracts.columns_case(data, f"t.{suffix}")


# one tree


def _pieces(rng: Random) -> list[bytes]:
    """Contents for files: of any format, whole or damaged."""
    pieces = []
    for _ in range(8):
        name, data = rng.choice(all_files())
        pieces.append(damage(data, format_of(name), rng) if rng.random() < DAMAGED else data)
    return pieces


def _tree(case: Case, rng: Random, work: Path) -> str:
    kind = rng.choice(list(trees.TREES)) if case.kind in ("listings", *LOOSE) else case.kind
    start = rng.choice(trees.trees_of(kind))
    zipped = kind == "zip" or (start.packable and rng.random() < 0.25)
    whole = kind == "zip" and rng.random() < 0.6  # what is mutated is the archive alone
    tree = start.finished() if whole else trees.mutated(start, kind, rng, _pieces(rng))
    if kind in ODD and rng.random() < 0.5:
        ODD[kind](tree, rng)
    archive = work / "in.zip" if zipped else None
    images = trees.write_tree(tree, work / "in", archive, rng if kind == "zip" else None)
    images = None if kind in UNCOUNTED else images
    target = "in.zip" if zipped else f"in/{tree.target}" if tree.target else "in"
    options = dict(tree.options)
    if "root" in options:
        options["root"] = f"in/{options['root']}"
    if case.kind in LOOSE:
        place = work / target
        if not (place.is_dir() or place.suffix in (".zip", ".tar", ".tgz")):
            place = work / "in"
        if case.kind == "matches":
            return commands.matched_case(place, rng.choice(("GALLERY", "IMAGES")))
        if case.kind == "labelled":
            return commands.labelled_case(work / target if rng.random() < 0.5 else place, tree.options)
        return commands.side_case(place, rng.choice(SIDES), whole=case.kind == "metrics")
    return _read(work, target, options, images, rng.random() < AGAIN, case.kind == "listings")


def _release(rng: Random, work: Path) -> str:
    tree = trees.mutated(containers.release(), "releases", rng, _pieces(rng))
    if rng.random() < 0.3:
        trees.write_tree(tree, work / "r", work / "r.zip", rng if rng.random() < 0.3 else None)
        return commands.release_case(work / "r.zip")
    trees.write_tree(tree, work / "r", None, None)
    return commands.release_case(work / "r")


def _read(
    work: Path, target: str, options: dict[str, Any], images: int | None, again: bool, listed: bool = False
) -> str:
    try:
        config = build_config(CohortConfig, {"images": target, **options}, where="the command line")
    except InputError:
        return "InputError"
    if listed:
        return contracts.listing_case(config, work, images)
    return contracts.cohort_case(config, PreprocessConfig(size=32), work, images, again)


# files of a study that are read again


@cache
def study_files() -> dict[str, bytes]:
    """A study that `init` wrote, the images that it was made of (`in/`), and its store before that was assembled."""
    from unpersonal.cohort.read import read
    from unpersonal.cohort.stage import write_reading
    from unpersonal.images.archives import FolderArchive
    from unpersonal.images.ingest import ingest
    from unpersonal.images.store import ImageStore
    from unpersonal.init import to_toml
    from unpersonal.presets import preset
    from unpersonal.study import StudyConfig

    tree = trees.folder()
    codec = PreprocessConfig(size=32)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "study").mkdir()
        trees.write_tree(tree, work / "in", None, None)
        config = CohortConfig(images="in", **tree.options)
        reading = read(config, 0, work, images=codec, store=work / "study/store", workers=1)
        write_reading(work / "study", reading)
        study = build_config(StudyConfig, {**preset("tiny"), "cohort": {"images": "in", **tree.options}}, where="t")
        (work / "study/study.toml").write_text(to_toml(study, "tiny"), encoding="utf-8")
        archive = FolderArchive(work / "in")
        store = ImageStore(work / "blocks", codec, DecodeOptions())
        ingest(archive.image_names(), archive, DecodeOptions(), codec, store, workers=1)
        found = {path.relative_to(work).as_posix(): path.read_bytes() for path in work.rglob("*") if path.is_file()}
    return dict(sorted(found.items()))


def _study(case: Case, rng: Random, work: Path) -> str:
    files = dict(study_files())
    wanted = STUDY_FILES[case.kind]
    blocks = case.kind == "store" and rng.random() < 0.5
    if blocks:
        # what a killed run leaves: blocks, and no array yet
        files = {name: data for name, data in files.items() if not name.startswith("study/store/")}
        files = {name.replace("blocks/", "study/store/", 1): data for name, data in files.items()}
    else:
        files = {name: data for name, data in files.items() if not name.startswith("blocks/")}
    names = [name for name in files if name.startswith(f"study/{wanted}")]
    for _ in range(1 + (case.kind == "store" and rng.random() < 0.3)):
        name = rng.choice(names)
        files[name] = damage(files[name], trees.kind_of(name), rng, [files[rng.choice(list(files))]])
    if case.kind == "cohort" and rng.random() < 0.4:
        files["study/cohort.parquet"] = _odd_cohort(study_files()["study/cohort.parquet"], rng)
    for name, data in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(data)
    if case.kind == "cohort":
        return contracts.load_case(work / "study")
    if case.kind == "study":
        return contracts.study_case(work / "study")
    outcome = _read(work, "in", dict(trees.folder().options), 24, rng.random() < AGAIN)
    contracts.require_images(work / "study", clean_rows())
    return outcome


def clean_rows() -> dict[str, bytes]:
    """Content to prepared pixels of the study as it was written."""
    files = study_files()
    return contracts.rows_by_content(files["study/store/index.parquet"], files["study/store/images.npy"])


def _odd_cohort(data: bytes, rng: Random) -> bytes:
    """cohort.parquet with odd values in place of those that `init` writes, or other metadata."""
    import io
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(io.BytesIO(data)).read()
    metadata = dict(table.schema.metadata)
    facts = json.loads(metadata[b"unpersonal"])
    if rng.random() < 0.5:
        facts[rng.choice(("classes", "seed", "colour"))] = rng.choice(
            (None, [], {}, "a", -1, 2**70, 1.5, ["a"], ["a", "a"], [None, "b"], [["a"], "b"], True)
        )
        if rng.random() < 0.2:
            facts.pop(rng.choice(list(facts)))
        metadata[b"unpersonal"] = json.dumps(facts).encode()
    else:
        column = rng.randrange(table.num_columns)
        name, count = table.column_names[column], len(table)
        values = table.column(column).to_pylist()
        odd = rng.choice((None, "", "nope", 1, 1.5, True, b"a", [], ["a"], ["nope"], [None], "train", "val-stop"))
        rows = range(count) if rng.random() < 0.5 else [rng.randrange(count)]
        for row in rows:
            values[row] = odd
        try:
            table = table.set_column(column, name, pa.array(values))
        except (pa.ArrowException, TypeError):
            table = table.set_column(column, name, pa.array([odd] * count))
        if rng.random() < 0.2:
            table = table.slice(0, rng.randrange(count))
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), stream)
    return stream.getvalue()


def unmutated() -> list[str]:
    """The starting files and trees as they are; returns those that do not give what they should."""
    bad = []
    for name, data in all_files():
        flat = ".nii" not in name or name.startswith(("flat", "one-slice"))
        fragments = ["frame=1"] if name in SEVERAL else [""] if flat else ["slice=2"]
        outcome = contracts.decode_case(data, name, fragments, DecodeOptions(), PreprocessConfig(size=32), True)
        if (outcome == "picture") == (name in REFUSED or name in starting_files("foreign")):
            bad.append(f"{name}: {outcome}")
    for kind in trees.TREES:
        for number, tree in enumerate(trees.trees_of(kind)):
            with tempfile.TemporaryDirectory() as temporary:
                work = Path(temporary)
                (work / "study").mkdir()
                images = trees.write_tree(tree.finished(), work / "in", None, None)
                images = None if kind in UNCOUNTED else images
                outcome = _read(work, f"in/{tree.target}".rstrip("/"), tree.options, images, False)
            if outcome != "cohort":
                bad.append(f"{kind} {number}: {outcome}")
    return bad
