"""What the journeys through `unpersonal init` share: phantom people, files of every form, and what a study must say.

Legend: n images, S = 32 pixels a side.
"""

from __future__ import annotations

import csv
import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from unpersonal.cli import app
from unpersonal.core.hashing import sha256_bytes
from unpersonal.phantom import phantom_cohort

SIZE = 32
FINDINGS = ("No Finding", "Pleural Effusion", "Cardiomegaly")
SPLITS = ("train", "val", "aux", "test")


# the command line


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(result, *fragments: str) -> str:
    """The one message of a command that ended with exit code 2; it holds every fragment."""
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert "Traceback" not in result.output
    messages = [line for line in result.stderr.splitlines() if line.startswith("unpersonal: ")]
    assert len(messages) == 1 and result.stderr.endswith(messages[0] + "\n"), result.stderr
    for fragment in fragments:
        assert fragment in messages[0], messages[0]
    assert "To mend it: " in messages[0], messages[0]
    return messages[0]


def try_init(study: Path, images: Path | str, *words: object):
    """`unpersonal init STUDY --images … --json`; what fails leaves nothing behind, what succeeds no workshop."""
    result = run("init", study, "--images", images, "--preset", "tiny", "--json", *words)
    assert not list(study.parent.glob(f".{study.name}*")), "half-written"
    assert study.exists() == (result.exit_code == 0)
    return result


def init(study: Path, images: Path | str, *words: object) -> Found:
    """A study that `unpersonal init` made; whatever was read is either kept or in the quarantine."""
    result = try_init(study, images, *words)
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stderr == "", result.stderr
    found = Found(study, conforms("init", result.stdout))
    found.assert_conserved()
    return found


@dataclass
class Found:
    """A study on disk and what `init --json` said of it."""

    study: Path
    json: dict[str, Any]

    @cached_property
    def table(self) -> pd.DataFrame:
        return pq.ParquetFile(self.study / "cohort.parquet").read().to_pandas()

    @cached_property
    def quarantine(self) -> dict[str, tuple[str, str]]:
        """Reason and detail by path."""
        with open(self.study / "quarantine.csv", encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        assert rows[0] == ["path", "reason", "detail"]
        assert len({path for path, _, _ in rows[1:]}) == len(rows) - 1
        assert rows[1:] == sorted(rows[1:])
        assert all(reason and detail for _, reason, detail in rows[1:])
        return {path: (reason, detail) for path, reason, detail in rows[1:]}

    @property
    def reasons(self) -> dict[str, str]:
        return {path: reason for path, (reason, _) in self.quarantine.items()}

    @property
    def images(self) -> np.ndarray:
        return np.load(self.study / "store" / "images.npy", mmap_mode="r")

    def warning(self, kind: str) -> dict[str, Any]:
        """The one warning of a kind."""
        (found,) = [warning for warning in self.json["warnings"] if warning["kind"] == kind]
        return found

    @property
    def warned(self) -> set[str]:
        return {warning["kind"] for warning in self.json["warnings"]}

    def assert_conserved(self) -> None:
        """read = kept + quarantined in the JSON, in the files and in the store."""
        said, kept, lost = self.json, len(self.table), len(self.quarantine)
        assert said["read"] == kept + lost and said["images"] == kept
        assert said["quarantined"] == dict(Counter(self.reasons.values()))
        assert not set(self.table["image"]) & set(self.quarantine)
        assert len(self.images) == kept
        assert sum(row["images"] for row in said["sizes"]) + said["other_sizes"]["images"] == kept
        assert sum(said["bits"].values()) == sum(said["channels"].values()) == kept


@dataclass(frozen=True)
class Truth:
    """One image as the test wrote it; `shown` uint8 [S,S] or [3,S,S] is how it must look in the store, within `near`.

    `content` is the file's (None: the image is one of several in its file).
    """

    subject: str
    labels: tuple[str, ...]
    content: bytes | None
    shown: np.ndarray | None = None
    split: str | None = None
    height: int = SIZE
    width: int = SIZE
    bits: int = 8
    channels: int = 1
    near: int = 0


def assert_says(found: Found, truth: Mapping[str, Truth], classes: tuple[str, ...], *, layout: str) -> None:
    """JSON, cohort.parquet and store/images.npy say exactly what was written and was to be kept."""
    said, table = found.json, found.table
    names = sorted(truth)
    rows = [truth[name] for name in names]
    assert said["layout"] == layout and said["classes"] == list(classes)
    assert said["read"] == len(rows) + len(found.quarantine)
    assert table.columns.tolist() == ["image", "subject", "labels", "split", "sha256"]
    assert table["image"].tolist() == names
    assert table["subject"].tolist() == [row.subject for row in rows]
    assert [tuple(labels) for labels in table["labels"]] == [row.labels for row in rows]
    for digest, row in zip(table["sha256"], rows, strict=True):
        assert row.content is None or digest == sha256_bytes(row.content)
    assert said["subjects"] == len({row.subject for row in rows})
    counts = np.array(list(Counter(row.subject for row in rows).values()))
    expected = {"min": counts.min(), "median": np.median(counts), "max": counts.max()}
    assert said["images_per_subject"] == expected
    sizes = Counter((row.height, row.width) for row in rows)
    assert {(s["height"], s["width"]): s["images"] for s in said["sizes"]} == dict(sizes)
    assert said["bits"] == {str(k): v for k, v in sorted(Counter(row.bits for row in rows).items())}
    assert said["channels"] == {str(k): v for k, v in sorted(Counter(row.channels for row in rows).items())}
    assert said["unlabelled"] == sum(not row.labels for row in rows)
    _assert_splits(found, rows, classes)
    _assert_pixels(found, rows)


def _assert_splits(found: Found, rows: list[Truth], classes: tuple[str, ...]) -> None:
    """Given splits are kept, no subject is in two, and the JSON counts what the table holds."""
    table, said = found.table, found.json
    for split, row in zip(table["split"], rows, strict=True):
        assert row.split is None or split == row.split
    assert table.groupby("subject")["split"].nunique().max() == 1

    def count(part: pd.DataFrame) -> dict[str, int]:
        return {"images": len(part), "subjects": part["subject"].nunique()}

    by_split = {split: table[table["split"] == split] for split in SPLITS}
    assert said["splits"] == {split: count(part) for split, part in by_split.items()}
    assert min(count["subjects"] for count in said["splits"].values()) > 0
    assert set(said["labels"]) == set(classes)
    for label in classes:
        parts = {"all": table, **by_split}
        labelled = {name: part[[label in labels for labels in part["labels"]]] for name, part in parts.items()}
        assert said["labels"][label] == {name: count(part) for name, part in labelled.items()}


def _assert_pixels(found: Found, rows: list[Truth]) -> None:
    colour = sum(row.channels == 3 for row in rows) * 2 > len(rows)
    assert found.json["colour"] == colour
    assert found.images.dtype == np.uint8
    assert found.images.shape == (len(rows), 3 if colour else 1, SIZE, SIZE)
    for image, row in zip(found.images, rows, strict=True):
        if row.shown is not None:
            difference = np.abs(image.astype(int) - row.shown.reshape(-1, SIZE, SIZE).astype(int))
            assert difference.max() <= row.near, (row.subject, difference.max())


# phantom people


@dataclass(frozen=True)
class People:
    """Phantom images uint8 [n,S,S] with subjects and labels, and what to call the visits."""

    images: np.ndarray
    subjects: list[str]
    labels: list[str]
    visits: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)


def draw_people(
    subjects: int = 45, *, seed: int = 11, findings: tuple[str, ...] = FINDINGS, size: int = SIZE
) -> People:
    images, names, labels = phantom_cohort(subjects, seed, size, findings=findings)
    seen: Counter[str] = Counter()
    visits = []
    for name in names:
        visits.append(seen[name])
        seen[name] += 1
    return People(images[:, 0], names, labels, visits)


# files


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file of uint8 [H,W] or [H,W,3], uint16 [H,W] or float32 [H,W] pixels, or of a Pillow image."""
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_file(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    """A PNG of filtered `rows`; `colour` is PNG's type (0 grey, 2 RGB). Header and content need not agree."""
    head = struct.pack(">2I5B", width, height, bits, colour, 0, 0, 0)
    chunks = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def write_files(root: Path, files: Mapping[str, bytes]) -> Path:
    """A folder with these files."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def zip_files(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip archive with these entries, in an order that is not that of their names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files, key=lambda name: sha256_bytes(name.encode())):
            archive.writestr(name, files[name])
    return path


def labelled_files(people: People, suffix: str = ".png", kind: str = "PNG") -> dict[str, bytes]:
    """`<label>/sub-00001_0.png` of every image, as `unpersonal phantom` names them."""
    return {
        f"{label}/{subject}_{visit}{suffix}": encoded(image, kind)
        for image, subject, label, visit in zip(
            people.images, people.subjects, people.labels, people.visits, strict=True
        )
    }
