"""Columns of labels under every policy, columns of text, and columns that hold splits."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd
import pytest

from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.read import read_listing

from ..journeys.cohort_cases import (
    init,
    write_files,
)
from .cases import listing_in, notes, refused_in

VALUES = {
    "1": 1, "1.0": 1, "true": 1, "TRUE": 1, "0": 0, "0.0": 0, "False": 0, "-1": -1, "-1.0": -1, "": None, " ": None,
}  # fmt: skip


def flag_table(base: Path, cells: list[tuple[str, ...]], names: list[str]) -> None:
    lines = [",".join(("image", "subject", *names))]
    lines += [",".join((f"{i}.png", f"s{i}", *row)) for i, row in enumerate(cells)]
    (base / "t.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("uncertain", ["ignore", "zero", "one"])
@pytest.mark.parametrize("missing", [None, "ignore", "zero", "one"])
def test_policies_against_a_truth_table(tmp_path, uncertain, missing):
    cells = list(itertools.product(VALUES, repeat=2))
    flag_table(tmp_path, cells, ["k", "l"])
    listing = listing_in(tmp_path, "t.csv", label_columns=["k", "l"], uncertain=uncertain, missing=missing)
    meaning = {1: True, 0: False, -1: {"zero": False, "one": True}.get(uncertain)}
    meaning[None] = {None: False, "zero": False, "one": True}.get(missing)
    expected, out = {}, {}
    for i, row in enumerate(cells):
        values = [VALUES[cell] for cell in row]
        if any(meaning[value] is None for value in values):
            unsure = any(value == -1 and meaning[value] is None for value in values)
            out[f"{i}.png"] = "label-uncertain" if unsure else "label-missing"
        else:
            expected[f"{i}.png"] = tuple(n for n, value in zip("kl", values, strict=True) if meaning[value])
    assert {record.image: record.labels for record in listing.records} == expected
    assert {name: reason for name, reason, _ in listing.refused} == out
    assert len(listing.records) + len(listing.refused) == len(cells)


@pytest.mark.parametrize("word", ["N/A", "nan", "#N/A", "NULL", "<NA>", "#VALUE!"])
def test_blanks_are_the_same_in_both_kinds_of_columns(tmp_path, word):
    flag_table(tmp_path, [("1", word), ("0", "1"), (word, word)], ["k", "l"])
    listing = listing_in(tmp_path, "t.csv", label_columns=["k", "l"])
    assert [record.labels for record in listing.records] == [("k",), ("l",), ()]
    left = listing_in(tmp_path, "t.csv", label_columns=["k", "l"], missing="ignore")
    assert [row[:2] for row in left.refused] == [("0.png", "label-missing"), ("2.png", "label-missing")]
    named = listing_in(tmp_path, "t.csv", label_column="k", missing="ignore")
    assert [row[0] for row in named.refused] == ["2.png"]
    refused_in(tmp_path, "t.csv", "not 1, 0, -1 or blank", label_columns=["k", "subject"])


def test_a_text_that_is_a_column_of_splits_or_flags(tmp_path):
    (tmp_path / "t.csv").write_text("image,subject,label,split,text\n1.png,a,0,train,t\n2.png,b,1,test,u\n")
    refused_in(tmp_path, "t.csv", "'split', the column of splits", split_column="split", text_column="split")
    refused_in(tmp_path, "t.csv", "'label', the column of labels", label_columns=["label"], text_column="label")
    listing = listing_in(tmp_path, "t.csv", split_column="split", text_column="text")
    assert [record.text for record in listing.records] == ["t", "u"]


def test_bad_cells_are_collected_with_their_rows(tmp_path):
    flag_table(tmp_path, [("1", "yes"), ("0", "0"), ("2", "0")], ["k", "l"])
    text = refused_in(tmp_path, "t.csv", "2 cells", label_columns=["k", "l"])
    assert "'yes' in row 2, column 'l'" in text and "'2' in row 4, column 'k'" in text
    text = refused_in(tmp_path, "t.csv", "no column 'm'", label_columns=["k", "m"])
    assert "image, subject, k, l" in text and "--label-columns" in text


def test_a_blank_in_a_column_of_names(tmp_path):
    (tmp_path / "t.csv").write_text("image,subject,label\n1.png,a,x\n2.png,b,\n3.png,c,y| \n")
    assert "2.png" in refused_in(tmp_path, "t.csv", "1 of 3 rows has no label")
    listing = listing_in(tmp_path, "t.csv", missing="ignore")
    assert [record.labels for record in listing.records] == [("x",), ("y",)]
    assert [row[:2] for row in listing.refused] == [("2.png", "label-missing")]
    assert [record.labels for record in listing_in(tmp_path, "t.csv", missing="zero").records] == [("x",), (), ("y",)]
    refused_in(tmp_path, "t.csv", "no label that a blank could stand for", missing="one")


@pytest.mark.slow
def test_a_column_of_splits_is_pointed_out(tmp_path, table, root):
    def split(i: int, row: dict[str, str]) -> None:
        row["Split"] = "test" if int(row["subject"][4:]) % 4 == 0 else "train"

    path = table(split)
    assert "--split-column Split keeps them" in notes(init(tmp_path / "s", path, *root))
    config = CohortConfig(images=str(path), root=root[1], split_column="Split")
    assert not any("looks like" in note for note in read_listing(config, Path(".")).notes)
    described = tmp_path / "hf" / "metadata.csv"
    described.parent.mkdir()
    frame = pd.read_csv(path).rename(columns={"image": "file_name"})
    frame.to_csv(described, index=False)
    write_files(tmp_path / "hf", {name: (Path(root[1]) / name).read_bytes() for name in frame["file_name"]})
    assert "--split-column Split keeps them" in notes(init(tmp_path / "u", tmp_path / "hf"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "cells", "keeps", "noted"),
    [
        ("split", ("train", "test", "holdout"), False, True),
        ("split", ("train", "test", "n/a"), False, True),
        ("dataset_split", ("train", "test", "train"), True, True),
        ("DataSet", ("Train", "Val", "Test"), True, True),
        ("cv fold", ("train_1", "test_1", "train_2"), False, True),
        ("Subset", ("train", "train", "train"), True, True),
        ("split", ("x", "y", "test"), False, False),
        ("split", ("train", "x", "y"), False, False),
        ("fold", ("1", "2", "3"), False, False),
        ("remark", ("train", "test", "val"), False, False),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_that_hold_splits_among_other_cells(tmp_path, column, cells, keeps, noted, kind):
    rows = [{"image": f"{i}.png", "subject": i, "label": "ab"[i % 2], column: cells[i % 3]} for i in range(12)]
    path = tmp_path / f"t.{kind}"
    pd.DataFrame(rows).to_csv(path, index=False) if kind == "csv" else pd.DataFrame(rows).to_parquet(path)
    found = [note for note in read_listing(CohortConfig(images=str(path)), tmp_path).notes if "looks like" in note]
    assert len(found) == noted
    if noted:
        assert f"--split-column {column} keeps them" in found[0] and ("once every row" in found[0]) is not keeps
