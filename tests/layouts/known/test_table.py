"""Tables with one row per image, in every form and with every fault."""

from __future__ import annotations

import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unpersonal.cohort.read import read
from unpersonal.layouts.listing import ListedImage
from unpersonal.layouts.recognise import recognise

from ...journeys.cohort_cases import (
    refused as init_refused,
)
from ...journeys.cohort_cases import (
    run,
    try_init,
)
from ..cases import cohort_refused, configure, listing_in


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_table_in_any_order(flat, suffix):
    base, names, subjects, labels = flat
    frame = pd.DataFrame({"image": names, "subject": subjects, "label": labels}).sample(frac=1, random_state=0)
    write = {
        "csv": lambda p: frame.to_csv(p, index=False),
        "tsv": lambda p: frame.to_csv(p, index=False, sep="\t"),
        "parquet": lambda p: frame.to_parquet(p, index=False),
    }
    write[suffix](base / f"table.{suffix}")
    reading = read(configure(images=f"table.{suffix}"), 0, base)
    cohort, report = reading.cohort, reading.understanding
    assert report.layout == "table" and cohort.table["image"].tolist() == names
    assert cohort.table["subject"].tolist() == subjects and [x[0] for x in cohort.table["labels"]] == labels


@pytest.mark.slow
def test_table_with_named_columns_several_labels_splits_and_root(flat, tmp_path):
    base, names, subjects, labels = flat
    order = {s: i for i, s in enumerate(dict.fromkeys(subjects))}
    wish = ["train", "valid", "aux", "test"]
    splits = [wish[order[s] // 3 % 4] for s in subjects]
    both = [f"{label}|{'odd' if order[s] % 2 else 'even'}" for s, label in zip(subjects, labels, strict=True)]
    (tmp_path / "tables").mkdir()
    pd.DataFrame({"f": [n.split("/")[1] for n in names], "who": subjects, "what": both, "part": splits}).to_csv(
        tmp_path / "tables" / "t.csv", index=False
    )
    config = configure(
        images="tables/t.csv",
        root="img",
        image_column="f",
        subject_column="who",
        label_column="what",
        split_column="part",
    )
    cohort = read(config, 0, base).cohort
    assert cohort.classes == ("Cardiomegaly", "No Finding", "Pleural Effusion", "even", "odd")
    assert cohort.table["split"].tolist() == [s.replace("valid", "val") for s in splits]
    assert cohort.targets.sum(axis=1).tolist() == [2.0] * len(names)


@pytest.mark.slow
def test_numbers_as_subjects_stay_as_written(flat):
    base, names, subjects, labels = flat
    table = pd.DataFrame({"image": names, "subject": [s[-5:] for s in subjects], "label": labels})
    table.to_csv(base / "t.csv", index=False)
    assert read(configure(images="t.csv"), 0, base).cohort.table["subject"][0] == "00001"


@pytest.mark.slow
def test_a_few_absent_images_are_quarantined(flat):
    base, names, subjects, labels = flat
    pd.DataFrame(
        {"image": [*names, "img/gone.png"], "subject": [*subjects, "x"], "label": [*labels, "No Finding"]}
    ).to_csv(base / "t.csv", index=False)
    reading = read(configure(images="t.csv"), 0, base)
    cohort, quarantine, report = reading.cohort, reading.quarantine, reading.understanding
    assert len(cohort) == len(names) and [row[:2] for row in quarantine] == [("img/gone.png", "missing")]
    assert report.quarantined == {"missing": 1}


@pytest.mark.slow
def test_bad_tables(flat):
    base, names, subjects, labels = flat
    frame = pd.DataFrame({"image": names, "subject": subjects, "label": labels, "split": "train"})

    def written(**changes) -> str:
        frame.assign(**changes).to_csv(base / "t.csv", index=False)
        return "t.csv"

    text = cohort_refused("no column 'who'", images=written(), subject_column="who", label_column="what", base=base)
    assert "'what'" in text and "image, subject, label" in text and "--label-column" in text
    cohort_refused("rows has no subject", images=written(subject=["", *subjects[1:]]), base=base)
    cohort_refused("rows has no label", images=written(label=["", *labels[1:]]), base=base)
    cohort_refused("reach outside", images=written(image=["../x.png", *names[1:]]), base=base)
    cohort_refused("reach outside", images=written(image=["/etc/x.png", *names[1:]]), base=base)
    cohort_refused("more than once", images=written(image=[f"./{names[1]}", *names[1:]]), base=base)
    cohort_refused("split column holds", images=written(split="fold1"), split_column="split", base=base)
    cohort_refused("too few for the splits", images=written(), split_column="split", base=base)
    gone = cohort_refused("None of the", images=written(image=[f"gone/{n}" for n in names]), base=base)
    coded = cohort_refused("None of the", images=written(image=[n.replace("/", "%2F") for n in names]), base=base)
    assert "decode them" in coded and "decode" not in gone and all("--root" in text for text in (gone, coded))
    cohort_refused("does not name", images=written(), classes=["No Finding", "Pleural Effusion"], base=base)
    torn = ["train" if i % 2 else "test" for i in range(len(names))]
    cohort_refused("more than one split", images=written(split=torn), split_column="split", base=base)
    for name, content in (
        ("e.csv", b""),
        ("b.csv", b'a,b\n"1,2\n3'),
        ("u.csv", b"\xff\xfe\x00a"),
        ("p.parquet", b"PAR1"),
    ):
        (base / name).write_bytes(content)
        cohort_refused("table", images=name, base=base)
    (base / "h.csv").write_text("image,subject,label\n")
    cohort_refused("no rows", images="h.csv", base=base)
    cohort_refused("needs a file", images="img", layout="table", base=base)


ROWS = [("a/1.png", "p1", "x|y", "train"), ("a/2.png", "p1", "y", "train"), ("b, c/3.png", "p2", "z", "test")]


HEADER = ("image", "subject", "label", "split")


EXPECTED = [ListedImage(image, who, tuple(what.split("|")), split) for image, who, what, split in ROWS]


def delimited(delimiter: str, rows=ROWS, header=HEADER) -> str:
    quote = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in (header, *rows)]
    return "".join(delimiter.join(row) + "\n" for row in quote)


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
        listing = listing_in(tmp_path, name, layout=layout, split_column="split")
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
    assert list(listing_in(tmp_path, "t.parquet").records) == [
        ListedImage("1.png", "12", ("x", "y")),
        ListedImage("2.png", "3", ("y",)),
        ListedImage("3.png", "7", ("x",)),
    ]
    listing = listing_in(tmp_path, "t.parquet", label_columns=["old", "sick"], uncertain="one")
    assert [record.labels for record in listing.records] == [("old", "sick"), (), ("old",)]
    assert listing.classes == ("old", "sick")


def test_images_that_are_dicom_are_listed_like_any(tmp_path):
    (tmp_path / "t.csv").write_text("image,subject,label\nx/1.dcm,a,k\nx/2,b,l\n")
    assert [record.image for record in listing_in(tmp_path, "t.csv").records] == ["x/1.dcm", "x/2"]


@pytest.mark.slow
def test_one_is_singular(tmp_path, table, pictures, people):
    path = table(lambda i, row: row.update(image=f"images/{max(i, 1):04d}.png"))
    init_refused(try_init(tmp_path / "s", path, "--root", pictures), "1 image is listed more than once")
    lines = table().read_text().splitlines()
    lines[1] += ",x"
    path.write_text("\n".join(lines))
    init_refused(try_init(tmp_path / "s", path, "--root", pictures), "1 row of the table has another number of cells")
    path.write_text("\n".join(line for i, line in enumerate(table().read_text().splitlines()) if i != 1))
    result = run("init", tmp_path / "s", "--images", path, "--root", pictures, "--preset", "tiny")
    assert result.exit_code == 0 and "1 image file is not listed in table.csv and was left out" in result.output
    told = " ".join(result.output.split())
    assert "+ ignored 1 (no images of this cohort: labels, tables" in told and "of other kinds" not in told
