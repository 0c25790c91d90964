"""Parquet files: every kind of cell, and files that unpack to more than they weigh."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unpersonal.layouts import table_limits
from unpersonal.layouts.columns import read_columns

from .cases import bomb, refused, write


def constant(value: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def test_parquet_of_more_rows_than_a_cohort_has_images(tmp_path):
    pq.write_table(pa.table({"image": constant("x" * 200, 5_000_001)}), tmp_path / "t.parquet", compression="zstd")
    assert (tmp_path / "t.parquet").stat().st_size < 2**17
    bomb(tmp_path / "t.parquet", "5,000,001 rows, more than 5,000,000")
    refused(tmp_path / "t.parquet", "5,000,001 rows")


@pytest.mark.slow
def test_a_text_that_every_row_repeats_is_there_once(tmp_path):
    rows = 1_000_000  # of 1 MB each: 1 TB if every row had its own
    whole = constant("x" * 1_000_000, rows)
    listed = pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32)), constant("y" * 1_000_000, rows))
    pq.write_table(pa.table({"s": whole, "l": listed}), tmp_path / "t.parquet", compression="zstd")
    cells = read_columns(tmp_path / "t.parquet").cells
    assert len(cells["s"]) == len(cells["l"]) == rows and len(cells["s"][0]) == len(cells["l"][0][0]) == 1_000_000
    assert len({id(cell) for cell in cells["s"][::1000]}) == 1
    write(tmp_path, "short.csv", text="image,subject,label\n" + "a/" * 3000 + "1.png,s,a\n")
    assert len(refused(tmp_path / "short.csv", "1 of 1 image paths .* are no paths")) < 500


def test_bytes_and_values_of_columns_are_counted_before_they_are_read(tmp_path, monkeypatch):
    table = pa.table(
        {"image": ["1.png"] * 10, "thumbnail": [bytes([i]) * 1000 for i in range(10)], "l": [[1] * 9] * 10}
    )
    pq.write_table(table, tmp_path / "t.parquet", compression="none")
    monkeypatch.setattr(table_limits, "MAX_TABLE_BYTES", 5000)
    bomb(tmp_path / "t.parquet", "unpack to .* MiB, more than")
    assert read_columns(tmp_path / "t.parquet", ["image"]).cells == {"image": ["1.png"] * 10, "thumbnail": [], "l": []}
    monkeypatch.setattr(table_limits, "MAX_VALUES", 89)
    bomb(tmp_path / "t.parquet", "over 89 values", ["l"])


@pytest.mark.slow
def test_every_kind_of_parquet_cell_as_arrow_gives_it(tmp_path):
    words = [f"{i:030d}" for i in range(4000)]
    table = pa.table(
        {
            "text": [None, *words[1:]],
            "large": pa.array(words, pa.large_string()),
            "category": pa.array(words[:4] * 1000).dictionary_encode(),
            "list": [None, [], [None, "a"], *([word] for word in words[3:])],
            "numbers": [[i] * (i % 3) for i in range(4000)],
            "fixed": pa.array([["a", "b"]] * 4000, pa.list_(pa.string(), 2)),
            "struct": [{"b": word} for word in words],
            "struct.b": words,
        }
    )
    options = [{}, {"row_group_size": 300}, {"use_dictionary": False},
               {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
               {"dictionary_pagesize_limit": 1000}]  # fmt: skip
    for how in options:
        pq.write_table(table, tmp_path / "t.parquet", **how)
        assert read_columns(tmp_path / "t.parquet").cells == table.to_pydict(), how
        one = read_columns(tmp_path / "t.parquet", ["struct"])
        assert one.cells["struct"] == table["struct"].to_pylist() and one.cells["struct.b"] == [] and len(one) == 4000
