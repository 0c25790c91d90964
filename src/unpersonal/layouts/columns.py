"""The cells of a table, whatever file it is in: CSV, TSV (both also gzipped), Parquet, JSON lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.words import plural
from ..core.workers import Pool
from ..images.archives import MAX_ENTRIES, ImageArchive
from ..images.file_kinds import HEAD, foreign_kind, refuse_foreign
from ..images.picture import ImageError
from .listing import Problems

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
MAX_TABLE_BYTES = 512 * 2**20  # of text, or of the columns that are read, after decompression
MAX_ROW = 2**20  # characters of one row of text
MAX_VALUES = 4 * MAX_ENTRIES  # of one column, for lists hold several a row
PIECE_BYTES = 2**20
SNIFFED_ROWS = 50
DELIMITERS = (",", ";", "\t")
EXAMPLES = 3
HEAD_BYTES = 2**16
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
MENDED = "save it as UTF-8 CSV, TSV or Parquet with distinct column names and as many cells in every row"


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


def read_columns(path: Path, needed: Container[str] | None = None) -> Columns:
    """The columns of a table on disk, its kind by its suffix; whatever is wrong with it is an `InputError`.

    Only the cells of the `needed` columns are kept (None: all). A table of over `MAX_ENTRIES` rows, or of more than
    `MAX_TABLE_BYTES` once unpacked, is refused before it is.
    """
    if path.name.lower().endswith(".parquet"):
        return _parquet(path, str(path), needed)
    return parse_columns(path.name, read_text_file(path), where=str(path), needed=needed)


def read_text_file(path: Path, what: str = "table") -> bytes:
    """The content of a table or list on disk, up to `MAX_TABLE_BYTES`."""
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise InputError(f"The {what} has over {MAX_TABLE_BYTES >> 20} MiB", where=str(path), how="split it")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The {what} cannot be read ({error})",
            where=str(path),
            how=MENDED if what == "table" else "make it readable",
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
        return _parquet(io.BytesIO(data), where, needed)
    text = decode_text(gunzip(data, where) if lower.endswith(".gz") else data, where)
    if lower.endswith(".jsonl"):
        return _json_lines(text, where, needed)
    tabbed = lower.removesuffix(".gz").endswith(".tsv")
    return _delimited(text, "\t" if tabbed else sniff_delimiter(text), where, needed)


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
        raise InputError(f"The table unpacks to over {MAX_TABLE_BYTES >> 20} MiB", where=where, how="split it")
    return content.getvalue()


def decode_text(data: bytes, where: str, what: str = "table") -> str:
    """Text of UTF-8, with or without its mark, or of UTF-16 with its mark; else an `InputError` that names the line.

    So is text of over `MAX_ENTRIES` lines: empty ones cost nothing in a file and much in memory.
    """
    refuse_foreign(data[:HEAD], where)
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
    if max(text.count("\n"), text.count("\r")) > MAX_ENTRIES:
        raise InputError(f"The {what} has over {MAX_ENTRIES:,} lines", where=where, how="split it")
    if "\x00" in text:
        raise InputError(
            f"The {what} cannot be read: it holds NUL characters", where=where, how="save it as UTF-8 text"
        )
    return text


def sniff_delimiter(text: str) -> str:
    """Comma, semicolon or tab: the one that cuts the first rows into most columns, equally many in each if possible."""
    sample = [match[0] for match in islice(LINE.finditer(text[:MAX_ROW]), SNIFFED_ROWS)]

    def quality(delimiter: str) -> tuple[bool, int]:
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return False, 0
        return len(set(widths)) == 1 and widths[0] > 1, widths[0] if widths else 0

    return max(DELIMITERS, key=quality)  # the first of equals: comma


def _delimited(text: str, delimiter: str, where: str, needed: Container[str] | None) -> Columns:
    rows: list[int] = []
    ragged: list[str] = []
    wrong = taken = read = 0  # characters of the row so far, lines of the rows before it

    def lines() -> Iterator[str]:
        nonlocal taken
        for match in LINE.finditer(text):
            taken += match.end() - match.start()
            if taken > MAX_ROW:
                raise csv.Error(f"a row has over {MAX_ROW:,} characters")
            yield match[0]

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        read = reader.line_num
        if not any(header):
            raise InputError("The table is empty", where=where, how="write a row of column names and one row per image")
        _refuse_twice(header, where)
        cells: dict[str, list[Any]] = {name: [] for name in header if name}
        kept = [(i, cells[name]) for i, name in enumerate(header) if name and (needed is None or name in needed)]
        for number, line in enumerate(reader, 2):
            taken, read = 0, reader.line_num
            if not any(line):
                continue
            line = _trimmed(line, len(header))
            if len(line) != len(header):
                wrong += 1
                ragged += [f"row {number} has {len(line)}"] if wrong <= EXAMPLES else []
                continue
            rows.append(number)
            for i, column in kept:
                column.append(line[i])
    except csv.Error as error:
        what = f"The table cannot be read ({error} in the row that begins in line {read + 1}"
        if "end of data" in str(error) or "characters" in str(error):
            what += ": perhaps a quotation mark opens there that nothing closes"
        raise InputError(f"{what})", where=where, how=f"correct that row; {MENDED}") from None
    if wrong:
        raise InputError(
            f"{plural(wrong, 'row of the table has', 'rows of the table have')} another number of cells than its "
            f"{len(header)} columns ({', '.join(ragged)})",
            where=where,
            how=MENDED,
        )
    return Columns(where, cells, rows)


def _trimmed(line: list[str], width: int) -> list[str]:
    """A row without blank cells beyond its last column, as a delimiter at the end of the line makes them."""
    return line[:width] if len(line) > width and not any(cell.strip() for cell in line[width:]) else line


def _parquet(file: Path | io.BytesIO, where: str, needed: Container[str] | None) -> Columns:
    import pyarrow.parquet as pq

    _refuse_no_parquet(file, where)
    try:
        head = pq.ParquetFile(file)
        names = head.schema_arrow.names
        _refuse_twice(names, where)
        read = [name for name in names if name and (needed is None or name in needed)]
        chunks = _chunks(file, where)
        _refuse_bomb(head.metadata.num_rows, chunks, read, where)
        # as dictionaries, for a text of 1 MB that every row repeats takes 1 MB of a file and of memory
        texts = _dictionaries(head.schema, chunks)
        reader = pq.ParquetFile(file, metadata=head.metadata, read_dictionary=texts)
        cells: dict[str, list[Any]] = {name: [] for name in names if name}
        for group in range(reader.num_row_groups if read else 0):
            table = reader.read_row_group(group, columns=read)
            for name in read:
                cells[name] += [cell for chunk in table.column(name).chunks for cell in _cells(chunk)]
    except InputError:
        raise
    except Exception as error:  # Arrow answers a damaged file with errors of many kinds
        text = " ".join(str(error).split())
        raise InputError(f"The table cannot be read ({text})", where=where, how=MENDED) from None
    count = head.metadata.num_rows
    if any(len(cells[name]) != count for name in read):
        raise InputError(f"The table says that it has {count:,} rows and has others", where=where, how=MENDED)
    return Columns(where, cells, list(range(1, count + 1)))


def _refuse_no_parquet(file: Path | io.BytesIO, where: str) -> None:
    """`InputError` for a file of another kind under the name of a Parquet file; a damaged one is Arrow's to refuse."""
    try:
        if isinstance(file, io.BytesIO):
            head = file.getvalue()[:HEAD]
        else:
            with open(file, "rb") as stream:
                head = stream.read(HEAD)
    except OSError:  # as Arrow will say
        return
    if head[:4] == b"PAR1":
        return
    if found := foreign_kind(head):
        raise InputError(f"The table cannot be read: {found[0].replace('This', 'this')}", where=where, how=found[1])
    if head and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        what = "The table cannot be read: it is text, not Parquet"
        raise InputError(what, where=where, how="give it the suffix .csv or .tsv")


Chunk = tuple[int, str, int, int, bool]
"""Of a column in one group of rows: number and path of the column, bytes, values, whether it is in DELTA_BYTE_ARRAY."""


def _chunks(file: Path | io.BytesIO, where: str) -> list[Chunk]:
    """What a Parquet file says of its columns, read in a process of its own: Arrow may end one at a damaged file."""
    bad = InputError("The table cannot be read (its metadata is damaged)", where=where, how=MENDED)
    content = file.getvalue() if isinstance(file, io.BytesIO) else file
    pool: Pool[Path | bytes, list[Chunk] | None] = Pool(
        _chunks_of_each, lost=lambda *_: None, prepare=_nothing, arguments=(), workers=1
    )
    for (found,) in pool.map(iter([[content]])):
        if found is not None:
            return found
    raise bad


def _nothing() -> None:
    """A process that needs no preparation."""


def _chunks_of_each(contents: Sequence[Path | bytes]) -> list[list[Chunk] | None]:
    return [_chunks_of(content) for content in contents]


def _chunks_of(content: Path | bytes) -> list[Chunk] | None:
    import pyarrow.parquet as pq

    try:
        metadata = pq.ParquetFile(io.BytesIO(content) if isinstance(content, bytes) else content).metadata
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        chunks = [(i, group.column(i)) for group in groups for i in range(group.num_columns)]
        return [
            (i, c.path_in_schema, c.total_uncompressed_size, c.num_values, "DELTA_BYTE_ARRAY" in c.encodings)
            for i, c in chunks
        ]
    except Exception:  # as in _parquet
        return None


def _refuse_bomb(rows: int, chunks: Sequence[Chunk], names: Sequence[str], where: str) -> None:
    """`InputError` for more rows, values or bytes in the columns `names` than a cohort can have, before any is read."""
    if rows > MAX_ENTRIES:
        raise InputError(f"The table has {rows:,} rows, more than {MAX_ENTRIES:,}", where=where, how="split it")
    size, values = 0, dict.fromkeys(names, 0)
    for _, path, length, count, _ in chunks:
        name = next((name for name in names if path == name or path.startswith(f"{name}.")), None)
        if name is not None:
            size += length
            values[name] += count
    if size > MAX_TABLE_BYTES:
        raise InputError(
            f"The columns of the table unpack to {size >> 20:,} MiB, more than {MAX_TABLE_BYTES >> 20}",
            where=where,
            how="split it",
        )
    if values and max(values.values()) > MAX_VALUES:
        raise InputError(f"A column of the table has over {MAX_VALUES:,} values", where=where, how="split it")


def _dictionaries(schema: pq.ParquetSchema, chunks: Sequence[Chunk]) -> list[str]:
    """Paths of the columns of text that are stored as dictionaries; Arrow can make none of DELTA_BYTE_ARRAY."""
    deltas = {i for i, *_, delta in chunks if delta}
    columns = [(i, schema.column(i)) for i in range(len(schema))]
    return [column.path for i, column in columns if column.physical_type == "BYTE_ARRAY" and i not in deltas]


def _cells(array: pa.Array) -> list[Any]:
    """The values of an Arrow array; those of a dictionary are shared, not copied for every row."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_dictionary(kind):
        values = _cells(array.dictionary)
        return [None if index is None else values[index] for index in array.indices.to_pylist()]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        values, ends = _cells(array.values), array.offsets.to_pylist()
        valid = array.is_valid().to_pylist()
        return [values[a:b] if one else None for a, b, one in zip(ends, ends[1:], valid, strict=False)]
    return array.to_pylist()


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
        names.update(dict.fromkeys(row))
        rows.append((number, {name: row[name] for name in row if needed is None or name in needed}))
    cells: dict[str, list[Any]] = {
        name: [row.get(name) for _, row in rows] if needed is None or name in needed else [] for name in names
    }
    return Columns(where, cells, [number for number, _ in rows])


def _refuse_twice(names: Sequence[str], where: str) -> None:
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise InputError(f"The table has the column {twice[0]!r} twice", where=where, how=MENDED)


def has_columns(archive: ImageArchive, name: str, wanted: Collection[str]) -> bool:
    """Whether a table among the images has all of the `wanted` columns; never an error, and cheap for text."""
    try:
        data = archive.open_bytes(name)
        if name.lower().endswith(".parquet"):
            return set(wanted) <= set(_parquet_names(data))
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
    return set(wanted) <= {cell.strip() for cell in header}


def _parquet_names(data: bytes) -> list[str]:
    """Names of the columns; none where the file cannot be read. One that is too large has its names all the same."""
    import pyarrow.parquet as pq

    try:
        return list(pq.ParquetFile(io.BytesIO(data)).schema_arrow.names)
    except Exception:  # as in _parquet
        return []
