"""Tables in every form, label policies against every reading of the open values, the scheme chest8."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.images.archives import FolderArchive
from unpersonal.layouts.columns import parse_columns, sniff_delimiter
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.labels import CHEST8, CHEXPERT14, Policy, apply_scheme, select, settle
from unpersonal.layouts.listing import ListedImage, make_listing
from unpersonal.layouts.read import read_listing
from unpersonal.layouts.recognise import recognise

ROWS = [("a/1.png", "p1", "x|y", "train"), ("a/2.png", "p1", "y", "train"), ("b, c/3.png", "p2", "z", "test")]
HEADER = ("image", "subject", "label", "split")
EXPECTED = [ListedImage(image, who, tuple(what.split("|")), split) for image, who, what, split in ROWS]


def configure(**values) -> CohortConfig:
    return build_config(CohortConfig, values, where="test")


def listing_of(base: Path, name: str, **values):
    return read_listing(configure(images=name, **values), base)


def refused(base: Path, name: str, match: str, **values) -> str:
    with pytest.raises(InputError, match=match) as error:
        listing_of(base, name, **values)
    assert error.value.what and error.value.how and error.value.where
    return str(error.value)


def delimited(delimiter: str, rows=ROWS, header=HEADER) -> str:
    quote = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in (header, *rows)]
    return "".join(delimiter.join(row) + "\n" for row in quote)


# files


FORMS = {
    "comma.csv": delimited(",").encode(),
    "semicolon.csv": delimited(";").encode(),
    "tab.csv": delimited("\t").encode(),
    "tab.tsv": delimited("\t").encode(),
    "CAPITAL.CSV": delimited(",").encode(),
    "packed.csv.gz": gzip.compress(delimited(",").encode()),
    "packed.tsv.gz": gzip.compress(delimited("\t").encode()),
    "mark.csv": delimited(",").encode("utf-8-sig"),
    "wide.csv": delimited(";").encode("utf-16"),
    "windows.csv": delimited(",").replace("\n", "\r\n").encode(),
    "blank-lines.csv": delimited(",").replace("\n", "\n\n").encode(),
    "delimiter-at-the-end.csv": delimited(",").replace("\n", ",\n").encode(),
    "no-end-of-line.csv": delimited(",").rstrip().encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_text_is_the_same_table(tmp_path, name):
    (tmp_path / name).write_bytes(FORMS[name])
    assert recognise(tmp_path / name) == "table"
    for layout in ("auto", "table"):
        listing = listing_of(tmp_path, name, layout=layout, split_column="split")
        assert listing.layout == "table" and list(listing.records) == EXPECTED and not listing.refused
        assert listing.classes == ("x", "y", "z") and not listing.official


def test_parquet_with_typed_cells(tmp_path):
    table = pa.table(
        {
            "image": ["1.png", "2.png", "3.png"],
            "subject": pa.array([12.0, None, 7.0]).fill_null(3.0),
            "label": pa.array([["x", "y"], ["y"], ["x"]]),
            "sick": pa.array([True, False, None]),
            "old": pa.array([1.0, float("nan"), -1.0]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert list(listing_of(tmp_path, "t.parquet").records) == [
        ListedImage("1.png", "12", ("x", "y")),
        ListedImage("2.png", "3", ("y",)),
        ListedImage("3.png", "7", ("x",)),
    ]
    listing = listing_of(tmp_path, "t.parquet", label_columns=["old", "sick"], uncertain="one")
    assert [record.labels for record in listing.records] == [("old", "sick"), (), ("old",)]
    assert listing.classes == ("old", "sick")


def test_a_latin_1_table_names_the_line(tmp_path):
    (tmp_path / "t.csv").write_bytes("image,subject,label\na.png,1,x\nb.png,Müller,x\n".encode("latin-1"))
    assert "0xfc" in refused(tmp_path, "t.csv", "line 3 .*Latin-1")


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
    ],
)
def test_bad_text(tmp_path, content, match):
    (tmp_path / "t.csv").write_bytes(content)
    refused(tmp_path, "t.csv", match)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet"])
def test_damaged_containers(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"image,subject,label\n" * 100)[:-9])
    refused(tmp_path, name, "cannot be")


def test_delimiter_of_hard_headers():
    assert sniff_delimiter("a;b\n1,5;2\n") == ";"
    assert sniff_delimiter('"a;b",c,d\n"x;y",1,2\n') == ","
    assert sniff_delimiter("one\nx;y\n") == ","
    assert parse_columns("t.csv", b"one\nx;y\n", where="").cells == {"one": ["x;y"]}


def test_images_that_are_dicom_are_listed_like_any(tmp_path):
    (tmp_path / "t.csv").write_text("image,subject,label\nx/1.dcm,a,k\nx/2,b,l\n")
    assert [record.image for record in listing_of(tmp_path, "t.csv").records] == ["x/1.dcm", "x/2"]


# columns of 1, 0, -1 and blank

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
    listing = listing_of(tmp_path, "t.csv", label_columns=["k", "l"], uncertain=uncertain, missing=missing)
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
    listing = listing_of(tmp_path, "t.csv", label_columns=["k", "l"])
    assert [record.labels for record in listing.records] == [("k",), ("l",), ()]
    left = listing_of(tmp_path, "t.csv", label_columns=["k", "l"], missing="ignore")
    assert [row[:2] for row in left.refused] == [("0.png", "label-missing"), ("2.png", "label-missing")]
    named = listing_of(tmp_path, "t.csv", label_column="k", missing="ignore")
    assert [row[0] for row in named.refused] == ["2.png"]
    refused(tmp_path, "t.csv", "not 1, 0, -1 or blank", label_columns=["k", "subject"])


def test_a_text_that_is_a_column_of_splits_or_flags(tmp_path):
    (tmp_path / "t.csv").write_text("image,subject,label,split,text\n1.png,a,0,train,t\n2.png,b,1,test,u\n")
    refused(tmp_path, "t.csv", "'split', the column of splits", split_column="split", text_column="split")
    refused(tmp_path, "t.csv", "'label', the column of labels", label_columns=["label"], text_column="label")
    listing = listing_of(tmp_path, "t.csv", split_column="split", text_column="text")
    assert [record.text for record in listing.records] == ["t", "u"]


def test_bad_cells_are_collected_with_their_rows(tmp_path):
    flag_table(tmp_path, [("1", "yes"), ("0", "0"), ("2", "0")], ["k", "l"])
    text = refused(tmp_path, "t.csv", "2 cells", label_columns=["k", "l"])
    assert "'yes' in row 2, column 'l'" in text and "'2' in row 4, column 'k'" in text
    text = refused(tmp_path, "t.csv", "no column 'm'", label_columns=["k", "m"])
    assert "image, subject, k, l" in text and "--label-columns" in text


def test_a_blank_in_a_column_of_names(tmp_path):
    (tmp_path / "t.csv").write_text("image,subject,label\n1.png,a,x\n2.png,b,\n3.png,c,y| \n")
    assert "2.png" in refused(tmp_path, "t.csv", "1 of 3 rows has no label")
    listing = listing_of(tmp_path, "t.csv", missing="ignore")
    assert [record.labels for record in listing.records] == [("x",), ("y",)]
    assert [row[:2] for row in listing.refused] == [("2.png", "label-missing")]
    assert [record.labels for record in listing_of(tmp_path, "t.csv", missing="zero").records] == [("x",), (), ("y",)]
    refused(tmp_path, "t.csv", "no label that a blank could stand for", missing="one")


# the scheme chest8


def by_hand(labels: set[str]) -> str | None:
    """The class of an image, written down from the definition."""
    findings = labels - {"Support Devices"}
    if "No Finding" in labels:
        return "No Finding" if findings == {"No Finding"} else None
    findings -= {"Lung Opacity", "Enlarged Cardiomediastinum"}
    return findings.pop() if len(findings) == 1 and findings <= set(CHEST8) else None


def test_selection_of_every_set_of_up_to_three_observations():
    for size in range(4):
        for labels in itertools.combinations(CHEXPERT14, size):
            assert select(labels)[0] == by_hand(set(labels)), labels
    assert [select(labels)[1] for labels in (("Edema", "Fracture"), ("Fracture",), (), ("Lung Opacity",))] == [
        "several-findings", "other-finding", "other-finding", "other-finding",
    ]  # fmt: skip
    assert select(("No Finding", "Edema"))[1] == select(("No Finding", "Lung Opacity"))[1] == "several-findings"


OBSERVED = ("No Finding", "Edema", "Pneumonia", "Fracture", "Lung Opacity", "Support Devices")


@pytest.mark.parametrize("missing", ["zero", "ignore"])
def test_an_open_value_refuses_exactly_if_it_could_change_the_class(missing):
    policy = Policy("ignore", missing, "chest8")
    for values in itertools.product((1, 0, -1, None), repeat=len(OBSERVED)):
        opened = [n for n, v in zip(OBSERVED, values, strict=True) if v == -1 or (v is None and missing == "ignore")]
        certain = {n for n, v in zip(OBSERVED, values, strict=True) if v == 1}
        readings = {
            by_hand(certain | set(more)) for k in range(len(opened) + 1) for more in itertools.combinations(opened, k)
        }
        labels, reason, _ = settle(OBSERVED, values, policy)
        assert bool(reason) == (len(readings) > 1), values
        if not reason:
            assert select(labels)[0] == readings.pop()


def test_scheme_over_a_listing():
    records = [
        ListedImage("1", "a", ("effusion",), "train"),
        ListedImage("2", "a", ("Pleural_Effusion",)),
        ListedImage("3", "b", ("no finding",)),
        ListedImage("4", "b", ("CARDIOMEGALY", "Support Devices", "Lung Opacity")),
        ListedImage("5", "c", ("Infiltration",)),
        ListedImage("6", "c", ("Edema", "Mass")),
        ListedImage("7", "d", ()),
    ]
    listing = make_listing(FolderArchive(Path(".")), records, ("whatever",), refused=[("0", "view", "LL")])
    chosen = apply_scheme(listing, "chest8")
    assert chosen.classes == CHEST8 and apply_scheme(listing, "all") is listing
    assert [(record.image, record.labels[0]) for record in chosen.records] == [
        ("1", "Pleural Effusion"), ("2", "Pleural Effusion"), ("3", "No Finding"), ("4", "Cardiomegaly"),
    ]  # fmt: skip
    assert chosen.records[0].split == "train" and [record.subject for record in chosen.records] == list("aabb")
    assert [row[:2] for row in chosen.refused] == [
        ("0", "view"), ("5", "other-finding"), ("6", "several-findings"), ("7", "other-finding"),
    ]  # fmt: skip
    assert len(chosen.records) + len(chosen.refused) == len(records) + 1
    assert len(chosen.notes) == 1 and chosen.notes[0].startswith("1 image ")
    assert apply_scheme(chosen, "chest8") == chosen
    with pytest.raises(InputError, match=r"No image of 1 has .*Mass"):
        apply_scheme(make_listing(listing.archive, records[5:6], ()), "chest8")


def test_scheme_in_a_table_and_a_folder(tmp_path):
    (tmp_path / "t.csv").write_text(
        "image,subject,label\n1.png,a,Effusion\n2.png,b,Effusion|Mass\n3.png,c,Hernia\n4.png,d,No_Finding\n"
    )
    listing = listing_of(tmp_path, "t.csv", labels="chest8")
    assert [record.labels for record in listing.records] == [("Pleural Effusion",), ("No Finding",)]
    assert Counter(row[1] for row in listing.refused) == {"several-findings": 1, "other-finding": 1}
    for name in ("Edema", "fracture"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "p1.png").write_bytes(b"x")
    listing = listing_of(tmp_path, "images", subject=r"(?P<subject>p\d)", labels="chest8")
    assert [record.image for record in listing.records] == ["Edema/p1.png"] and listing.classes == CHEST8
    assert [row[1] for row in listing.refused] == ["other-finding"]


# options that a layout could only ignore


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"subject": "dicom"}, "DICOM headers.*layout dicom"),
        ({"label_from": "dicom:StudyDescription"}, "DICOM headers"),
        ({"label_from": "participants:sex"}, "participants.tsv"),
        ({"views": "frontal"}, "frontal"),
    ],
)
def test_options_of_other_layouts(tmp_path, values, match):
    pd.DataFrame([("1.png", "a", "x")], columns=["image", "subject", "label"]).to_csv(tmp_path / "t.csv")
    refused(tmp_path, "t.csv", match, **values)
    (tmp_path / "images" / "x").mkdir(parents=True)
    (tmp_path / "images" / "x" / "1.png").write_bytes(b"x")
    refused(tmp_path, "images", match, **{"subject": "file", **values})
