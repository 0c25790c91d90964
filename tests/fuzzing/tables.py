"""Mutated tables: cells, columns, quoting, encodings; as CSV, TSV, Parquet or JSON lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .damage import damage, kind_of
from .names import odd_name

CELLS = (
    "", " ", "\t", "0", "1", "-1", "-0", "2", "1.0", "1e400", "-1e-400", "NaN", "nan", "inf", "None", "null", "NULL",
    "N/A", "n/a", "TRUE", "False", "yes", "1,5", "0x10", "１", "٣", "|", "||", "a|", "|a", "a|a", "a||b",
    "a|b|c|d|e|f", "No Finding", "no finding ", "No Finding|Mass", "train", "TEST", "validation", "aux", "train-val",
    "\ufeff", "\u200b", "\u202e", "e\u0301", "\U0001f600", "\xa0", "\x1b[0m", "a\nb", "a\r\nb", 'a"b', "a'b", "a,b",
    "a;b", "=cmd()", "[bold]x[/bold]", "[/]", "{x}", "%s", "x" * 5000, "1" * 400, "١٢٣", "-", "--", "1970-01-01",
    "PA", "LL", "lateral", "Frontal", "\x85", "\u2028", "\x0b\x0c\x1c",
)  # fmt: skip
LETTERS = "abcXYZ019 ,;|\"'\t\n\r\0é日\ufeff\u202e\U0001f600-._/\\#=%"
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**63 - 1, -(2**63), 10**30, 1.5, float("nan"), float("inf"), -0.0, 1e300, "", "a",
    b"a", b"\xff", [], ["a"], ["a", None], [["a"]], {"a": 1}, {"bytes": b"x", "path": None}, "\ud800", "a\0b",
    "x" * 2000,
)  # fmt: skip


@dataclass
class Sheet:
    """Column names and rows of text: what a table is before it is written."""

    header: list[str]
    rows: list[list[Any]]
    paths: list[str] = field(default_factory=list)
    """Names of columns that hold paths."""

    def copy(self) -> Sheet:
        """A sheet that can be changed without changing this one."""
        return Sheet(list(self.header), [list(row) for row in self.rows], list(self.paths))


def mutated(sheet: Sheet, rng: Random, values: bool = False) -> Sheet:
    """A copy with one to a few changes of cells, columns or rows; `values` allows cells that are no text."""
    changed = sheet.copy()
    for _ in range(1 + int(rng.expovariate(0.7))):
        rng.choices(CHANGES, WEIGHTS)[0](changed, rng, values)
    return changed


def written(sheet: Sheet, name: str, rng: Random | None) -> bytes:
    """The bytes of a table by the suffix of `name`; with `rng` sometimes in a form that a reader must notice."""
    lower = name.lower()
    if lower.endswith(".parquet"):
        return _parquet(sheet, rng)
    if lower.endswith(".jsonl"):
        return _json_lines(sheet, rng)
    data = _delimited(sheet, "\t" if ".tsv" in lower else ",", rng)
    return gzip.compress(data, 1, mtime=0) if lower.endswith(".gz") else data


def mutated_table(sheet: Sheet, name: str, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A table whose content, form or bytes are damaged."""
    choice = rng.random()
    values = name.lower().endswith((".parquet", ".jsonl"))
    changed = mutated(sheet, rng, values) if choice < 0.75 else sheet
    data = written(changed, name, rng if rng.random() < 0.4 else None)
    if choice > 0.6:
        data = damage(data, kind_of(name), rng, others)
    return data


def _delimited(sheet: Sheet, delimiter: str, rng: Random | None) -> bytes:
    stream = io.StringIO(newline="")
    options: dict[str, Any] = {"lineterminator": "\n", "delimiter": delimiter}
    encoding = "utf-8"
    if rng is not None:
        options["lineterminator"] = rng.choice(("\n", "\r\n", "\r", "\n\n", "\n\r", "\u2028"))
        options["quoting"] = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE))
        options["delimiter"] = rng.choice((delimiter, delimiter, ";", "\t", "|", " "))
        options["escapechar"] = rng.choice(("\\", "^"))
        encoding = rng.choice(("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252", "utf-32", "utf-7"))
    lines = [[_text(cell) for cell in line] for line in (sheet.header, *sheet.rows)]
    try:
        csv.writer(stream, **options).writerows(lines)
    except csv.Error:  # a row of one empty cell cannot go unquoted
        csv.writer(stream).writerows(lines)
    text = stream.getvalue()
    if rng is not None and rng.random() < 0.3:
        text = rng.choice(
            (text[:-1], text + '"', '"' + text, "\n\n" + text, "# said\n" + text, "sep=,\n" + text, text * 2)
        )
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf-8") else "replace")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _json_lines(sheet: Sheet, rng: Random | None) -> bytes:
    lines = [json.dumps(_plain(dict(zip(sheet.header, row)))) for row in sheet.rows]
    if rng is not None:
        odd = (
            "", "null", "[]", "{}", "1", '"a"', "{", '{"file_name": "a.png"', '{"file_name": 1}',
            '{"file_name": ["a"]}', "NaN", '{"file_name": NaN, "subject": Infinity}', '{"a": 1, "a": 2}', "[" * 5000,
            '{"x":' * 5000, "\\", "1" * 5000, '{"label": "\\ud800"}',
            '{"file_name": "\\ud800.png", "subject": "\\udfff", "label": "\\u0000"}', "\ufeff{}",
        )  # fmt: skip
        for _ in range(1 + rng.randrange(2)):
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(odd))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    """A value as JSON takes it."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _parquet(sheet: Sheet, rng: Random | None) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = sheet.header or ["image"]
    columns = [_array([row[i] if i < len(row) else None for row in sheet.rows], rng) for i in range(len(names))]
    table = pa.Table.from_arrays(columns, names=[name.encode("utf-8", "replace").decode() for name in names])
    stream = io.BytesIO()
    kinds = ("none", "snappy", "gzip", "zstd", "brotli", "lz4")
    kind = kinds[1] if rng is None else rng.choice(kinds)
    pq.write_table(
        table, stream, compression=kind, use_dictionary=rng is None or rng.random() < 0.5, store_schema=False
    )
    return stream.getvalue()


def _array(values: Sequence[Any], rng: Random | None) -> Any:
    """The column as Arrow takes it: of one type if it can be, else as text; sometimes of a type that holds no text."""
    import pyarrow as pa

    clean = [value.encode("utf-8", "replace").decode() if isinstance(value, str) else value for value in values]
    attempts: list[Callable[[], Any]] = [lambda: pa.array(clean), lambda: pa.array([_clean(value) for value in values])]
    if rng is not None and rng.random() < 0.4:
        simple = (pa.binary(), pa.large_string(), pa.null(), pa.float32(), pa.int8(), pa.bool_(), pa.date32())
        units = (pa.timestamp("ns"), pa.duration("s"), pa.decimal128(10, 2))
        kind = rng.choice((*simple, *units, pa.list_(pa.string()), pa.dictionary(pa.int8(), pa.string())))
        texts = pa.array([_clean(value) for value in values])
        attempts = [lambda: texts.cast(kind), lambda: pa.nulls(len(clean), kind), *attempts]
    for attempt in attempts:
        try:
            return attempt()
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
    return pa.array(["" for _ in values], pa.string())


def _clean(value: Any) -> str:
    return _text(value).encode("utf-8", "replace").decode()


def _pick(sheet: Sheet, rng: Random) -> tuple[list[Any], int] | None:
    if not sheet.rows or not sheet.rows[0]:
        return None
    row = rng.choice(sheet.rows)
    return (row, rng.randrange(len(row))) if row else None


def _odd_cell(sheet: Sheet, rng: Random, values: bool) -> None:
    if (found := _pick(sheet, rng)) is None:
        return
    row, column = found
    name = sheet.header[column] if column < len(sheet.header) else ""
    if values and rng.random() < 0.3:
        row[column] = rng.choice(VALUES)
    elif name in sheet.paths and rng.random() < 0.8:
        row[column] = odd_name(rng, _text(row[column]))
    elif rng.random() < 0.3:
        row[column] = "".join(rng.choice(LETTERS) for _ in range(rng.randrange(12)))
    else:
        row[column] = rng.choice(CELLS)


def _odd_column(sheet: Sheet, rng: Random, values: bool) -> None:
    """One value throughout a column, or a share of it."""
    if (found := _pick(sheet, rng)) is None:
        return
    value = rng.choice(VALUES) if values and rng.random() < 0.5 else rng.choice(CELLS)
    share = rng.choice((0.2, 1.0))
    for row in sheet.rows:
        if found[1] < len(row) and rng.random() < share:
            row[found[1]] = value


def _drop_column(sheet: Sheet, rng: Random, _: bool) -> None:
    if sheet.header:
        column = rng.randrange(len(sheet.header))
        del sheet.header[column]
        for row in sheet.rows:
            del row[column : column + 1]


def _rename_column(sheet: Sheet, rng: Random, _: bool) -> None:
    if sheet.header:
        column = rng.randrange(len(sheet.header))
        name = sheet.header[column]
        sheet.header[column] = rng.choice(
            (
                name.upper(),
                f" {name} ",
                name + "\u200b",
                "",
                "\ufeff" + name,
                rng.choice(sheet.header),
                rng.choice(CELLS),
            )
        )


def _move_columns(sheet: Sheet, rng: Random, _: bool) -> None:
    order = list(range(len(sheet.header)))
    rng.shuffle(order)
    sheet.header = [sheet.header[i] for i in order]
    sheet.rows = [[row[i] if i < len(row) else "" for i in order] for row in sheet.rows]


def _many_columns(sheet: Sheet, rng: Random, _: bool) -> None:
    count = rng.choice((1, 50, 3000))
    sheet.header += [f"extra{i}" for i in range(count)]
    sheet.rows = [[*row, *["0"] * count] for row in sheet.rows]


def _ragged(sheet: Sheet, rng: Random, _: bool) -> None:
    if sheet.rows:
        row = rng.choice(sheet.rows)
        if rng.random() < 0.5:
            del row[rng.randrange(len(row) + 1) :]
        else:
            row += [rng.choice(("", "x"))] * (1 + rng.randrange(3))


def _rows(sheet: Sheet, rng: Random, _: bool) -> None:
    choice = rng.randrange(6)
    if choice == 0:
        sheet.rows = []
    elif choice == 1:
        sheet.rows = sheet.rows[: rng.randrange(len(sheet.rows) + 1)]
    elif choice == 2 and sheet.rows:
        sheet.rows.append(list(rng.choice(sheet.rows)))
    elif choice == 3:
        rng.shuffle(sheet.rows)
    elif choice == 4:
        sheet.rows.insert(rng.randrange(len(sheet.rows) + 1), [""] * rng.choice((0, 1, len(sheet.header))))
    else:
        sheet.rows.insert(0, list(sheet.header))


def _huge(sheet: Sheet, rng: Random, _: bool) -> None:
    if (found := _pick(sheet, rng)) is not None:
        found[0][found[1]] = rng.choice(("x", "|", "a|", "é", ",", '"', "/")) * rng.choice((70_000, 140_000))


CHANGES: tuple[Callable[[Sheet, Random, bool], None], ...] = (
    _odd_cell, _odd_column, _drop_column, _rename_column, _move_columns, _many_columns, _ragged, _rows, _huge,
)  # fmt: skip
WEIGHTS = (50, 12, 5, 8, 6, 2, 6, 10, 2)
