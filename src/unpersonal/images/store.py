"""Prepared images on disk, found by content: one memory-mapped array per cohort with an index.

Legend: n images of the cohort, C channels (1 grey, 3 colour), S size. While images are read they lie in blocks; when
the cohort is known they become `images.npy` [n,C,S,S] in its order, and `index.parquet` says which row is which
content.
Every row has its own hash, so that a row is used again only if it is still what was written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.files import atomic_path
from ..core.hashing import hash_json, sha256_bytes
from ..core.tensors import save_array, write_header
from .picture import MAX_PIXELS, DecodeOptions
from .preprocess import PreprocessConfig, to_channels
from .reasons import Reason

if TYPE_CHECKING:
    import pandas as pd

BLOCK_BYTES = 8 * 2**20
BLOCK_IMAGES = 1024
FORM = 3
"""Raised when preprocessing changes meaning, so that rows prepared before are not used again."""
METADATA_KEY = b"unpersonal"


class ImageFacts(NamedTuple):
    """What one image is: size, bits per channel, channels of its content, `burned_text.text_score`, notes (joined with
    `|`); or why it is refused (`reason`, `detail`)."""

    height: int = 0
    width: int = 0
    bits: int = 0
    channels: int = 0
    text: float = 0.0
    notes: str = ""
    reason: str = ""
    detail: str = ""


class Row(NamedTuple):
    """One prepared image: the bytes of uint8 [C,S,S], and their `row_digest`."""

    pixels: bytes
    digest: str

    @classmethod
    def of(cls, content: str, image: np.ndarray) -> Row:
        """The prepared image uint8 [C,S,S] of one content."""
        pixels = image.tobytes()
        return cls(pixels, row_digest(content, pixels))


COLUMNS = ("content", *ImageFacts._fields, "pixels")


class ImageStore:
    """The prepared images of one study under one way of decoding and preprocessing.

    `folder` holds images.npy and index.parquet. `text` says whether the images are searched for burned-in text.
    """

    def __init__(
        self, folder: Path, config: PreprocessConfig, options: DecodeOptions | None = None, *, text: bool = True
    ) -> None:
        self.folder, self.text, self.size = folder, text, config.size
        decoding = asdict(options or DecodeOptions())
        self.key = hash_json([FORM, config.preprocessing().model_dump(mode="json"), decoding, text])
        self.blocks = folder / f"blocks-{self.key[:16]}"
        self._table: pd.DataFrame | None = None

    def known(self) -> list[str]:
        """The contents whose facts and rows are at hand; what was refused is not among them, and is tried again."""
        facts = self.facts()
        return facts.index[facts["reason"] == ""].tolist()

    def facts(self) -> pd.DataFrame:
        """Facts of every content at hand, indexed by `content`; `place` and `row` say where its pixels lie."""
        if self._table is None:
            self._table = self._load()
        return self._table

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """A writer of blocks; what it was given is on disk when the context ends, also where it ends early."""
        writer = Writer(self.blocks, self.size, {path.stem for path in self._written()})
        try:
            yield writer
        finally:
            writer.flush()
            self._table = None

    def assemble(self, contents: Sequence[str], channels: int) -> None:
        """Write images.npy (uint8 [n,channels,S,S], rows in the order of `contents`) and index.parquet.

        Every content has been ingested and accepted. Nothing is written where the files already say so.
        """
        if self.holds(contents, channels):
            self._remove_blocks()
            return
        table = self.facts()
        rows = table.loc[list(contents), ["place", "channels", "row", "pixels"]]
        places = [_Place(*row) for row in rows.itertuples(index=False)]
        reader = _RowReader(self)
        digests: list[str] = []
        with atomic_path(self.folder / "images.npy") as temporary, open(temporary, "wb") as stream:
            # written as a stream, for pages of a memory map would count as this process's memory
            write_header(stream, (len(contents), channels, self.size, self.size), np.dtype(np.uint8))
            for content, place in zip(contents, places, strict=True):
                row = reader.read(content, place)
                image = np.frombuffer(row.pixels, np.uint8).reshape(-1, self.size, self.size)
                if len(image) != channels:
                    row = Row.of(content, to_channels(image, channels))
                stream.write(row.pixels)
                digests.append(row.digest)
            # images without an index are read anew; an index of other images would be wrong
            (self.folder / "index.parquet").unlink(missing_ok=True)
        self._write_index(table, contents, digests, channels)
        self._remove_blocks()
        self._table = None

    def holds(self, contents: Sequence[str], channels: int) -> bool:
        """Whether images.npy holds exactly these contents in this order, each row being what was written."""
        images = self._images()
        index = self._index()
        if images is None or index is None or images.shape[:2] != (len(contents), channels):
            return False
        held = index[index["row"] >= 0].sort_values("row")
        if held["row"].tolist() != list(range(len(contents))) or held["content"].tolist() != list(contents):
            return False
        rows = zip(contents, images, held["pixels"], strict=True)
        return all(row_digest(content, image.tobytes()) == digest for content, image, digest in rows)

    def _remove_blocks(self) -> None:
        """Also those of another preprocessing, which a killed pass left: they hold images of people."""
        for path in self.folder.glob("blocks-*"):
            shutil.rmtree(path)

    def _write_index(self, table: pd.DataFrame, contents: Sequence[str], digests: list[str], channels: int) -> None:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        held = table.loc[list(contents)].reset_index()
        held["pixels"], held["row"] = digests, range(len(contents))
        left = table[table["reason"] != ""]
        left = left[~left.index.isin(set(contents))].sort_index().reset_index()
        left["row"] = -1
        whole = pd.concat([held, left], ignore_index=True)[[*COLUMNS, "row"]]
        facts = {"key": self.key, "channels": channels}
        written = pa.Table.from_pandas(whole, preserve_index=False)
        with atomic_path(self.folder / "index.parquet") as temporary:
            pq.write_table(written.replace_schema_metadata({METADATA_KEY: json.dumps(facts).encode()}), temporary)

    def _load(self) -> pd.DataFrame:
        import pandas as pd

        tables = []
        for path in self._written():
            if (facts := _read_table(path)) is not None:
                tables.append(facts.assign(place=path.stem))
        index, images = self._index(), self._images()
        if index is not None and images is not None:
            tables.append(index[_sound(index, images)].assign(place="store"))
        if not tables:
            return pd.DataFrame({name: [] for name in (*COLUMNS, "row", "place")}).set_index("content")
        table = pd.concat(tables, ignore_index=True)
        table = table[table["reason"].isin(["", *(reason.value for reason in Reason)])]
        table = table.sort_values("reason", key=lambda reason: reason != "", kind="stable")
        return table.drop_duplicates("content").set_index("content")

    def _written(self) -> list[Path]:
        """The facts of the blocks that were written whole; a killed writer's temporary file can be readable as well."""
        return sorted(self.blocks.glob("[0-9]*.parquet"))

    def _index(self) -> pd.DataFrame | None:
        return _read_table(self.folder / "index.parquet", self.key)

    def _images(self) -> np.ndarray | None:
        return _open(self.folder / "images.npy")


def row_digest(content: str, pixels: bytes) -> str:
    """Hex SHA-256 of a prepared image's bytes together with its content's name: a row cannot pass for another."""
    return sha256_bytes(content.encode() + pixels)


class Writer:
    """Collects prepared images and writes them as blocks: pixels first, then the facts that make them count."""

    def __init__(self, folder: Path, size: int, taken: set[str]) -> None:
        self._folder, self._size, self._taken = folder, size, taken
        self._rows: list[tuple[Any, ...]] = []
        self._pixels: dict[int, list[bytes]] = {1: [], 3: []}
        self._bytes = 0
        self._seen: set[str] = set()

    def add(self, content: str, facts: ImageFacts, row: Row | None) -> None:
        """Take the facts and the prepared image (None where it was refused) of one content."""
        if content in self._seen:
            return
        self._seen.add(content)
        place, digest = -1, ""
        if row is not None:
            same = self._pixels[facts.channels]
            place, digest = len(same), row.digest
            same.append(row.pixels)
            self._bytes += len(row.pixels)
        self._rows.append((content, *facts, digest, place))
        if len(self._rows) >= BLOCK_IMAGES or self._bytes >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was collected as one block."""
        if not self._rows:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        number = 0
        while (name := f"{number:06d}") in self._taken:
            number += 1
        self._taken.add(name)
        for channels, pixels in self._pixels.items():
            if pixels:
                images = np.frombuffer(b"".join(pixels), np.uint8)
                images = images.reshape(len(pixels), channels, self._size, self._size)
                save_array(self._folder / f"{name}-{channels}.npy", images)
        schema = _schema()
        columns = [pa.array(list(c), kind) for c, kind in zip(zip(*self._rows, strict=True), schema.types, strict=True)]
        with atomic_path(self._folder / f"{name}.parquet") as temporary:
            pq.write_table(pa.Table.from_arrays(columns, schema=schema), temporary)
        self._rows, self._pixels, self._bytes = [], {1: [], 3: []}, 0


def _schema() -> Any:
    """Columns of a table of facts, as pyarrow.Schema."""
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    facts = [(name, kinds[type(default)]) for name, default in ImageFacts._field_defaults.items()]
    return pa.schema([("content", pa.string()), *facts, ("pixels", pa.string()), ("row", pa.int64())])


def _sound(index: pd.DataFrame, images: np.ndarray) -> np.ndarray:
    """Which rows of an index can be used again, bool [len(index)]: refused, or stored whole and unchanged.

    A colour image that was stored as grey cannot serve a colour cohort.
    """
    sound = (index["row"] < 0).to_numpy(copy=True)
    usable = (index["channels"] <= images.shape[1]).to_numpy()
    for i, (content, row, digest) in enumerate(zip(index["content"], index["row"], index["pixels"], strict=True)):
        if usable[i] and 0 <= row < len(images):
            sound[i] = row_digest(content, images[row].tobytes()) == digest
    return sound


@dataclass(frozen=True)
class _Place:
    """Where the pixels of one content lie, and their hash."""

    place: str
    channels: int
    row: int
    pixels: str


class _RowReader:
    """Prepared images by their place; each is checked against its hash. One block is in memory at a time."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._open: tuple[str, int] = ("", 0)
        self._array: np.ndarray | None = None

    def read(self, content: str, at: _Place) -> Row:
        """The prepared image; one that is not what was written is an `InputError`."""
        if self._open != (at.place, at.channels):
            self._array = _open(self._path(at), whole=at.place != "store")
            self._open = (at.place, at.channels)
        if self._array is not None and 0 <= at.row < len(self._array):
            pixels = self._array[at.row].tobytes()
            if row_digest(content, pixels) == at.pixels:
                return Row(pixels, at.pixels)
        raise InputError(
            "A prepared image is not what was written",
            where=str(self._path(at)),
            how="delete the folder of the store, run again",
        )

    def _path(self, at: _Place) -> Path:
        if at.place == "store":
            return self._store.folder / "images.npy"
        return self._store.blocks / f"{at.place}-{at.channels}.npy"


def _open(path: Path, *, whole: bool = False) -> np.ndarray | None:
    """An array, memory-mapped unless it is wanted as a whole, or None where there is no readable one."""
    try:
        # mapped first: a damaged header may announce more than there is memory
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.ndim != 4 or array.dtype != np.uint8 or array[:1].size > 3 * MAX_PIXELS:
            return None
        return np.array(array) if whole else array
    except Exception:  # of a damaged header NumPy lets errors of its tokenizer through
        return None


def _read_table(path: Path, key: str | None = None) -> pd.DataFrame | None:
    """A table of facts, or None where there is no readable one (of the preprocessing `key`)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        if key is not None and json.loads((table.schema.metadata or {})[METADATA_KEY])["key"] != key:
            return None
        table.validate(full=True)  # offsets and text of a damaged file would be read as they are
        frame = table.to_pandas()
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    return frame if set((*COLUMNS, "row")) <= set(frame.columns) else None
