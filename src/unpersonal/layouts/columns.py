"""The cells of a table, whatever file it is in: CSV, TSV (both also gzipped), Parquet, JSON lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.letters import one_spelling
from ..core.words import plural
from ..images.archives import ImageArchive
from ..images.file_kinds import HEAD, refuse_foreign
from ..images.picture import ImageError
from . import table_limits as limits
from .listing import Problems
from .parquet import parquet_cells, parquet_names

if TYPE_CHECKING:
    pass

TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
PIECE_BYTES = 2**20
SNIFFED_ROWS = 50
DELIMITERS = (",", ";", "\t", "|")
EXAMPLES = 3
HEAD_BYTES = 2**16
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
SHORTEST_WIDE = 16
"""Bytes from which on text without a mark is suspected to be UTF-16."""


@dataclass(frozen=True)
class Columns:
    """Cells by column name, text in text files and values in Parquet and JSON; `rows` numbers them for messages.

    Row numbers are those of a spreadsheet: the header is row 1, blank rows count. In Parquet and JSON lines the first
    row is row 1. A column that was not asked for is named and has no cells.
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

    def words(self, name: str) -> list[str]:
        """As `texts`, each word in one spelling (`letters.one_spelling`)."""
        return [one_spelling(text) for text in self.texts(name)]


def cell_text(value: Any) -> str:
    """Stripped text of a cell: nothing for a missing value, `12` for the floating-point 12.0 of a column with gaps."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").strip()
    return str(value).strip()


def read_columns(path: Path, needed: Container[str] | None = None) -> Columns:
    """The columns of a table on disk, its kind by its suffix; whatever is wrong with it is an `InputError`.

    Only the cells of the `needed` columns are kept (None: all). A table of over `MAX_ROWS` rows, or of more than
    `MAX_TABLE_BYTES` once unpacked, is refused before it is.
    """
    if path.name.lower().endswith(".parquet"):
        return _of_parquet(path, str(path), needed)
    return parse_columns(path.name, read_text_file(path), where=str(path), needed=needed)


def read_text_file(path: Path, what: str = "table") -> bytes:
    """The content of a table or list on disk, up to `MAX_TABLE_BYTES`."""
    try:
        if path.stat().st_size > limits.MAX_TABLE_BYTES:
            raise InputError(f"The {what} has over {limits.MAX_TABLE_BYTES >> 20} MiB", where=str(path), how="split it")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The {what} cannot be read ({error})",
            where=str(path),
            how=limits.MENDED if what == "table" else "make it readable",
        ) from None


def archive_columns(archive: ImageArchive, name: str, needed: Container[str] | None = None) -> Columns:
    """The columns of a table that lies among the images, in a folder or a zip."""
    return parse_columns(name, archive_bytes(archive, name), where=f"{archive.root}: {name}", needed=needed)


def archive_bytes(archive: ImageArchive, name: str) -> bytes:
    """The content of a file that is not an image; `InputError` where it cannot be had."""
    try:
        return archive.open_bytes(name)
    except ImageError as error:
        raise InputError(
            f"The file cannot be read ({error.detail})", where=f"{archive.root}: {name}", how="restore it"
        ) from None


def parse_columns(name: str, data: bytes, *, where: str, needed: Container[str] | None = None) -> Columns:
    """The columns of a table's bytes, its kind by the suffix of `name`; cells of the `needed` ones (None: all)."""
    lower = name.lower()
    if lower.endswith(".parquet"):
        return _of_parquet(io.BytesIO(data), where, needed)
    text = decode_text(gunzip(data, where) if lower.endswith(".gz") else data, where)
    if lower.endswith(".jsonl"):
        return _json_lines(text, where, needed)
    tabbed = lower.removesuffix(".gz").endswith(".tsv")
    return _delimited(text, "\t" if tabbed else sniff_delimiter(text), where, needed)


def _of_parquet(file: Path | io.BytesIO, where: str, needed: Container[str] | None) -> Columns:
    cells, count = parquet_cells(file, where, needed)
    limits.refuse_twice(list(map(one_spelling, cells)), where)
    return Columns(where, {one_spelling(name): column for name, column in cells.items()}, list(range(1, count + 1)))


def gunzip(data: bytes, where: str) -> bytes:
    """The content of a gzip file, up to `MAX_TABLE_BYTES`."""
    content = io.BytesIO()
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            # piece by piece: one read would reserve memory for the largest table there may be
            while content.tell() <= limits.MAX_TABLE_BYTES and (piece := stream.read(PIECE_BYTES)):
                content.write(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"The table cannot be unpacked ({error})", where=where, how="make the gzip anew") from None
    if content.tell() > limits.MAX_TABLE_BYTES:
        raise InputError(f"The table unpacks to over {limits.MAX_TABLE_BYTES >> 20} MiB", where=where, how="split it")
    return content.getvalue()


def _every_other_is_zero(head: bytes) -> bool:
    """Whether most bytes at even or at odd places are zero and most others are not, as in UTF-16 of Latin letters."""
    zeros = sorted((half.count(0), len(half)) for half in (head[::2], head[1::2]))
    return len(head) >= SHORTEST_WIDE and 2 * zeros[0][0] < zeros[0][1] and 2 * zeros[1][0] > zeros[1][1]


def decode_text(data: bytes, where: str, what: str = "table") -> str:
    """Text of UTF-8, with or without its mark, or of UTF-16 with its mark; else an `InputError` that names the line.

    Text of over `MAX_ROWS` lines is one too: empty lines cost nothing in a file and much in memory.
    """
    refuse_foreign(data[:HEAD], where)
    wide = data[:2] in UTF_16_MARKS
    if not wide and _every_other_is_zero(data[:HEAD]):
        told = f"The {what} cannot be read: it looks like UTF-16 without a byte-order mark"
        raise InputError(told, where=where, how="save it as UTF-8")
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
    if max(text.count("\n"), text.count("\r")) > limits.MAX_ROWS:
        raise InputError(f"The {what} has over {limits.MAX_ROWS:,} lines", where=where, how="split it")
    if "\x00" in text:
        raise InputError(
            f"The {what} cannot be read: it holds NUL characters", where=where, how="save it as UTF-8 text"
        )
    return text


def sniff_delimiter(text: str) -> str:
    """Comma, semicolon, tab or bar: what cuts the first rows into most columns, equally many in each if possible."""
    sample = [match[0] for match in islice(LINE.finditer(text[: limits.MAX_ROW]), SNIFFED_ROWS)]

    def quality(delimiter: str) -> tuple[bool, int]:
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return False, 0
        return len(set(widths)) == 1 and widths[0] > 1, widths[0] if widths else 0

    return max(DELIMITERS, key=quality)  # the first of equals: comma


class _Lines(Iterator[str]):
    """The lines of a text with their ends; a row of more characters than one may have is a `csv.Error`."""

    def __init__(self, text: str) -> None:
        self._matches = LINE.finditer(text)
        self._taken = 0

    def begin_row(self) -> None:
        """Count anew: the lines that follow are those of another row."""
        self._taken = 0

    def __next__(self) -> str:
        line = next(self._matches)[0]
        self._taken += len(line)
        if self._taken > limits.MAX_ROW:
            raise csv.Error(f"a row has over {limits.MAX_ROW:,} characters")
        return line


def _delimited(text: str, delimiter: str, where: str, needed: Container[str] | None) -> Columns:
    rows: list[int] = []
    ragged: list[tuple[int, int]] = []  # number and cells of rows that do not fit
    read = 0  # lines of the rows so far
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = [one_spelling(cell) for cell in next(reader, [])]
        read = reader.line_num
        if not any(header):
            raise InputError("The table is empty", where=where, how="write a row of column names and one row per image")
        limits.refuse_twice(header, where)
        cells: dict[str, list[Any]] = {name: [] for name in header if name}
        kept = [(i, cells[name]) for i, name in enumerate(header) if name and (needed is None or name in needed)]
        for number, line in enumerate(reader, 2):
            lines.begin_row()
            read = reader.line_num
            if not any(line):
                continue
            line = _trimmed(line, len(header))
            if len(line) != len(header):
                ragged.append((number, len(line)))
                continue
            rows.append(number)
            for i, column in kept:
                column.append(line[i])
    except csv.Error as error:
        raise _unreadable(error, read + 1, where) from None
    _refuse_ragged(ragged, len(header), where)
    return Columns(where, cells, rows)


def _unreadable(error: csv.Error, line: int, where: str) -> InputError:
    what = f"The table cannot be read ({error} in the row that begins in line {line}"
    if "end of data" in str(error) or "characters" in str(error):
        what += ": perhaps a quotation mark opens there that nothing closes"
    return InputError(f"{what})", where=where, how=f"correct that row; {limits.MENDED}")


def _refuse_ragged(ragged: Sequence[tuple[int, int]], width: int, where: str) -> None:
    if ragged:
        shown = ", ".join(f"row {number} has {cells}" for number, cells in ragged[:EXAMPLES])
        raise InputError(
            f"{plural(len(ragged), 'row of the table has', 'rows of the table have')} another number of cells than its "
            f"{width} columns ({shown})",
            where=where,
            how=limits.MENDED,
        )


def _trimmed(line: list[str], width: int) -> list[str]:
    """A row without blank cells beyond its last column, as a delimiter at the end of the line makes them."""
    return line[:width] if len(line) > width and not any(cell.strip() for cell in line[width:]) else line


def _json_lines(text: str, where: str, needed: Container[str] | None) -> Columns:
    rows: list[tuple[int, dict[str, Any]]] = []
    names: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"Line {number} is no JSON ({error})", where=where, how="correct that line") from None
        if not isinstance(row, dict):
            raise InputError(f"Line {number} is no JSON object", where=where, how="write one {…} per line")
        row = {one_spelling(name): value for name, value in row.items()}
        names.update(dict.fromkeys(row))
        rows.append((number, {name: row[name] for name in row if needed is None or name in needed}))
    cells: dict[str, list[Any]] = {
        name: [row.get(name) for _, row in rows] if needed is None or name in needed else [] for name in names
    }
    return Columns(where, cells, [number for number, _ in rows])


def has_columns(archive: ImageArchive, name: str, wanted: Collection[str]) -> bool:
    """Whether a table among the images has all of the `wanted` columns; never an error, and cheap for text."""
    try:
        data = archive.open_bytes(name)
        if name.lower().endswith(".parquet"):
            return set(wanted) <= set(map(one_spelling, parquet_names(data)))
        if name.lower().endswith(".jsonl"):
            return set(wanted) <= set(parse_columns(name, data, where="", needed=()).cells)
        if name.lower().endswith(".gz"):
            with gzip.open(io.BytesIO(data)) as stream:
                data = stream.read(HEAD_BYTES)
        wide = data[:2] in UTF_16_MARKS
        head = data[:HEAD_BYTES].decode("utf-16" if wide else "utf-8-sig", "replace").splitlines()[0]
        tabbed = name.lower().removesuffix(".gz").endswith(".tsv")
        header = next(csv.reader([head], delimiter="\t" if tabbed else sniff_delimiter(head)), [])
    except (ImageError, InputError, OSError, EOFError, zlib.error, IndexError, csv.Error):
        return False
    return set(wanted) <= set(map(one_spelling, header))
