"""Rows of a data set as files with names: `<split>/<row, 8 digits>.<suffix>`."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from .folders import ImageArchive

if TYPE_CHECKING:
    import pyarrow as pa

SINGLE = "rows"  # name of the only split of a data set without splits
_NAME = re.compile(r"(?P<split>[^/]+)/(?P<row>\d{8,})\.\w+")


class RowsArchive(ImageArchive):
    """A data set whose rows hold the images and what is known of them: the images are those of one `column`."""

    column: str

    @property
    @abstractmethod
    def pictured(self) -> tuple[str, ...]:
        """Names of the columns that may hold pictures (see `may_hold_pictures`), the one that is read among them."""

    @property
    @abstractmethod
    def splits(self) -> Collection[str]:
        """Names of the splits in their order; one without splits is `rows`."""

    @property
    @abstractmethod
    def files(self) -> list[str]:
        """Names below the root of the files that the data set consists of."""

    @abstractmethod
    def split_names(self, split: str) -> list[str]:
        """Names of the images of one split, in the order of its rows."""

    @abstractmethod
    def column_names(self, split: str) -> list[str]:
        """Names of the columns of one split."""

    @abstractmethod
    def cells(self, split: str, name: str) -> list[Any]:
        """The cells of a column of one split, class numbers as names."""

    def names(self) -> list[str]:
        return sorted(name for split in self.splits for name in self.split_names(split))


def may_hold_pictures(kind: pa.DataType) -> bool:
    """Whether cells of this type may be pictures, by themselves or within: bytes, or rows of rows of numbers."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return may_hold_pictures(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return may_hold_pictures(kind.value_type)
    if pa.types.is_nested(kind):
        inner = [kind.field(number).type for number in range(kind.num_fields)]
        rows = not (pa.types.is_struct(kind) or pa.types.is_map(kind)) and _rows_of_numbers(inner)
        return rows or any(may_hold_pictures(each) for each in inner)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _rows_of_numbers(inner: list[pa.DataType]) -> bool:
    import pyarrow as pa

    listed = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(any(is_list(each) for is_list in listed) and pa.types.is_primitive(each.value_type) for each in inner)


def row_name(split: str, row: int, suffix: str) -> str:
    """The name of the image of a row."""
    return f"{split}/{row:08d}.{suffix}"


def row_of(name: str) -> tuple[str, int]:
    """Split and row of a name; an empty split where it is none."""
    match = _NAME.fullmatch(name)
    return (match["split"], int(match["row"])) if match else ("", 0)
