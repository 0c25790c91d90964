"""Images of a data set that Hugging Face `datasets` saved on disk (`Dataset.save_to_disk`), as files with names.

The Arrow files are mapped into memory, never copied to a cache; nothing is downloaded and no code of the data set runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.files import safe_join
from .folders import MAX_FILE_BYTES
from .picture import ImageError
from .reasons import Reason
from .rows import SINGLE, RowsArchive, may_hold_pictures, row_name, row_of

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

DICT_FILE = "dataset_dict.json"
SPLIT_FILES = ("state.json", "dataset_info.json")
_MAGIC = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"II*\x00": "tif", b"MM\x00*": "tif", b"BM": "bmp"}
_HEAD = 132  # bytes that tell the format; DICOM has its mark at 128


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by `Dataset.save_to_disk` or `DatasetDict.save_to_disk`."""
    return (path / DICT_FILE).is_file() or all((path / name).is_file() for name in SPLIT_FILES)


class HuggingFaceArchive(RowsArchive):
    """Rows of a saved data set as files: `<split>/<row, 8 digits>.<suffix>`, the encoded image of `column` as bytes.

    The suffix is that of the content (`bin` where it is none known). An image that the data set only refers to by a
    path or an address is refused (reason `outside`): nothing outside the folder is opened. Opening a folder that is no
    such data set, without the library, or with a column that holds no images is an `InputError`.
    """

    def __init__(self, root: Path, column: str) -> None:
        self.root, self.column = root, column
        self._splits: dict[str, datasets.Dataset] | None = None
        for split in self.splits.values():
            self._images(split)

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "column": self.column, "_splits": None}

    @property
    def splits(self) -> Mapping[str, datasets.Dataset]:
        """The data sets by name of their split; one without splits is `rows`."""
        if self._splits is None:
            self._splits = _load(self.root)
        return self._splits

    @property
    def files(self) -> list[str]:
        """Names of the files that make up the data set."""
        return data_files(self.root)

    @property
    def pictured(self) -> tuple[str, ...]:
        schemas = [split.data.table.schema for split in self.splits.values()]
        return tuple(dict.fromkeys(field.name for each in schemas for field in each if may_hold_pictures(field.type)))

    def split_names(self, split: str) -> list[str]:
        """Names of the images of one split, in the order of its rows."""
        import pyarrow.compute as pc

        heads = pc.binary_slice(_content(self._images(self.splits[split])), 0, _HEAD).to_pylist()
        return [row_name(split, row, _suffix(head or b"")) for row, head in enumerate(heads)]

    def open_bytes(self, name: str) -> bytes:
        part, row = row_of(name)
        split = self.splits.get(part)
        if split is None or row >= len(split):
            raise ImageError(Reason.MISSING, "there is no such row")
        cell = self._images(split)[row]
        content = cell if not hasattr(cell, "keys") else cell["bytes"] if cell.is_valid else cell
        if not content.is_valid:
            path = cell["path"].as_py() if cell.is_valid and hasattr(cell, "keys") and "path" in cell else None
            if path is None:
                raise ImageError(Reason.MISSING, "the row has no image")
            raise ImageError(Reason.OUTSIDE, "the row only refers to a file or address outside the data set")
        buffer = content.as_buffer()
        if len(buffer) > MAX_FILE_BYTES:
            raise ImageError(Reason.TOO_LARGE, f"more than {MAX_FILE_BYTES} bytes")
        if not len(buffer):
            raise ImageError(Reason.EMPTY, "the file has no content")
        return buffer.to_pybytes()

    def column_names(self, split: str) -> list[str]:
        return list(self.splits[split].data.table.column_names)

    def cells(self, split: str, name: str) -> list[Any]:
        data = self.splits[split]
        decode = _decoder(data.features[name])
        return [decode(value) for value in data.data.table.column(name).to_pylist()]

    def _images(self, split: datasets.Dataset) -> pa.ChunkedArray:
        import pyarrow as pa

        table = split.data.table
        if self.column not in table.column_names:
            raise InputError(
                f"The data set has no column {self.column!r} (its columns: {', '.join(table.column_names)})",
                where=str(self.root),
                how="name the column of the images with --image-column",
            )
        column = table.column(self.column)
        kind = column.type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise InputError(
                f"The column {self.column!r} holds {column.type}, not images",
                where=str(self.root),
                how="name the column of the images with --image-column; it is saved as the feature Image",
            )
        return column


def data_files(root: Path) -> list[str]:
    """Relative paths of the files that make up a saved data set, sorted; what reaches outside is an `InputError`."""
    found = []
    for split, folder in _split_folders(root).items():
        prefix = "" if folder == root else f"{split}/"
        state = _read_object(_join(root, prefix + SPLIT_FILES[0]))
        try:
            files = [str(entry["filename"]) for entry in state["_data_files"]]
        except (KeyError, TypeError):
            raise _broken(folder / SPLIT_FILES[0], "it names no data files") from None
        for name in (*SPLIT_FILES, *files):
            if not _join(root, prefix + name).is_file():
                raise _broken(folder / name, "it is missing")
            found.append(prefix + name)
    return sorted([*found, DICT_FILE] if (root / DICT_FILE).is_file() else found)


def _split_folders(root: Path) -> dict[str, Path]:
    if not (root / DICT_FILE).is_file():
        return {SINGLE: root}
    names = _read_object(_join(root, DICT_FILE)).get("splits")
    if not isinstance(names, list) or not names:
        raise _broken(root / DICT_FILE, "it names no splits")
    if bad := [name for name in names if not isinstance(name, str) or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", name)]:
        raise _broken(root / DICT_FILE, f"the split {bad[0]!r} is no plain name")
    return {name: _join(root, name) for name in names}


def _join(root: Path, relative: str) -> Path:
    try:
        return safe_join(root, relative)
    except RuntimeError:  # pathlib's word for links that lead round in a circle before Python 3.13
        raise _broken(root / relative, "it is a link that leads round in a circle") from None


def _load(root: Path) -> dict[str, datasets.Dataset]:
    try:
        import datasets
    except ImportError:
        raise InputError(
            "Reading a data set of Hugging Face needs the library datasets",
            where=str(root),
            how="install it: pip install 'unpersonal[hf]'",
        ) from None
    if "::" in str(root) or "://" in str(root):  # the library would take these for chained addresses
        raise InputError("The path holds :: or ://", where=str(root), how="rename the folder")
    data_files(root)
    loaded = {}
    for split, folder in _split_folders(root).items():
        try:
            data = datasets.Dataset.load_from_disk(str(folder.resolve()), keep_in_memory=False)
            data.data.table.validate(full=True)  # offsets and text of a damaged file would be read as they are
            loaded[split] = data
        except Exception as error:  # the library lets errors of Arrow, JSON and its own registry through
            raise _broken(folder, " ".join(f"{type(error).__name__}: {error}".split())) from None
    return loaded


def _content(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column


def _decoder(feature: Any) -> Callable[[Any], Any]:
    """From stored values to names: a ClassLabel is stored as a number, none as null or -1."""
    inner = getattr(feature, "feature", None)
    if inner is not None:
        one = _decoder(inner)
        return lambda values: [one(value) for value in values or []]
    classes = getattr(feature, "names", None)
    if classes is None:
        return lambda value: value
    return lambda value: classes[value] if value is not None and 0 <= value < len(classes) else None


def _suffix(head: bytes) -> str:
    if head[128:132] == b"DICM":
        return "dcm"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), "bin")


def _read_object(path: Path) -> dict[str, Any]:
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise _broken(path, "it is no file")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(path, " ".join(str(error).split())) from None
    if not isinstance(value, dict):
        raise _broken(path, "it is no JSON object")
    return value


def _broken(path: Path, why: str) -> InputError:
    return InputError(f"The saved data set cannot be read ({why})", where=str(path), how="save it again")
