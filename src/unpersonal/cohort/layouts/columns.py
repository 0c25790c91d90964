"""The cells of a table, whatever file it is in: CSV, TSV (both also gzipped), Parquet, JSON lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ..listing import Problems
from ..picture import ImageError
from ..sources import Source

TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
MAX_TABLE_BYTES = 2 * 2**30  # of text, after decompression
PIECE_BYTES = 2**20
SNIFFED_ROWS = 50
DELIMITERS = (",", ";", "\t")
EXAMPLES = 3
HEAD_BYTES = 2**16
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
MENDED = "save it as UTF-8 CSV, TSV or Parquet with distinct column names and as many cells in every row"


@dataclass(frozen=True)
class Columns:
    """Cells by column name, text in text files and values in Parquet and JSON; `rows` numbers them for messages.

    Row numbers are those of a spreadsheet: the header is row 1, blank rows count. In Parquet and JSON lines the first
    row is row 1.
    """

    where: str
    cells: dict[str, list[Any]]
    rows: list[int]

    def __len__(self) -> int:
        return len(self.rows)

    def require(self, name: str, how: str, problems: Problems) -> None:
        """Note a column that is not there, with those that are."""
        if name not in self.cells:
            shown = ", ".join(list(self.cells)[:40]) + (", …" if len(self.cells) > 40 else "")
            problems.add(f"The table has no column {name!r} (its columns: {shown or 'none'})", how)

    def texts(self, name: str) -> list[str]:
        """A column as stripped text; empty where there is nothing."""
        return [cell_text(value) for value in self.cells[name]]


def is_table_name(name: str) -> bool:
    """Whether a file is a table by its name."""
    return name.lower().endswith(TABLE_SUFFIXES)


def cell_text(value: Any) -> str:
    """Stripped text of a cell: nothing for a missing value, `12` for the floating-point 12.0 of a column with gaps."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").strip()
    return str(value).strip()


def read_columns(path: Path) -> Columns:
    """The columns of a table on disk, its kind by its suffix; whatever is wrong with it is an `InputError`."""
    if path.name.lower().endswith(".parquet"):
        return _parquet(path, str(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"The table cannot be read ({error})", where=str(path), how=MENDED) from None
    return parse_columns(path.name, data, where=str(path))


def read_source_columns(source: Source, name: str) -> Columns:
    """The columns of a table that lies among the images, in a folder or a zip."""
    return parse_columns(name, source_bytes(source, name), where=f"{source.root}: {name}")


def source_bytes(source: Source, name: str) -> bytes:
    """The content of a file that is not an image; `InputError` where it cannot be had."""
    try:
        return source.open_bytes(name)
    except ImageError as error:
        raise InputError(
            f"The file cannot be read ({error.detail})", where=f"{source.root}: {name}", how="restore it"
        ) from None


def parse_columns(name: str, data: bytes, *, where: str) -> Columns:
    """The columns of a table's bytes, its kind by the suffix of `name`."""
    lower = name.lower()
    if lower.endswith(".parquet"):
        return _parquet(io.BytesIO(data), where)
    text = decode_text(gunzip(data, where) if lower.endswith(".gz") else data, where)
    if lower.endswith(".jsonl"):
        return _json_lines(text, where)
    tabbed = lower.removesuffix(".gz").endswith(".tsv")
    return _delimited(text, "\t" if tabbed else sniff_delimiter(text), where)


def gunzip(data: bytes, where: str) -> bytes:
    """The content of a gzip file, up to `MAX_TABLE_BYTES`."""
    content = io.BytesIO()
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            # piece by piece: one read would reserve memory for the largest table there may be
            while content.tell() <= MAX_TABLE_BYTES and (piece := stream.read(PIECE_BYTES)):
                content.write(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"The table cannot be unpacked ({error})", where=where, how="make the gzip anew") from None
    if content.tell() > MAX_TABLE_BYTES:
        raise InputError(f"The table unpacks to over {MAX_TABLE_BYTES} bytes", where=where, how="split it")
    return content.getvalue()


def decode_text(data: bytes, where: str, what: str = "table") -> str:
    """Text of UTF-8, with or without its mark, or of UTF-16 with its mark; else an `InputError` that names the line."""
    wide = data[:2] in UTF_16_MARKS
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        bad = f"UTF-8 text: line {line} has the byte 0x{data[error.start]:02x}, perhaps Latin-1 or Windows-1252"
        raise InputError(
            f"The {what} cannot be read: it is no {'UTF-16 text' if wide else bad}",
            where=where,
            how="save it as UTF-8",
        ) from None
    if "\x00" in text:
        raise InputError(
            f"The {what} cannot be read: it holds NUL characters", where=where, how="save it as UTF-8 text"
        )
    return text


def sniff_delimiter(text: str) -> str:
    """Comma, semicolon or tab: the one that cuts the first rows into most columns, equally many in each if possible."""
    sample = io.StringIO("".join(text.splitlines(keepends=True)[:SNIFFED_ROWS]), newline="")

    def quality(delimiter: str) -> tuple[bool, int]:
        sample.seek(0)
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return False, 0
        return len(set(widths)) == 1 and widths[0] > 1, widths[0] if widths else 0

    return max(DELIMITERS, key=quality)  # the first of equals: comma


def _delimited(text: str, delimiter: str, where: str) -> Columns:
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(f"The table cannot be read ({error})", where=where, how=MENDED) from None
    if not lines or not any(cell.strip() for cell in lines[0]):
        raise InputError("The table is empty", where=where, how="write a row of column names and one row per image")
    header = [cell.strip() for cell in lines[0]]
    _refuse_twice(header, where)
    rows = [(number, _trimmed(line, len(header))) for number, line in enumerate(lines[1:], 2) if any(line)]
    ragged = [(number, len(line)) for number, line in rows if len(line) != len(header)]
    if ragged:
        shown = ", ".join(f"row {number} has {width}" for number, width in ragged[:EXAMPLES])
        raise InputError(
            f"{len(ragged)} rows of the table have another number of cells than its {len(header)} columns ({shown})",
            where=where,
            how=MENDED,
        )
    columns = [list(column) for column in zip(*(line for _, line in rows), strict=True)] or [[] for _ in header]
    return Columns(where, _named(header, columns), [number for number, _ in rows])


def _trimmed(line: list[str], width: int) -> list[str]:
    """A row without blank cells beyond its last column, as a delimiter at the end of the line makes them."""
    return line[:width] if len(line) > width and not any(cell.strip() for cell in line[width:]) else line


def _parquet(file: Path | io.BytesIO, where: str) -> Columns:
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file).read()
        columns = [table.column(i).to_pylist() for i in range(table.num_columns)]
    except Exception as error:  # Arrow answers a damaged file with errors of many kinds
        text = " ".join(str(error).split())
        raise InputError(f"The table cannot be read ({text})", where=where, how=MENDED) from None
    _refuse_twice(table.column_names, where)
    return Columns(where, _named(table.column_names, columns), list(range(1, table.num_rows + 1)))


def _json_lines(text: str, where: str) -> Columns:
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"Line {number} is no JSON ({error})", where=where, how="correct that line") from None
        if not isinstance(row, dict):
            raise InputError(f"Line {number} is no JSON object", where=where, how="write one {…} per line")
        rows.append((number, row))
    names = dict.fromkeys(name for _, row in rows for name in row)
    return Columns(where, {name: [row.get(name) for _, row in rows] for name in names}, [number for number, _ in rows])


def _refuse_twice(names: Sequence[str], where: str) -> None:
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise InputError(f"The table has the column {twice[0]!r} twice", where=where, how=MENDED)


def _named(names: Sequence[str], columns: Sequence[list[Any]]) -> dict[str, list[Any]]:
    """Columns that have a name; a delimiter at the end of every line makes one that has none."""
    return {name: column for name, column in zip(names, columns, strict=True) if name}


def has_columns(source: Source, name: str, wanted: Collection[str]) -> bool:
    """Whether a table among the images has all of the `wanted` columns; never an error, and cheap for text."""
    try:
        data = source.open_bytes(name)
        if name.lower().endswith((".parquet", ".jsonl")):
            return set(wanted) <= set(parse_columns(name, data, where="").cells)
        if name.lower().endswith(".gz"):
            with gzip.open(io.BytesIO(data)) as stream:
                data = stream.read(HEAD_BYTES)
        wide = data[:2] in UTF_16_MARKS
        head = data[:HEAD_BYTES].decode("utf-16" if wide else "utf-8-sig", "replace").splitlines()[0]
        tabbed = name.lower().removesuffix(".gz").endswith(".tsv")
        header = next(csv.reader([head], delimiter="\t" if tabbed else sniff_delimiter(head)), [])
    except (ImageError, InputError, OSError, EOFError, zlib.error, IndexError, csv.Error):
        return False
    return set(wanted) <= {cell.strip() for cell in header}
