"""Faults that a hostile reading of the layouts found, each with the input that showed it."""

from __future__ import annotations

import gzip
import itertools
import unicodedata
import zipfile
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.layouts import columns
from unpersonal.layouts.columns import parse_columns, read_columns
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.fingerprint import fingerprint
from unpersonal.layouts.known.filelist import parse_filelist
from unpersonal.layouts.labels import CHEST8, CHEXPERT14
from unpersonal.layouts.listing import Listing
from unpersonal.layouts.read import image_root, read_listing
from unpersonal.layouts.subjects import look_alikes


def configure(**values) -> CohortConfig:
    return build_config(CohortConfig, {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}, where="t")


def listing_of(path: Path, **values) -> Listing:
    return read_listing(configure(images=path, **values), Path("."))


def refused(path: Path, match: str, **values) -> str:
    with pytest.raises(InputError, match=match) as error:
        listing_of(path, **values)
    assert error.value.what and error.value.how and error.value.where
    return str(error.value)


def write(root: Path, *names: str, text: str = "an image") -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


# one file, one row


def chexpert_row(path: str, *found: str) -> str:
    return f"{path},Frontal," + ",".join("1.0" if name in found else "" for name in CHEXPERT14) + "\n"


def chexpert_table(*rows: str) -> str:
    return ",".join(("Path", "Frontal/Lateral", *CHEXPERT14)) + "\n" + "".join(rows)


VIEW = "patient00001/study1/view1_frontal.jpg"
FULL = {"train": "CheXpert-v1.0 batch 2 (train 1)", "valid": "CheXpert-v1.0 batch 1 (validate & csv)"}


@pytest.mark.parametrize("folders", [{"train": "train", "valid": "valid"}, FULL], ids=["small", "full"])
@pytest.mark.parametrize("prefix", ["", "CheXpert-v1.0-small/"])
def test_a_row_never_gets_the_file_of_another_split(tmp_path, folders, prefix):
    for split, label in (("train", "Edema"), ("valid", "Pneumothorax")):
        write(tmp_path, f"{split}.csv", text=chexpert_table(chexpert_row(f"{prefix}{split}/{VIEW}", label)))
    files = {split: f"{folder}/{VIEW}" for split, folder in folders.items()}
    for there in (("train",), ("valid",), ("train", "valid")):
        write(tmp_path, *(files[split] for split in there))
        found = {record.labels[0]: record.image for record in listing_of(tmp_path).records}
        for split, label in (("train", "Edema"), ("valid", "Pneumothorax")):  # absent: named where it should be
            assert found[label] == (files[split] if split in there else f"{split}/{VIEW}")
        for split in there:
            (tmp_path / files[split]).unlink()


def test_files_without_a_folder_of_their_split(tmp_path):
    write(tmp_path, f"latest/{VIEW}", "train.csv", text=chexpert_table(chexpert_row(f"train/{VIEW}", "Edema")))
    assert [record.image for record in listing_of(tmp_path).records] == [f"latest/{VIEW}"]
    write(tmp_path, "valid.csv", text=chexpert_table(chexpert_row(f"valid/{VIEW}", "Fracture")))
    assert VIEW in refused(tmp_path, "1 file is meant by several rows")
    write(tmp_path, f"valid/{VIEW}", f"train/{VIEW}")
    assert len({record.image for record in listing_of(tmp_path).records}) == 2
    rows = [chexpert_row(VIEW, "Edema"), chexpert_row(VIEW.replace("001/", "002/"), "Edema")]
    for name, row in zip(("train.csv", "valid.csv"), rows, strict=True):  # paths that name no split: the table does
        write(tmp_path, name, text=chexpert_table(row))
    (tmp_path / f"latest/{VIEW}").unlink()
    assert f"train/{VIEW}" in {record.image for record in listing_of(tmp_path).records}


def test_two_rows_for_one_file_in_every_layout_that_searches(tmp_path):
    rows = (chexpert_row(prefix + f"train/{VIEW}", "Edema") for prefix in ("", "CheXpert-v1.0/"))
    refused(write(tmp_path / "c", "train.csv", text=chexpert_table(*rows)), "meant by several rows")
    nih = "Image Index,Finding Labels,Patient ID,View Position\na/1.png,Mass,1,PA\nb/1.png,Edema,2,PA\n"
    write(tmp_path / "n", "images/1.png")
    refused(write(tmp_path / "n", "Data_Entry_2017.csv", text=nih), "1 file is meant by several rows .*1.png")
    mimic = write(tmp_path / "m", "files/p10/p100/s1/abc.jpg")
    write(mimic, "mimic-cxr-2.0.0-split.csv", text="dicom_id,study_id,subject_id,split\nabc,1,100,train\n"
          "abc,2,200,test\n")  # fmt: skip
    labels = f"subject_id,study_id,{','.join(CHEXPERT14)}\n100,1,1.0{',' * 13}\n200,2,1.0{',' * 13}\n"
    write(mimic, "mimic-cxr-2.0.0-chexpert.csv", text=labels)
    refused(mimic, "1 file is meant by several rows .*abc.jpg")


# one person, one subject


def table_of(root: Path, subjects: list[str]) -> Path:
    write(root, "t.csv", text="image,subject,label\n" + "".join(f'{i}.png,"{s}",a\n' for i, s in enumerate(subjects)))
    return root / "t.csv"


def test_one_spelling_for_a_subject(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Müller")
    assert decomposed != "Müller"
    spellings = ["P01", "p01", "Müller", decomposed, " 7 ", "7", "P 01", "8"]
    listing = listing_of(table_of(tmp_path, spellings))
    assert [r.subject for r in listing.records] == ["P01", "p01", "Müller", "Müller", "7", "7", "P 01", "8"]
    assert look_alikes(r.subject for r in listing.records) == [["P 01", "P01", "p01"]]
    same = listing_of(table_of(tmp_path, ["P01", "P02", "Müller", decomposed]))
    assert not look_alikes(r.subject for r in same.records)


def test_a_subject_of_blanks_is_an_error(tmp_path):
    write(tmp_path, "train/a/ -x.png")
    refused(tmp_path, "1 image has a subject of blanks", subject=r"(?P<subject>[Pp]\d| )-", layout="folder")


@pytest.mark.parametrize(
    ("subjects", "alike"),
    [
        (["P-01", "P_01", "p 01", "P02"], [["P-01", "P_01", "p 01"]]),
        (["1-11", "11-1"], []),  # site and number
        (["1-11", "1.11", "11-1"], [["1-11", "1.11"]]),
        (["1-11", "11-1", "111"], [["1-11", "11-1", "111"]]),
        (["Ａ１", "a1"], [["a1", "Ａ１"]]),  # full width
        (["Straße", "STRASSE", "a\u200bb", "ab"], [["STRASSE", "Straße"], ["ab", "a\u200bb"]]),
        (["Müller", "Muller", "ab", "abc"], []),
        (["-1", "1", "--1--"], [["--1--", "-1", "1"]]),
    ],
)
def test_look_alikes(subjects, alike):
    for order in itertools.permutations(subjects):
        assert sorted(look_alikes(order)) == sorted(alike)


def scan(path: Path, patient: str, issuer: str) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PatientID, ds.IssuerOfPatientID = patient, issuer
    ds.Rows = ds.Columns = 8
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 7, 0, 1
    ds.PhotometricInterpretation, ds.PixelData = "MONOCHROME2", bytes(64)
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def test_issuer_and_id_are_joined_without_meeting(tmp_path):
    people = [("b:c", "a"), ("b:c", "z"), ("c", "a:b"), ("c", "q"), ("a:b:c", ""), ("P1", ""), ("p1", ""),
              ("1", "x\\"), ("1", "x"), ("\\:1", "x")]  # fmt: skip
    for i, (patient, issuer) in enumerate(people):
        scan(tmp_path / "k" / f"{i}.dcm", patient, issuer)
    listing = listing_of(tmp_path)
    subjects = {record.image: record.subject for record in listing.records}
    assert len(set(subjects.values())) == len(people) == len(listing.records)
    assert subjects["k/3.dcm"] == "q:c" and subjects["k/5.dcm"] == "P1"
    assert ["P1", "p1"] in look_alikes(subjects.values())


@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
def test_the_frames_of_a_file_are_one_subject(tmp_path, name):
    lines = {"t.csv": "image,label\nv.dcm#frame=0,a\nv.dcm#frame=1,a\nw.nii#slice=3,a\nx.png,a\n",
             "t.txt": "v.dcm#frame=0 0 1\nv.dcm#frame=1 0 1\nw.nii#slice=3 0 1\nx.png 1 0\n"}  # fmt: skip
    write(tmp_path, name, text=lines[name])
    values = {"classes": ["k", "l"]} if name == "t.txt" else {}
    listing = listing_of(tmp_path / name, subject="file", **values)
    assert [record.subject for record in listing.records] == ["v.dcm", "v.dcm", "w.nii", "x.png"]


# the fingerprint


NAMED = ("a/1.jfif", "a/2.dat", ".hidden/3.png", "4", "v.dcm")


def changes(root: Path, config: CohortConfig, name: str) -> bool:
    """Whether the fingerprint changes with one more byte of a file."""
    before = fingerprint(config, base=Path("."))
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((path.read_bytes() if path.is_file() else b"") + b"+")
    return fingerprint(config, base=Path(".")) != before


@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
@pytest.mark.parametrize("layout", ["auto", "named"])
def test_the_fingerprint_follows_whatever_a_table_names(tmp_path, name, layout):
    images = [*NAMED[:-1], "v.dcm#frame=0", "v.dcm#frame=1", "gone.png"]
    header, label = ("image,subject,label\n", ",s,a\n") if name == "t.csv" else ("", " 0 1\n")
    write(tmp_path, *NAMED, "stray.png", "study/release/1.png")
    write(tmp_path, name, text=header + "".join(image + label for image in images))
    values = {} if name == "t.csv" else {"classes": ["k", "l"], "subject": "file"}
    kind = {"t.csv": "table", "t.txt": "filelist"}[name] if layout == "named" else "auto"
    config = configure(images=tmp_path / name, layout=kind, **values)
    assert all(changes(tmp_path, config, image) for image in (*NAMED, "gone.png"))
    assert not any(changes(tmp_path, config, other) for other in ("stray.png", "study/release/1.png", "a/5.png"))
    assert changes(tmp_path, config, name)  # the table itself, which a byte at its end may break
    (tmp_path / name).write_bytes(b"\xff")
    assert changes(tmp_path, config, name)


def test_the_fingerprint_of_a_table_with_a_root(tmp_path):
    write(tmp_path / "in", "1.dat")
    write(tmp_path, "t.csv", text="image,subject,label\n1.dat,s,a\n")
    assert changes(tmp_path / "in", configure(images=tmp_path / "t.csv", root=tmp_path / "in"), "1.dat")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("1.dat", b"x")
    config = configure(images=tmp_path / "t.csv", root=tmp_path / "in.zip")
    before = fingerprint(config, base=Path("."))
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("1.dat", b"y")
    assert fingerprint(config, base=Path(".")) != before


def test_the_fingerprint_of_tables_among_the_images(tmp_path):
    root = write(tmp_path / "h", "a/1.png", "a/2.dat", "a/3.txt")
    write(root, "metadata.csv", text="file_name,subject,label\na/1.png,s,x\na/2.dat,t,x\n")
    config = configure(images=root)
    assert [changes(root, config, name) for name in ("a/1.png", "a/2.dat", "a/3.txt", "a/4.png")] == [
        True,
        True,
        False,
        True,
    ]
    root = write(tmp_path / "c", "train/p/s/v.dat", "other.dat")
    write(root, "train.csv", text=chexpert_table(chexpert_row("train/p/s/v.dat", "Edema")))
    config = configure(images=root, subject=r"(?P<subject>p)")
    assert [changes(root, config, name) for name in ("train/p/s/v.dat", "other.dat")] == [True, False]


# tables that unpack to more than they weigh


def constant(value: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def bomb(path: Path, match: str, needed: list[str] | None = None) -> None:
    with pytest.raises(InputError, match=match) as error:
        read_columns(path, needed)
    assert error.value.where == str(path) and error.value.how


def test_parquet_of_more_rows_than_a_cohort_has_images(tmp_path):
    pq.write_table(pa.table({"image": constant("x" * 200, 5_000_001)}), tmp_path / "t.parquet", compression="zstd")
    assert (tmp_path / "t.parquet").stat().st_size < 2**17
    bomb(tmp_path / "t.parquet", "5,000,001 rows, more than 5,000,000")
    refused(tmp_path / "t.parquet", "5,000,001 rows")


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
    monkeypatch.setattr(columns, "MAX_TABLE_BYTES", 5000)
    bomb(tmp_path / "t.parquet", "unpack to .* MiB, more than")
    assert read_columns(tmp_path / "t.parquet", ["image"]).cells == {"image": ["1.png"] * 10, "thumbnail": [], "l": []}
    monkeypatch.setattr(columns, "MAX_VALUES", 89)
    bomb(tmp_path / "t.parquet", "over 89 values", ["l"])


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


def test_text_that_unpacks_to_too_much(tmp_path, monkeypatch):
    (tmp_path / "lines.csv.gz").write_bytes(gzip.compress(b"image,subject,label\n" + b"\n" * 5_000_001))
    bomb(tmp_path / "lines.csv.gz", "over 5,000,000 lines")
    (tmp_path / "lines.txt").write_bytes(b"\n" * 5_000_001)
    refused(tmp_path / "lines.txt", "file list has over 5,000,000 lines", subject="file")
    (tmp_path / "wide.csv.gz").write_bytes(gzip.compress(b"image,subject,label\n" + b"," * (2**20 + 2)))
    bomb(tmp_path / "wide.csv.gz", "a row has over 1,048,576 characters")
    (tmp_path / "quoted.csv").write_bytes(b"image\n" + b'"x\n",' * 2**18)  # one row of many lines
    bomb(tmp_path / "quoted.csv", "a row has over 1,048,576 characters")
    monkeypatch.setattr(columns, "MAX_TABLE_BYTES", 2**20)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"image\n" + b"a.png\n" * 2**18))
    bomb(tmp_path / "t.csv.gz", "unpacks to over 1 MiB")
    for name in ("t.csv", "t.txt"):
        (tmp_path / name).write_bytes(b"image\n" + b"a.png\n" * 2**18)
        refused(tmp_path / name, "has over 1 MiB", subject="file")


def test_a_table_is_longer_than_a_row_may_be():
    rows = [(f"{i:07d}.png", f"s{i}") for i in range(100_000)]
    text = "image,subject\r\n" + "".join(f"{image},{subject}\r\n" for image, subject in rows)
    assert len(text) > columns.MAX_ROW
    found = parse_columns("t.csv", text.encode(), where="")
    assert list(zip(*found.cells.values(), strict=True)) == rows and found.rows == list(range(2, 100_002))


def test_only_the_columns_asked_for_are_kept():
    text = b"a,b,c\n1,2,3\n\n4,5,6\n"
    found = parse_columns("t.csv", text, where="", needed={"c", "x"})
    assert found.cells == {"a": [], "b": [], "c": ["3", "6"]} and found.rows == [2, 4]
    found = parse_columns("t.jsonl", b'{"a": 1, "c": 2}\n{"b": 3}\n', where="", needed={"c"})
    assert found.cells == {"a": [], "c": [2, None], "b": []} and len(found) == 2


def test_a_file_list_of_any_width():
    for width in range(1, 6):
        classes = [f"c{i}" for i in range(width)]
        for path in ("1", "a b 2", "x"):
            flags = ["1" if i % 2 else "0" for i in range(width)]
            rows, _ = parse_filelist(f" {path}  {' '.join(flags)} \n", classes)
            assert rows == [(path, tuple(classes[1::2]))]
            with pytest.raises(InputError, match="1 of 1 lines"):
                parse_filelist(f"{path} 0 {' '.join(flags)}\n", classes)
            with pytest.raises(InputError):
                parse_filelist(f"{path} {' '.join(flags[1:])}\n", classes)


# options at odds


def small_trees(root: Path) -> dict[str, Path]:
    """One input of every layout that reads text, by layout."""
    write(root, "x/t.csv", text="image,subject,label\n1.png,s,Edema|Atelectasis\n2.png,t,Edema\n")
    write(root, "x/t.txt", text="1.png 0 1\n")
    write(root, "folder/Edema/1.png")
    write(root, "kermany/PNEUMONIA/person1_virus_6.jpeg")
    write(root, "mednist/Hand/1.png", "mednist/CXR/1.png")
    write(root, "huggingface/metadata.csv", text="file_name,subject,label\n1.png,s,Edema\n")
    nih = "Image Index,Finding Labels,Patient ID,View Position\n1.png,Edema,1,PA\n"
    write(root, "nih/Data_Entry_2017.csv", text=nih)
    found = ("Edema", "Atelectasis")
    write(root, "chexpert/train.csv", text=chexpert_table(chexpert_row(f"train/{VIEW}", *found)))
    write(root, "mimic/mimic-cxr-2.0.0-metadata.csv", text="dicom_id,study_id,subject_id,ViewPosition\nabc,1,10,PA\n")
    labels = f"subject_id,study_id,{','.join(CHEXPERT14)}\n10,1,1.0{',' * 13}\n"
    write(root, "mimic/mimic-cxr-2.0.0-chexpert.csv", text=labels)
    scan(root / "dicom/Edema/1.dcm", "p", "")
    layouts = ("folder", "kermany", "mednist", "huggingface", "nih", "chexpert", "mimic", "dicom")
    return {**{name: root / name for name in layouts}, "table": root / "x" / "t.csv"}


def test_a_scheme_and_other_classes_are_refused_in_every_layout(tmp_path):
    for layout, path in small_trees(tmp_path).items():
        values = {"subject": "file"} if layout == "folder" else {}
        for classes in (["Edema", "Pneumonia"], list(reversed(CHEST8))):
            refused(path, "chest8 has classes of its own", labels="chest8", classes=classes, **values)
    write(tmp_path, "x/t.txt", text="1.png 0 1\n2.png 1 1\n")
    listing = listing_of(tmp_path / "x/t.txt", subject="file", labels="chest8", classes=["Fracture", "Edema"])
    assert [r.image for r in listing.records] == ["1.png"]  # there the classes are the names of the columns
    assert [row[:2] for row in listing.refused] == [("2.png", "several-findings")]


def test_the_scheme_by_its_name_and_by_its_classes_is_the_same(tmp_path):
    rows = [chexpert_row(f"train/patient0000{i}/study1/view1_frontal.jpg", "Edema", *more)
            for i, more in enumerate([(), ("Fracture",), ("Atelectasis",), ("Support Devices",)])]  # fmt: skip
    write(tmp_path, "train.csv", text=chexpert_table(*rows))
    named, spelt = (listing_of(tmp_path, labels="chest8", classes=classes) for classes in ([], list(CHEST8)))
    assert named.records == spelt.records and named.refused == spelt.refused
    assert [(r.subject[-1], r.labels) for r in spelt.records] == [("0", ("Edema",)), ("3", ("Edema",))]
    assert [row[1] for row in spelt.refused] == ["several-findings"] * 2


def test_options_about_given_splits_where_there_are_none(tmp_path):
    trees = small_trees(tmp_path)
    for layout in ("folder", "table", "kermany", "mednist", "nih", "huggingface", "mimic", "dicom"):
        values = {"subject": "file"} if layout == "folder" else {}
        for policy in ("error", "train", "test", "drop"):
            refused(trees[layout], "no splits that --split-conflict", split_conflict=policy, **values)
        if layout in ("folder", "table", "mednist", "dicom"):
            refused(trees[layout], "has no official splits", official_splits=False, **values)
        else:
            assert not listing_of(trees[layout], official_splits=False, **values).official
    assert listing_of(trees["chexpert"], split_conflict="drop").records[0].split == "train"
    refused(trees["chexpert"], "no splits that", split_conflict="drop", official_splits=False)
    write(tmp_path, "x/s.csv", text="image,subject,label,part\n1.png,s,a,train\n")
    assert listing_of(tmp_path / "x/s.csv", split_conflict="drop", split_column="part").records[0].split == "train"


def test_labels_from_paths_that_are_not_there(tmp_path):
    data = {"image": [{"bytes": b"x", "path": None}], "label": ["a"], "subject": ["s"]}
    kinds = {"image": datasets.Image(), "label": datasets.Value("string"), "subject": datasets.Value("string")}
    datasets.Dataset.from_dict(data, features=datasets.Features(kinds)).save_to_disk(str(tmp_path / "saved"))
    assert len(listing_of(tmp_path / "saved").records) == 1
    refused(tmp_path / "saved", "no paths that --label-from", label_from=r"(?P<label>\w)")


def test_labels_from_the_path_or_from_the_metadata(tmp_path):
    write(tmp_path, "b/1.png", "metadata.csv", text="file_name,subject,label,k\nb/1.png,s,a,1\n")
    pattern = r"(?P<label>\w)/"
    assert listing_of(tmp_path).records[0].labels == ("a",)
    assert listing_of(tmp_path, label_from=pattern).records[0].labels == ("b",)
    for values in ({"label_columns": ["k"]}, {"label_column": "k"}):
        refused(tmp_path, "--label-from takes the label from the path", label_from=pattern, **values)


# what was not read


@pytest.mark.parametrize("packed", [False, True])
def test_images_that_a_table_or_list_does_not_name(tmp_path, packed):
    root = write(tmp_path / "in", "a/1.png", "a/2.png", "a/3.jpg", "v.dcm", "w.dcm", ".hidden", "x.xyz", "README")
    write(root, "t.csv", text="image,subject,label\na/1.png,s,k\nv.dcm#frame=0,s,k\n")
    write(root, "t.txt", text="a/1.png 0 1\nv.dcm#frame=0 0 1\n")
    values = {"t.csv": {}, "t.txt": {"subject": "file", "classes": ["k", "l"]}}
    if packed:
        (root / "t.csv").rename(tmp_path / "t.csv")
        (root / "t.txt").rename(tmp_path / "t.txt")
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for path in root.rglob("*"):
                archive.write(path, path.relative_to(root).as_posix())
    for name, options in values.items():
        path = tmp_path / name if packed else root / name
        listing = listing_of(path, **options, **({"root": tmp_path / "in.zip"} if packed else {}))
        other = "" if packed else {"t.csv": ", 1 .txt", "t.txt": ", 1 .csv"}[name]
        kinds = sorted(f"1 .dcm, 1 .xyz, 1 without suffix{other}".split(", "))
        assert listing.ignored == 6 + (not packed)
        assert listing.notes[0] == f"2 image files are not listed in {name} and were left out."
        count, found = listing.notes[1].rstrip(".").split(" files of other kinds were ignored: ")
        assert sorted(found.split(", ")) == kinds and int(count) == len(kinds) and len(listing.notes) == 2


def test_a_folder_beside_the_images_that_nobody_may_read(tmp_path, monkeypatch):
    write(tmp_path, "1.png", "t.csv", text="image,subject,label\n1.png,s,k\n")

    def deny(self) -> list[str]:
        raise InputError("A folder cannot be read", where="lost+found", how="allow reading")

    monkeypatch.setattr("unpersonal.images.archives.FolderArchive.names", deny)
    listing = listing_of(tmp_path / "t.csv")
    assert len(listing.records) == 1 and listing.ignored == 0


def test_kinds_of_ignored_files(tmp_path):
    write(
        tmp_path, "a/1.png", *(f"a/{i}.xyz" for i in range(7)), *(f"a/{i}.gif" for i in range(3)), "a/1.2.840.11", "a/b"
    )
    (note,) = listing_of(tmp_path, subject="file").notes
    assert note == "12 files of other kinds were ignored: 7 .xyz, 3 .gif, 2 without suffix."
    write(tmp_path, "a/1.DOE JOHN", "a/2.müller", "a/1.aa", "a/1.bb", "a/1.cc", ".DS_Store", "__MACOSX/a/1.png")
    listing = listing_of(tmp_path, subject="file")
    (note,) = listing.notes
    assert (
        note.startswith("17 files of") and "2 of odd suffixes" in note and "2 more." in note and listing.ignored == 19
    )
    assert "doe" not in note.lower() and note.count(",") == 5


def test_every_suffix_of_jpeg(tmp_path):
    names = [f"a/1.{suffix}" for suffix in ("jpg", "jpeg", "jpe", "jfif", "jfi", "JFIF")]
    listing = listing_of(write(tmp_path, *names), subject="file")
    assert [record.image for record in listing.records] == sorted(names) and not listing.ignored and not listing.notes


# where the images lie


def test_the_root_of_the_images(tmp_path):
    write(tmp_path / "in", "a/1.png", "t.csv", "l.txt")
    write(tmp_path, "t.csv")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("1.png", b"x")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "link.zip").symlink_to(tmp_path / "x.zip")
    inside, packed = (tmp_path / "in").resolve(), (tmp_path / "x.zip").resolve()
    for images, root, expected in (
        ("in", None, inside), ("link", None, inside), ("in/../in/a", None, inside / "a"),
        ("in/t.csv", None, inside), ("link/t.csv", None, inside), ("link/l.txt", None, inside),
        ("t.csv", "in/a", inside / "a"), ("t.csv", "link", inside), ("t.csv", "x.zip", packed),
        ("x.zip", None, packed), ("link.zip", None, packed),
    ):  # fmt: skip
        assert image_root(configure(images=images, **({"root": root} if root else {})), tmp_path) == expected
    with pytest.raises(InputError, match="no such file"):
        image_root(configure(images="gone"), tmp_path)
