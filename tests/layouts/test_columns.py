"""The cells of tables: text that cannot be read, delimiters, tables that unpack to more than they weigh."""

from __future__ import annotations

import gzip

import pytest

from unpersonal.layouts import table_limits
from unpersonal.layouts.columns import parse_columns, sniff_delimiter

from ..journeys.cohort_cases import (
    refused as init_refused,
)
from ..journeys.cohort_cases import (
    try_init,
)
from .cases import bomb, refused, refused_in


def test_a_latin_1_table_names_the_line(tmp_path):
    (tmp_path / "t.csv").write_bytes("image,subject,label\na.png,1,x\nb.png,Müller,x\n".encode("latin-1"))
    assert "0xfc" in refused_in(tmp_path, "t.csv", "line 3 .*Latin-1")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"image,subject,label\n", "no rows"),
        (b"image,subject,label\na,b\n", "row 2 has 2"),
        (b"image,subject,label\na,1,x\n\nb,1,x,y\n", "row 4 has 4"),
        (b"image,subject,label,label\na,b,c,d\n", "'label' twice"),
        (b'image,subject,label\n"a,b,c\n', "cannot be read"),
        (b"image,subject,label\na\x00,b,c\n", "NUL"),
        (b"image;subject;labels\na;b;c\n", "no column 'label' .its columns: image, subject, labels"),
        ("image,subject,label\n".encode("utf-16") + b"a", "UTF-16"),
        ("image,subject,label\na,b,c\n".encode("utf-16-le"), "UTF-16 without a byte-order mark"),
        ("image,subject,label\na,b,größe\n".encode("utf-16-be"), "UTF-16 without a byte-order mark"),
    ],
)
def test_bad_text(tmp_path, content, match):
    (tmp_path / "t.csv").write_bytes(content)
    refused_in(tmp_path, "t.csv", match)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet"])
def test_damaged_containers(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"image,subject,label\n" * 100)[:-9])
    refused_in(tmp_path, name, "cannot be")


def test_delimiter_of_hard_headers():
    assert sniff_delimiter("a;b\n1,5;2\n") == ";"
    assert sniff_delimiter('"a;b",c,d\n"x;y",1,2\n') == ","
    assert sniff_delimiter("one\nx;y\n") == ","
    assert parse_columns("t.csv", b"one\nx;y\n", where="").cells == {"one": ["x;y"]}


def test_text_that_unpacks_to_too_much(tmp_path, monkeypatch):
    (tmp_path / "lines.csv.gz").write_bytes(gzip.compress(b"image,subject,label\n" + b"\n" * 5_000_001))
    bomb(tmp_path / "lines.csv.gz", "over 5,000,000 lines")
    (tmp_path / "lines.txt").write_bytes(b"\n" * 5_000_001)
    refused(tmp_path / "lines.txt", "file list has over 5,000,000 lines", subject="file")
    (tmp_path / "wide.csv.gz").write_bytes(gzip.compress(b"image,subject,label\n" + b"," * (2**20 + 2)))
    bomb(tmp_path / "wide.csv.gz", "a row has over 1,048,576 characters")
    (tmp_path / "quoted.csv").write_bytes(b"image\n" + b'"x\n",' * 2**18)  # one row of many lines
    bomb(tmp_path / "quoted.csv", "a row has over 1,048,576 characters")
    monkeypatch.setattr(table_limits, "MAX_TABLE_BYTES", 2**20)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"image\n" + b"a.png\n" * 2**18))
    bomb(tmp_path / "t.csv.gz", "unpacks to over 1 MiB")
    for name in ("t.csv", "t.txt"):
        (tmp_path / name).write_bytes(b"image\n" + b"a.png\n" * 2**18)
        refused(tmp_path / name, "has over 1 MiB", subject="file")


def test_a_table_is_longer_than_a_row_may_be():
    rows = [(f"{i:07d}.png", f"s{i}") for i in range(100_000)]
    text = "image,subject\r\n" + "".join(f"{image},{subject}\r\n" for image, subject in rows)
    assert len(text) > table_limits.MAX_ROW
    found = parse_columns("t.csv", text.encode(), where="")
    assert list(zip(*found.cells.values(), strict=True)) == rows and found.rows == list(range(2, 100_002))


def test_only_the_columns_asked_for_are_kept():
    text = b"a,b,c\n1,2,3\n\n4,5,6\n"
    found = parse_columns("t.csv", text, where="", needed={"c", "x"})
    assert found.cells == {"a": [], "b": [], "c": ["3", "6"]} and found.rows == [2, 4]
    found = parse_columns("t.jsonl", b'{"a": 1, "c": 2}\n{"b": 3}\n', where="", needed={"c"})
    assert found.cells == {"a": [], "c": [2, None], "b": []} and len(found) == 2


def test_a_quotation_mark_that_nothing_closes(tmp_path, table, root):
    path = table()
    lines = path.read_text().splitlines()
    lines[6] = lines[6].replace("images", '"images', 1)
    path.write_text("\n".join(lines) + "\n")
    init_refused(try_init(tmp_path / "s", path, *root), "line 7", "quotation mark")
