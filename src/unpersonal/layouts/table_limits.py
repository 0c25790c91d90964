"""How large a table may be, and what is said of one that cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..core.errors import InputError
from ..images.archives import MAX_ENTRIES

MAX_ROWS = MAX_ENTRIES
MAX_TABLE_BYTES = 512 * 2**20  # of text, or of the columns that are read, after decompression
MAX_ROW = 2**20  # characters of one row of text
MAX_VALUES = 4 * MAX_ROWS  # of one column, for lists hold several a row
MENDED = "save it as UTF-8 CSV, TSV or Parquet with distinct column names and as many cells in every row"


def refuse_twice(names: Sequence[str], where: str) -> None:
    """`InputError` where a column has the name of another."""
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise InputError(f"The table has the column {twice[0]!r} twice", where=where, how=MENDED)
