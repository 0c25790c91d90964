"""Rows of a data set as files with names: `<split>/<row, 8 digits>.<suffix>`."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection
from typing import Any

from .folders import ImageArchive

SINGLE = "rows"  # name of the only split of a data set without splits
_NAME = re.compile(r"(?P<split>[^/]+)/(?P<row>\d{8,})\.\w+")


class RowsArchive(ImageArchive):
    """A data set whose rows hold the images and what is known of them."""

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


def row_name(split: str, row: int, suffix: str) -> str:
    """The name of the image of a row."""
    return f"{split}/{row:08d}.{suffix}"


def row_of(name: str) -> tuple[str, int]:
    """Split and row of a name; an empty split where it is none."""
    match = _NAME.fullmatch(name)
    return (match["split"], int(match["row"])) if match else ("", 0)
