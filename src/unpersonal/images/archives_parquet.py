"""Parquet files with the encoded images inside, as the Hugging Face Hub keeps them: rows as files with names.

Only the row groups that are asked for are read, one at a time; nothing is downloaded and no code of the data set runs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.workers import Pool
from .folders import IMAGE_SUFFIXES, MAX_FILE_BYTES, FolderArchive, checked_length, is_hidden, no_file
from .formats import DICOM_SUFFIXES, NIFTI_SUFFIXES
from .picture import ImageError
from .reasons import Reason
from .rows import SINGLE, RowsArchive, may_hold_pictures, row_name, row_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SUFFIX = ".parquet"
SPLIT = re.compile(r"(?P<split>train|validation|valid|val|dev|test)(?:[-_.]|$)", re.IGNORECASE)
"""The beginning of a file's name that says of which split it is, as the Hub has it: `train-00000-of-00004.parquet`."""
MOST_GROUP_BYTES = 2**30
"""Bytes of the images of one row group once unpacked; groups are read whole."""
FORMAT_MARKS = (b"\x89PNG", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"BM", b"RIFF")
BAD = "the metadata is damaged"
HOW = "write it again (pyarrow: pyarrow.parquet.write_table)"


@dataclass(frozen=True)
class Shard:
    """One Parquet file: its name below the root, the rows of its row groups, and what its columns are.

    `images` are the columns that hold encoded images, `several` those with a list of them a row, `pictured` those that
    may hold pictures at all, `features` what the library `datasets` noted of the columns, and `bytes` the unpacked size
    of the columns of each row group, by name.
    """

    name: str
    groups: tuple[int, ...]
    columns: tuple[str, ...]
    images: tuple[str, ...]
    several: tuple[str, ...]
    pictured: tuple[str, ...]
    features: dict[str, Any]
    bytes: tuple[dict[str, int], ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(self.groups)


class ParquetArchive(RowsArchive):
    """Rows of one Parquet file, or of all in a folder, as files: `<split>/<row, 8 digits>.<suffix>`.

    The image is that of `column`, or of the only column with images: encoded as bytes, or as {bytes, path} as the
    feature `Image` of `datasets` is stored. A row that only refers to a path or address is refused (`outside`).
    Files of several forms, and none or several columns with images, are an `InputError`.
    """

    def __init__(self, root: Path, column: str) -> None:
        self.root = root
        files = parquet_files(root)
        self._shards = _shards(root, files)
        self.column = _image_column(self._shards, column, root)
        self._splits = _by_split(self._shards)
        self._group: tuple[Any, Any] = (None, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_group": (None, None)}

    @property
    def files(self) -> list[str]:
        """Names of the Parquet files below the root."""
        return [shard.name for shard in self._shards]

    @property
    def splits(self) -> list[str]:
        return list(self._splits)

    @property
    def pictured(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for shard in self._shards for name in shard.pictured))

    def split_names(self, split: str) -> list[str]:
        return [row_name(split, row, suffix) for row, suffix in enumerate(self._suffixes(split))]

    def column_names(self, split: str) -> list[str]:
        return list(self._splits[split][0].columns)

    def cells(self, split: str, name: str) -> list[Any]:
        found: list[Any] = []
        for shard in self._splits[split]:
            decode = _decoder(shard.features.get(name))
            for group in range(len(shard.groups)):
                found += [decode(value) for value in self._column(shard, group, name).to_pylist()]
        return found

    def open_bytes(self, name: str) -> bytes:
        split, row = row_of(name)
        if split not in self._splits:
            raise ImageError(Reason.MISSING, "there is no such row")
        for shard in self._splits[split]:
            for group, rows in enumerate(shard.groups):
                if row < rows:
                    return _content(self._cells_of(shard, group)[row])
                row -= rows
        raise ImageError(Reason.MISSING, "there is no such row")

    def _cells_of(self, shard: Shard, group: int) -> pa.ChunkedArray:
        """The images of one row group; the last one is kept, since images are read in order."""
        key = (shard.name, group, os.getpid())
        if self._group[0] != key:
            if shard.bytes[group].get(self.column, 0) > MOST_GROUP_BYTES:
                what = f"a row group of {shard.name} unpacks to more than {MOST_GROUP_BYTES >> 20} MiB"
                raise ImageError(Reason.TOO_LARGE, f"{what}: write it with smaller ones (row_group_size)")
            self._group = (None, None)
            try:
                self._group = (key, self._column(shard, group, self.column))
            except InputError as error:
                raise ImageError(Reason.UNREADABLE, error.what) from None
        return self._group[1]

    def _column(self, shard: Shard, group: int, name: str) -> pa.ChunkedArray:
        where = _path(self.root, shard.name)
        try:
            column = _file(where).read_row_group(group, columns=[name]).column(name)
            column.validate(full=True)  # offsets of a damaged file would be read as they are
        except Exception as error:  # Arrow answers a damaged file with errors of many kinds
            raise _broken(where, " ".join(str(error).split())) from None
        if len(column) != shard.groups[group]:
            raise _broken(where, "a row group has other rows than it says")
        return column

    def _suffixes(self, split: str) -> Iterator[str]:
        """By the names that the rows give their images, `bin` where there is none."""
        for shard in self._splits[split]:
            for group, rows in enumerate(shard.groups):
                paths: list[Any] = [None] * rows
                if f"{self.column}.path" in shard.bytes[group]:
                    cells = self._column_of_paths(shard, group)
                    paths = cells if len(cells) == rows else paths
                yield from (_suffix(path) for path in paths)

    def _column_of_paths(self, shard: Shard, group: int) -> list[Any]:
        where = _path(self.root, shard.name)
        try:
            cells = _file(where).read_row_group(group, columns=[f"{self.column}.path"]).column(self.column)
            return [cell.get("path") if cell else None for cell in cells.to_pylist()]
        except Exception as error:
            raise _broken(where, " ".join(str(error).split())) from None


def parquet_files(root: Path) -> list[str]:
    """The Parquet files at `root`, a folder or one of them, by their names below it; `.` stands for the file itself."""
    if root.is_file():
        return ["."] if root.name.lower().endswith(SUFFIX) else []
    return [name for name in FolderArchive(root).names() if name.lower().endswith(SUFFIX) and not is_hidden(name)]


def holds_parquet_images(path: Path) -> bool:
    """Whether it is a Parquet file with images inside, or a folder with such and without pictures beside them."""
    try:
        if path.is_dir():
            for name in FolderArchive(path).each():
                if name.lower().endswith((*IMAGE_SUFFIXES, *DICOM_SUFFIXES, *NIFTI_SUFFIXES)) and not is_hidden(name):
                    return False
        files = parquet_files(path)
        return bool(files) and any(
            shard.images or shard.several for shard in _read_shards(path, files[:1]) if shard is not None
        )
    except InputError:
        return False


def _path(root: Path, name: str) -> Path:
    try:
        path = root if name == "." else FolderArchive(root).path_of(name)
        if not path.is_file():  # never opened: a pipe would make the reader wait for ever
            raise no_file(path)
    except ImageError as error:
        raise _broken(root / name, error.detail) from None
    return path


def _file(path: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path)


def _broken(path: Path, why: str) -> InputError:
    return InputError(f"A Parquet file with images cannot be read ({why})", where=str(path), how=HOW)


def _shards(root: Path, files: Sequence[str]) -> list[Shard]:
    found = _read_shards(root, files)
    for name, shard in zip(files, found, strict=True):
        if shard is None:
            raise _broken(root / name, BAD)
    shards = [shard for shard in found if shard is not None]
    forms = {shard.columns: shard.name for shard in shards}
    if len(forms) > 1:
        raise InputError(
            f"Parquet files here have different columns ({' and '.join(list(forms.values())[:2])})",
            where=str(root),
            how="name the folder or file of one data set",
        )
    return shards


def _read_shards(root: Path, files: Sequence[str]) -> list[Shard | None]:
    """What each file says of itself, read in a process of its own: Arrow may end one at a damaged file."""
    paths = [str(_path(root, name)) for name in files]
    pool: Pool[str, Shard | None] = Pool(
        _described, lost=lambda *_: None, prepare=_nothing, arguments=(), workers=1, limit=60.0
    )
    found = [shard for results in pool.map(iter([paths])) for shard in results]
    return [None if one is None else Shard(name, *_rest(one)) for name, one in zip(files, found, strict=True)]


def _rest(shard: Shard) -> tuple[Any, ...]:
    return shard.groups, shard.columns, shard.images, shard.several, shard.pictured, shard.features, shard.bytes


def _nothing() -> None:
    """A process that needs no preparation."""


def _described(paths: Sequence[str]) -> list[Shard | None]:
    return [_describe(Path(path)) for path in paths]


def _describe(path: Path) -> Shard | None:
    try:
        file = _file(path)
        schema, metadata = file.schema_arrow, file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        sizes: list[dict[str, int]] = []
        for group in groups:
            size: dict[str, int] = {}
            for number in range(group.num_columns):
                chunk = group.column(number)
                top = chunk.path_in_schema.split(".")[0]
                size[top] = size.get(top, 0) + chunk.total_uncompressed_size
                size[chunk.path_in_schema] = chunk.total_uncompressed_size
            sizes.append(size)
        images = tuple(field.name for field in schema if _holds_images(file, field, sizes))
        several = tuple(field.name for field in schema if _holds_lists_of_images(file, field, sizes))
        pictured = tuple(field.name for field in schema if may_hold_pictures(field.type))
        rows, features = tuple(group.num_rows for group in groups), _features(schema.metadata or {})
        return Shard("", rows, tuple(schema.names), images, several, pictured, features, tuple(sizes))
    except Exception:  # as in `ParquetArchive._column`
        return None


def _holds_images(file: pq.ParquetFile, field: pa.Field, sizes: Sequence[dict[str, int]]) -> bool:
    """Whether a column holds encoded images: by its form, and of plain bytes by the beginning of the first."""
    import pyarrow as pa

    kind = field.type
    if pa.types.is_struct(kind):
        return _is_image_struct(kind)
    return _is_bytes(kind) and _is_encoded(_first_cell(file, field, sizes))


def _holds_lists_of_images(file: pq.ParquetFile, field: pa.Field, sizes: Sequence[dict[str, int]]) -> bool:
    """Whether each row of a column holds several encoded images, by the same signs."""
    import pyarrow as pa

    kind = field.type
    listed = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_list(kind) for is_list in listed):
        return False
    if pa.types.is_struct(kind.value_type):
        return _is_image_struct(kind.value_type)
    return _is_bytes(kind.value_type) and any(map(_is_encoded, _first_cell(file, field, sizes) or ()))


def _first_cell(file: pq.ParquetFile, field: pa.Field, sizes: Sequence[dict[str, int]]) -> Any:
    if not sizes or sizes[0].get(field.name, 0) > MOST_GROUP_BYTES:
        return None
    first = next(file.iter_batches(batch_size=1, row_groups=[0], columns=[field.name]), None)
    return first.column(0)[0].as_py() if first is not None and len(first) else None


def _is_encoded(value: Any) -> bool:
    return isinstance(value, bytes) and (value.startswith(FORMAT_MARKS) or value[128:132] == b"DICM")


def _is_image_struct(kind: pa.DataType) -> bool:
    place = kind.get_field_index("bytes")
    return place >= 0 and _is_bytes(kind.field(place).type)


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    try:
        found = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _image_column(shards: Sequence[Shard], wanted: str, root: Path) -> str:
    names = [name for name in shards[0].images if all(name in shard.images for shard in shards)] if shards else []
    several = list(dict.fromkeys(name for shard in shards for name in shard.several))
    if wanted in several or (several and not names):
        column = wanted if wanted in several else several[0]
        what = f"The column {column!r} holds a list of images in each row; one image a row is read"
        how = "write one row for each image, with its subject and label (pandas: DataFrame.explode)"
        raise InputError(what, where=str(root), how=how if not names else f"{how}, or name another column of images")
    if wanted in names or len(names) == 1:
        return wanted if wanted in names else names[0]
    listed = ", ".join(shards[0].columns if shards else ()) or "none"
    what = f"{len(names)} columns hold images ({', '.join(names)})" if names else "No column holds encoded images"
    raise InputError(
        f"{what} (all columns: {listed})", where=str(root), how="name the column of the images with --image-column"
    )


def _by_split(shards: Sequence[Shard]) -> dict[str, list[Shard]]:
    """The files of each split by their names; all of them are of one where a name says nothing."""
    named = [SPLIT.match(PurePosixPath(shard.name).name) for shard in shards]
    if not all(named):
        return {SINGLE: list(shards)}
    found: dict[str, list[Shard]] = {}
    for shard, match in zip(shards, named, strict=True):
        found.setdefault(match["split"].lower() if match else SINGLE, []).append(shard)
    return found


def _content(cell: Any) -> bytes:
    """The encoded image of a cell: bytes, or {bytes, path}."""
    value = cell.as_py()
    if isinstance(value, dict):
        if value.get("bytes") is None and value.get("path"):
            raise ImageError(Reason.OUTSIDE, "the row only refers to a file or address outside the data set")
        value = value.get("bytes")
    if value is None:
        raise ImageError(Reason.MISSING, "the row has no image")
    if len(value) > MAX_FILE_BYTES:
        raise ImageError(Reason.TOO_LARGE, f"more than {MAX_FILE_BYTES} bytes")
    return checked_length(bytes(value))


def _suffix(path: Any) -> str:
    suffix = PurePosixPath(path).suffix.lower() if isinstance(path, str) and "\0" not in path else ""
    return suffix[1:] if suffix in (*IMAGE_SUFFIXES, *DICOM_SUFFIXES) else "bin"


def _decoder(feature: Any) -> Callable[[Any], Any]:
    """From stored values to names, by what `datasets` notes of a column: a ClassLabel is stored as a number."""
    if isinstance(feature, list) and len(feature) == 1:
        return _of_each(_decoder(feature[0]))
    if not isinstance(feature, dict):
        return lambda value: value
    if "feature" in feature:
        return _of_each(_decoder(feature["feature"]))
    names = feature.get("names")
    if not isinstance(names, list):
        return lambda value: value
    return lambda value: names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def _of_each(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: [one(value) for value in values or []]
