"""The cells of a Parquet file, however it was written; one that unpacks to more than it weighs is refused before."""

from __future__ import annotations

import io
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.workers import Pool
from ..images.file_kinds import HEAD, foreign_kind
from . import table_limits as limits

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def parquet_cells(
    file: Path | io.BytesIO, where: str, needed: Container[str] | None
) -> tuple[dict[str, list[Any]], int]:
    """Cells by column name, those of the `needed` columns only (None: all), and the number of rows.

    Whatever is wrong with the file is an `InputError`.
    """
    import pyarrow.parquet as pq

    _refuse_no_parquet(file, where)
    try:
        head = pq.ParquetFile(file)
        names = head.schema_arrow.names
        limits.refuse_twice(names, where)
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
        raise InputError(f"The table cannot be read ({text})", where=where, how=limits.MENDED) from None
    count = head.metadata.num_rows
    if any(len(cells[name]) != count for name in read):
        raise InputError(f"The table says that it has {count:,} rows and has others", where=where, how=limits.MENDED)
    return cells, count


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
"""A column in one group of rows: its number, path, bytes and values, and whether it is in DELTA_BYTE_ARRAY."""


def _chunks(file: Path | io.BytesIO, where: str) -> list[Chunk]:
    """What a Parquet file says of its columns, read in a process of its own: Arrow may end one at a damaged file."""
    bad = InputError("The table cannot be read (its metadata is damaged)", where=where, how=limits.MENDED)
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
    except Exception:  # as in `parquet_cells`
        return None


def _refuse_bomb(rows: int, chunks: Sequence[Chunk], names: Sequence[str], where: str) -> None:
    """`InputError` for more rows, values or bytes in the columns `names` than a cohort can have, before any is read."""
    if rows > limits.MAX_ROWS:
        raise InputError(f"The table has {rows:,} rows, more than {limits.MAX_ROWS:,}", where=where, how="split it")
    size, values = 0, dict.fromkeys(names, 0)
    for _, path, length, count, _ in chunks:
        name = next((name for name in names if path == name or path.startswith(f"{name}.")), None)
        if name is not None:
            size += length
            values[name] += count
    if size > limits.MAX_TABLE_BYTES:
        raise InputError(
            f"The columns of the table unpack to {size >> 20:,} MiB, more than {limits.MAX_TABLE_BYTES >> 20}",
            where=where,
            how="split it",
        )
    if values and max(values.values()) > limits.MAX_VALUES:
        raise InputError(f"A column of the table has over {limits.MAX_VALUES:,} values", where=where, how="split it")


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
    plain: list[Any] = array.to_pylist()
    return plain


def parquet_names(data: bytes) -> list[str]:
    """Names of the columns; none where the file cannot be read. One that is too large has its names all the same."""
    import pyarrow.parquet as pq

    try:
        return list(pq.ParquetFile(io.BytesIO(data)).schema_arrow.names)
    except Exception:  # as in `parquet_cells`
        return []
