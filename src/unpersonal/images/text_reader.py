"""What is written in images that look as if text were burned in: told by an optional reader, counted, never kept.

The reader is RapidOCR (extra `ocr`): the networks PP-OCRv6 of PaddleOCR, Apache-2.0, whose weights lie in its wheel;
nothing is fetched. It runs in processes of its own, one thread each, for a crash must cost one image. Legend: C
channels, H rows, W columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from PIL import Image

from ..core.errors import InputError
from ..core.progress import progress_bar
from ..core.workers import Pool
from .archives import ImageArchive
from .formats import decode_pictures
from .picture import DecodeOptions, Picture, split_name
from .preprocess import to_eight_bits
from .text_use import Use

EXTRA = "pip install 'unpersonal[ocr]'"
PACKAGES = ("rapidocr", "onnxruntime")
MOST_READ = 1000
"""Images that are read at most, evenly spread over all: a tenth of a second each."""
PER_TASK = 4
SECONDS = 60.0
"""After which the reading of one image has failed."""

DETECTOR_SIDE = 448
"""The shorter side is enlarged to this, pixels: twice the speed of RapidOCR's 736, and nothing more was missed."""
LARGEST = 1024
"""A longer side is reduced below this first, by whole factors, pixels."""

SURE = 0.5
"""Confidence from which a line counts as read."""
LETTERS = 3
"""Letters and digits from which a line may say who somebody is: fewer letters are a marker such as L, R or A-P."""

Kind = Literal["read", "unreadable", "marker", "none", "failed"]


@dataclass(frozen=True)
class TextReading:
    """What was found in one image.

    Text that was `read`, with the number of its letters and digits; something that looks like text and is `unreadable`;
    nothing but a `marker` of one or two letters; `none`; or the reader `failed`.
    """

    kind: Kind
    characters: int = 0


FAILED = TextReading("failed")


@dataclass(frozen=True)
class TextReadings:
    """How many images are of each kind, and the most letters and digits in one; `left` were not given to the reader."""

    kinds: dict[str, int]
    characters: int
    left: int = 0

    @classmethod
    def of(cls, readings: Sequence[TextReading], left: int = 0) -> TextReadings:
        """The counts of single readings."""
        counts = Counter(reading.kind for reading in readings)
        return cls(dict(sorted(counts.items())), max((reading.characters for reading in readings), default=0), left)

    @property
    def harmless(self) -> bool:
        """Whether every image was looked at, and each holds markers alone or nothing."""
        return not self.left and not {"read", "unreadable", "failed"} & self.kinds.keys()


def reader_at_hand(use: Use) -> bool:
    """Whether flagged images are read; an `InputError` where they must be and the extra is not installed."""
    if use == "never":
        return False
    if all(find_spec(package) for package in PACKAGES):
        return True
    if use == "always":
        raise InputError(
            "The reader of burned-in text is not installed", where="read_text = always", how=f"{EXTRA}, or choose auto"
        )
    return False


def judge(lines: Sequence[tuple[str, float]]) -> TextReading:
    """What the lines that a reader found, each with its confidence, say of an image."""
    read, unsure, markers = 0, 0, 0
    for text, confidence in lines:
        signs = [sign for sign in text if sign.isalnum()]
        if confidence < SURE or not signs:
            unsure += 1
        elif len(signs) >= LETTERS:
            read += len(signs)
        elif all(sign.isalpha() for sign in signs):
            markers += 1
        else:
            unsure += 1
    if read:
        return TextReading("read", read)
    return TextReading("unreadable" if unsure else "marker" if markers else "none")


class Reader:
    """RapidOCR with one thread; made once per process."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_side_len": DETECTOR_SIDE,
            }
        )

    def lines(self, pixels: np.ndarray) -> list[tuple[str, float]]:
        """Text and confidence of each line found in `pixels` uint8 [C, H, W]."""
        colour = np.broadcast_to(pixels, (3, *pixels.shape[1:]))
        picture = Image.fromarray(np.ascontiguousarray(colour.transpose(1, 2, 0)))
        if (factor := -(-max(picture.size) // LARGEST)) > 1:
            picture = picture.reduce((min(factor, picture.width), min(factor, picture.height)))
        found = self._engine(np.asarray(picture), text_score=0.0)
        if found.boxes is None:
            return []
        texts, scores = found.txts or (), found.scores or ()
        # a box that was found and not recognised is something that could not be read
        missing = len(found.boxes) - len(texts)
        return [*zip(texts, map(float, scores), strict=True), *[("", 0.0)] * max(0, missing)]

    def read(self, picture: Picture) -> TextReading:
        """What is written in a picture."""
        return judge(self.lines(to_eight_bits(picture.pixels, windowed=picture.windowed, padding=picture.padding)))


def read_texts(
    images: Sequence[str], archive: ImageArchive, options: DecodeOptions, *, workers: int = 0
) -> list[TextReading]:
    """What is written in each of the named images; whatever goes wrong with one is `failed`.

    `workers` processes read (0: one per core).
    """
    pool: Pool[str, TextReading] = Pool(
        _read,
        lost=lambda *_: FAILED,
        prepare=_set_source,
        arguments=(archive, options),
        workers=workers,
        limit=SECONDS,
    )
    found: list[TextReading] = []
    tasks = (images[start : start + PER_TASK] for start in range(0, len(images), PER_TASK))
    with progress_bar("reading burned-in text", len(images)) as bar:
        for readings in pool.map(tasks):
            found += readings
            bar.advance(len(readings))
    return found


def evenly(count: int) -> list[int]:
    """Which of `count` images are read: all, or `MOST_READ` evenly spread ones."""
    most = min(count, MOST_READ)
    return [place * count // most for place in range(most)]


_source: tuple[ImageArchive, DecodeOptions] | None = None
_reader: Reader | None = None


def _set_source(archive: ImageArchive, options: DecodeOptions) -> None:
    global _source, _reader
    _source, _reader = (archive, options), None


def _read(images: Sequence[str]) -> list[TextReading]:
    return [_read_one(image) for image in images]


def _read_one(image: str) -> TextReading:
    """One image; a reader that cannot even be loaded has failed as well."""
    global _reader  # noqa: PLW0603
    assert _source is not None
    archive, options = _source
    try:
        name, fragment = split_name(image)
        (picture,) = decode_pictures(archive.open_bytes(name), [fragment], options)
        if not isinstance(picture, Picture):
            return FAILED
        if _reader is None:
            _reader = Reader()
        return _reader.read(picture)
    except Exception:  # whatever a package that is not ours raises; the warning stays as it is
        return FAILED
