"""The public data sets, on small trees of their true shape that the tests write: true header lines, true paths."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.fingerprint import fingerprint
from unpersonal.layouts.labels import CHEST8, CHEXPERT14
from unpersonal.layouts.listing import Listing
from unpersonal.layouts.read import read_listing
from unpersonal.layouts.recognise import recognise

NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
MIMIC_OBSERVATIONS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,"
    "No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)
MIMIC_METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)


def configure(**values) -> CohortConfig:
    return build_config(CohortConfig, {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}, where="t")


def listing_of(path: Path, layout: str, rows: int | None, **values) -> Listing:
    """The listing with `auto`, checked to be the same with the layout named, in a zip, and to conserve the rows."""
    assert recognise(path) == layout
    listing = read_listing(configure(images=path, **values), Path("."))
    named = read_listing(configure(images=path, layout=layout, **values), Path("."))
    packed = path.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for file in path.rglob("*"):
            archive.write(file, f"top folder/{file.relative_to(path).as_posix()}")
    zipped = read_listing(configure(images=packed, **values), Path("."))
    packed.unlink()
    assert (listing.layout, listing.records, listing.refused) == (layout, named.records, named.refused)
    inside = [record.image.removeprefix("top folder/") for record in zipped.records]
    assert inside == [record.image for record in listing.records] and zipped.layout == layout
    facts = [[(record.subject, record.labels, record.split) for record in found.records] for found in (zipped, listing)]
    if values.get("subject") != "file" and layout != "mednist":
        assert facts[0] == facts[1]
    assert (zipped.classes, zipped.ignored, zipped.official) == (listing.classes, listing.ignored, listing.official)
    if rows is not None:
        assert len(listing.records) + len(listing.refused) == rows
    return listing


def write(root: Path, name: str, text: str | bytes = b"an image") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def refused(path: Path, match: str, **values) -> str:
    with pytest.raises(InputError, match=match) as error:
        read_listing(configure(images=path, **values), Path("."))
    assert error.value.what and error.value.how and error.value.where
    return str(error.value)


# NIH ChestX-ray14

NIH_ROWS = [
    ("00000001_000.png", "Cardiomegaly", 1, "PA"),
    ("00000001_001.png", "Cardiomegaly|Emphysema", 1, "PA"),
    ("00000002_000.png", "No Finding", 2, "AP"),
    ("00000003_000.png", "Hernia", 3, "PA"),
    ("00000004_000.png", "Effusion", 4, "LL"),
    ("00000005_000.png", "Pleural_Thickening|Mass|Nodule", 5, "PA"),
    ("00000006_000.png", "Infiltration", 6, ""),
]


def nih_tree(root: Path, edition: str = "Data_Entry_2017.csv", trailing: str = ",") -> Path:
    lines = [NIH_HEADER + trailing]
    lines += [f"{n},{la},0,{p},58,M,{v},2682,2749,0.143,0.143{trailing}" for n, la, p, v in NIH_ROWS]
    write(root, edition, "\r\n".join(lines))
    for i, (name, *_) in enumerate(NIH_ROWS[:-1]):  # the last image is listed and absent
        write(root, f"images_{i % 12 + 1:03d}/images/{name}")
    write(root, "images_001/images/99999999_000.png")
    write(root, "train_val_list.txt", "\n".join(row[0] for row in NIH_ROWS[:4]))
    write(root, "test_list.txt", "\r\n".join(row[0] for row in NIH_ROWS[4:]) + "\r\n")
    write(root, "BBox_List_2017.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,\n")
    write(root, "README_CHESTXRAY.pdf")
    return root


@pytest.mark.parametrize(("edition", "trailing"), [("Data_Entry_2017.csv", ","), ("Data_Entry_2017_v2020.csv", "")])
def test_nih(tmp_path, edition, trailing):
    root = nih_tree(tmp_path / "nih", edition, trailing)
    listing = listing_of(root, "nih", len(NIH_ROWS))
    where = {name: f"images_{i + 1:03d}/images/{name}" for i, (name, *_) in enumerate(NIH_ROWS[:-1])}
    where[NIH_ROWS[-1][0]] = f"images/{NIH_ROWS[-1][0]}"
    found = {record.image: (record.subject, record.labels, record.split) for record in listing.records}
    assert found == {
        where[name]: (str(patient), tuple(labels.split("|")), "train-val" if i < 4 else "test")
        for i, (name, labels, patient, _) in enumerate(NIH_ROWS)
    }
    assert listing.official and not listing.refused
    # the table, two lists, the boxes, the PDF and one image that nobody lists
    assert listing.ignored == 6 and any("1 image file is not listed" in note for note in listing.notes)
    assert listing.classes == tuple(sorted({label for _, labels, _, _ in NIH_ROWS for label in labels.split("|")}))


def test_nih_views_scheme_and_own_splits(tmp_path):
    root = nih_tree(tmp_path / "nih")
    listing = listing_of(root, "nih", len(NIH_ROWS), views="frontal", labels="chest8", official_splits=False)
    assert [record.labels for record in listing.records] == [("Cardiomegaly",), ("No Finding",)]
    assert Counter(row[1] for row in listing.refused) == {"view": 2, "several-findings": 2, "other-finding": 1}
    assert listing.classes == CHEST8 and not listing.official
    assert {record.split for record in listing.records} == {None}


def test_nih_at_odds_with_itself(tmp_path):
    root = nih_tree(tmp_path / "nih")
    write(root, "Data_Entry_2017_v2020.csv", (root / "Data_Entry_2017.csv").read_text().replace("Hernia", "Mass"))
    listing = read_listing(configure(images=root), Path("."))
    assert ("Hernia",) not in [record.labels for record in listing.records] and "latest edition" in str(listing.notes)
    write(root, f"images_copy/{NIH_ROWS[0][0]}")
    refused(root, "1 listed image lies in several folders")
    (root / "images_copy" / NIH_ROWS[0][0]).unlink()
    write(root, "test_list.txt", NIH_ROWS[0][0])
    refused(root, "in both official lists")
    (root / "test_list.txt").unlink()
    refused(root, "test_list.txt is not there")
    assert not read_listing(configure(images=root, official_splits=False), Path(".")).official
    write(root, "Data_Entry_2017_v2020.csv", NIH_HEADER.replace("Patient ID", "Patient"))
    refused(root, "no column 'Patient ID'", layout="nih")


# CheXpert

CHEXPERT_ROWS = {
    "train": [
        ("patient00001/study1/view1_frontal.jpg", "Frontal", "1.0,,,,,,,,,0.0,,,,1.0"),
        ("patient00002/study2/view1_frontal.jpg", "Frontal", ",,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,"),
        ("patient00002/study1/view2_lateral.jpg", "Lateral", ",,,1.0,,,,,,0.0,1.0,,,1.0"),
        ("patient00003/study1/view1_frontal.jpg", "Frontal", ",,,1.0,,1.0,,,,0.0,,,,"),
        ("patient00004/study1/view1_frontal.jpg", "Frontal", ",0.0,1.0,,,-1.0,,,,,,,,"),
    ],
    "valid": [
        ("patient64541/study1/view1_frontal.jpg", "Frontal", "0.0,1.0,1.0,1.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0"),
        ("patient64542/study1/view1_frontal.jpg", "Frontal", "1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0"),
    ],
}


def chexpert_tree(root: Path, prefix: str = "CheXpert-v1.0-small/") -> Path:
    for split, rows in CHEXPERT_ROWS.items():
        lines = [CHEXPERT_HEADER]
        lines += [f"{prefix}{split}/{path},Female,68,{view},AP,{flags}" for path, view, flags in rows]
        write(root, f"{split}.csv", "\n".join(lines) + "\n")
        for path, *_ in rows:
            write(root, f"{split}/{path}")
    return root


@pytest.mark.parametrize(
    ("root", "prefix"),
    [
        ("CheXpert-v1.0-small", "CheXpert-v1.0-small/"),
        ("CheXpert-v1.0", "CheXpert-v1.0/"),
        ("elsewhere", "CheXpert-v1.0/"),
        ("bare", ""),
    ],
)
def test_chexpert(tmp_path, root, prefix):
    listing = listing_of(chexpert_tree(tmp_path / root, prefix), "chexpert", 7, uncertain="zero")
    assert listing.classes == CHEXPERT14 and listing.official and not listing.refused
    expected = {}
    for split, rows in CHEXPERT_ROWS.items():
        for path, _, flags in rows:
            labels = tuple(n for n, flag in zip(CHEXPERT14, flags.split(","), strict=True) if flag == "1.0")
            expected[f"{split}/{path}"] = (path.split("/")[0], labels, {"valid": "val"}.get(split, split))
    assert {r.image: (r.subject, r.labels, r.split) for r in listing.records} == expected
    assert listing.ignored == 2 and not listing.notes


def test_chexpert_policies_views_and_scheme(tmp_path):
    root = chexpert_tree(tmp_path / "CheXpert-v1.0-small")
    listing = listing_of(root, "chexpert", 7)
    assert {row[0]: row[1] for row in listing.refused} == {
        "train/patient00002/study2/view1_frontal.jpg": "label-uncertain",
        "train/patient00004/study1/view1_frontal.jpg": "label-uncertain",
    }
    listing = listing_of(root, "chexpert", 7, views="frontal", labels="chest8")
    assert {record.subject: record.labels[0] for record in listing.records} == {
        "patient00001": "No Finding", "patient00003": "Edema", "patient64542": "No Finding",
    }  # fmt: skip
    assert {row[0].split("/", 1)[1].rsplit("/", 1)[0]: row[1] for row in listing.refused} == {
        # a fracture is certain, so whatever else is uncertain there is no class to be selected for
        "patient00002/study2": "other-finding",
        "patient00002/study1": "view",
        "patient00004/study1": "label-uncertain",
        "patient64541/study1": "several-findings",
    }
    listing = listing_of(root, "chexpert", 7, uncertain="one", classes=["Edema", "Cardiomegaly"])
    assert listing.classes == ("Edema", "Cardiomegaly")
    assert Counter(record.labels for record in listing.records) == {
        (): 3, ("Edema",): 1, ("Cardiomegaly",): 1, ("Edema", "Cardiomegaly"): 2,
    }  # fmt: skip
    refused(root, "'Oedema' is no observation", classes=["Oedema"])


def test_chexpert_test_part_absent_images_and_the_layout_of_the_full_download(tmp_path):
    root = chexpert_tree(tmp_path / "CheXpert-v1.0-small")
    header = ",".join(("Path", *CHEXPERT14))
    write(root, "test.csv", f"{header}\ntest/patient64741/study1/view1_frontal.jpg,{','.join('0' * 14)}\n"
          f"test/patient64742/study1/view2_lateral.jpg,{','.join('0' * 14)}\n")  # fmt: skip
    listing = listing_of(root, "chexpert", 9, uncertain="zero", views="frontal")
    tested = [record for record in listing.records if record.split == "test"]
    assert [record.image for record in tested] == ["test/patient64741/study1/view1_frontal.jpg"]  # listed, not there
    assert Counter(row[1] for row in listing.refused) == {"view": 2}
    for part in ("train", "valid"):
        (root / part).rename(root / f"CheXpert-v1.0 batch 1 ({part})")
    listing = listing_of(root, "chexpert", 9, uncertain="zero", official_splits=False)
    assert sum((root / record.image).is_file() for record in listing.records) == 7
    assert not listing.official and listing.records[0].split is None


def test_a_train_csv_of_something_else_is_not_chexpert(tmp_path):
    write(tmp_path / "x", "train.csv", "Path,label\na.png,1\n")
    write(tmp_path / "x", "cat/a.png")
    assert recognise(tmp_path / "x") == "folder"
    refused(tmp_path / "x", "no train.csv or valid.csv", layout="chexpert")


# MIMIC-CXR-JPG

MIMIC_IMAGES = [
    ("02aa804e-bde0afdd-112c0b34-7bc16630-4e384014", 10000032, 50414267, "PA", "train"),
    ("174413ec-4ec4c1f7-34ea26b7-c5f994f8-79ef1962", 10000032, 50414267, "LATERAL", "train"),
    ("2a2277a9-b0ded155-c0de8eb9-c124d10e-82c5caab", 10000032, 53189527, "AP", "train"),
    ("68b5c4b1-227d0485-9cc38c3f-7b84ab51-4b472714", 10000764, 57375967, "AP", "validate"),
    ("096052b7-d256dc40-453a102b-fa7d01c6-1b22c6b4", 11000011, 51029426, "", "test"),
    ("d0b71acc-b5a62046-bbb5f6b8-7b173b85-65cdf738", 11000011, 59965534, "LL", "test"),
]
MIMIC_STUDIES = {
    50414267: {"No Finding": "1.0"},
    53189527: {"Edema": "-1.0", "Lung Opacity": "1.0"},
    57375967: {"Consolidation": "1.0", "Lung Opacity": "1.0", "Support Devices": "1.0"},
    51029426: {"Pneumonia": "0.0", "Pleural Effusion": "1.0", "Edema": "1.0"},
}


def mimic_tree(root: Path, version: str = "2.0.0", suffix: str = ".csv.gz", labeller: str = "chexpert") -> Path:
    columns = MIMIC_OBSERVATIONS.split(",")
    person = {study: subject for _, subject, study, _, _ in MIMIC_IMAGES}
    labels = [f"subject_id,study_id,{MIMIC_OBSERVATIONS}"]
    labels += [f"{person[s]},{s},{','.join(row.get(n, '') for n in columns)}" for s, row in MIMIC_STUDIES.items()]
    split = ["dicom_id,study_id,subject_id,split"] + [f"{d},{s},{p},{part}" for d, p, s, _, part in MIMIC_IMAGES]
    metadata = [MIMIC_METADATA]
    metadata += [f'{d},{p},{s},"CHEST (PA, LAT)",{v},3056,2544,21800506,213014.531,CHEST,,Erect'
                 for d, p, s, v, _ in reversed(MIMIC_IMAGES)]  # fmt: skip
    for kind, lines in ((labeller, labels), ("split", split), ("metadata", metadata)):
        write(root, f"mimic-cxr-{version}-{kind}{suffix}", "\n".join(lines) + "\n")
    for name, subject, study, *_ in MIMIC_IMAGES:
        write(root, f"files/p{str(subject)[:2]}/p{subject}/s{study}/{name}.jpg")
    write(root, "files/p10/p10000032/s50414267.txt", "FINAL REPORT")
    write(root, "LICENSE.txt", "x")
    return root


@pytest.mark.parametrize(
    ("version", "suffix", "labeller"), [("2.0.0", ".csv.gz", "chexpert"), ("2.1.0", ".csv", "negbio")]
)
def test_mimic(tmp_path, version, suffix, labeller):
    root = mimic_tree(tmp_path / "mimic", version, suffix, labeller)
    listing = listing_of(root, "mimic", 6, uncertain="one")
    expected = {}
    for name, subject, study, _, part in MIMIC_IMAGES[:-1]:
        labels = tuple(n for n in CHEXPERT14 if MIMIC_STUDIES[study].get(n) in ("1.0", "-1.0"))
        image = f"files/p{str(subject)[:2]}/p{subject}/s{study}/{name}.jpg"
        expected[image] = (f"p{subject}", labels, {"validate": "val"}.get(part, part))
    assert {r.image: (r.subject, r.labels, r.split) for r in listing.records} == expected
    assert [(row[0].split("/")[3], row[1]) for row in listing.refused] == [("s59965534", "label-missing")]
    assert listing.official and listing.ignored == 5
    assert listing.notes == ("2 files of other kinds were ignored: 2 .txt.",)  # a report, the licence


def test_mimic_views_scheme_and_missing_tables(tmp_path):
    root = mimic_tree(tmp_path / "mimic")
    listing = listing_of(root, "mimic", 6, views="frontal", labels="chest8")
    assert [(r.subject, r.labels, r.split) for r in listing.records] == [
        ("p10000032", ("No Finding",), "train"), ("p10000764", ("Consolidation",), "val"),
    ]  # fmt: skip
    assert Counter(row[1] for row in listing.refused) == {"view": 3, "label-uncertain": 1}
    (root / "mimic-cxr-2.0.0-split.csv.gz").unlink()
    listing = listing_of(root, "mimic", 6)
    assert not listing.official and {record.split for record in listing.records} == {None}
    (root / "mimic-cxr-2.0.0-metadata.csv.gz").unlink()
    text = refused(root, "Nothing lists the images", layout="mimic", views="frontal")
    assert "Nothing says which images are frontal" in text
    (root / "mimic-cxr-2.0.0-chexpert.csv.gz").rename(root / "mimic-cxr-2.0.0-split.csv.gz")
    refused(root, "labels are not there")


def test_mimic_files_of_another_suffix_and_absent_ones(tmp_path):
    root = mimic_tree(tmp_path / "mimic")
    names = [f"files/p10/p10000032/s50414267/{name}.jpg" for name, *_ in MIMIC_IMAGES[:2]]
    (root / names[0]).rename((root / names[0]).with_suffix(".dcm"))
    (root / names[1]).unlink()
    listing = listing_of(root, "mimic", 6, uncertain="zero")
    found = {record.image for record in listing.records}
    assert names[0].replace(".jpg", ".dcm") in found and names[1] in found


# Kermany, MedNIST


def kermany_tree(root: Path, base: str = "") -> Path:
    for name in (
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/NORMAL/NORMAL2-IM-0023-0001.jpeg",
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "train/PNEUMONIA/person1_bacteria_2.jpeg",
        "val/NORMAL/NORMAL2-IM-1427-0001.jpeg",
        "val/PNEUMONIA/person1946_bacteria_4874.jpeg",
        "test/NORMAL/IM-0023-0001.jpeg",
        "test/PNEUMONIA/person1_virus_6.jpeg",
    ):
        write(root, base + name)
    write(root, base + "train/.DS_Store")
    return root


@pytest.mark.parametrize("base", ["", "chest_xray/"])
def test_kermany_splits(tmp_path, base):
    listing = listing_of(kermany_tree(tmp_path / "k", base), "kermany", 8)
    assert listing.official and Counter(r.split for r in listing.records) == {"train": 4, "val": 2, "test": 2}
    splits = {record.subject: set() for record in listing.records}
    for record in listing.records:
        splits[record.subject].add(record.split)
    assert splits["IM-0023"] == {"train", "test"} and splits["person1_bacteria"] == {"train"}
    assert splits["person1_virus"] == {"test"}
    listing = listing_of(tmp_path / "k", "kermany", 8, official_splits=False)
    assert not listing.official and {record.split for record in listing.records} == {None}


def test_mednist(tmp_path):
    root = tmp_path / "MedNIST"
    for folder in ("AbdomenCT", "BreastMRI", "ChestCT", "CXR", "Hand", "HeadCT"):
        for i in range(3):
            write(root, f"{folder}/{i:06d}.jpeg")
    write(root, "README.md", "x")
    listing = listing_of(root, "mednist", 18)
    assert listing.classes == ("AbdomenCT", "BreastMRI", "ChestCT", "CXR", "Hand", "HeadCT") and listing.ignored == 1
    assert [record.subject for record in listing.records] == [record.image for record in listing.records]
    assert Counter(record.labels[0] for record in listing.records) == dict.fromkeys(listing.classes, 3)
    assert "Nobody can check" in listing.notes[0]
    refused(root, "does not name", classes=["Hand", "CXR"])
    write(root, "Foot/000001.jpeg")
    assert recognise(root) == "folder"
    refused(root, "1 of 19 images does not lie as in MedNIST", layout="mednist")


# recognition


def test_mixed_and_ambiguous_inputs(tmp_path):
    root = nih_tree(chexpert_tree(tmp_path / "two"))
    assert "--layout" in refused(root, "tables of chexpert .*tables of nih")
    assert read_listing(configure(images=root, layout="chexpert", uncertain="one"), Path(".")).layout == "chexpert"
    for names, match in (
        (("a/1.png", "a/2.dcm"), "1 image and 1 DICOM file"),
        (("a/1.nii.gz", "a/2.dcm", "a/3.dcm"), "2 DICOM files and 1 NIfTI file"),
        (("a/1.nii", "a/2.png"), "1 image and 1 NIfTI file"),
        (("a/2.png", "a/IM1", "a/IM2"), "1 image and 2 DICOM files"),
    ):
        folder = tmp_path / names[0].replace("/", "-")
        for name in names:
            write(folder, name, b"\0" * 128 + b"DICM" if "IM" in name else b"an image")
        refused(folder, match, subject="file")


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({"s/1.dcm": b"x"}, "dicom"),
        ({"s/IM0001": b"\0" * 128 + b"DICM"}, "dicom"),
        ({"s/1.2.840.113619.2": b"\0" * 128 + b"DICM", "notes.txt": b"x"}, "dicom"),
        ({"sub-01/anat/sub-01_T1w.nii.gz": b"x", "participants.tsv": b"x", "dataset_description.json": b"{}"}, "nifti"),
        ({"x/1.png": b"x", "table.csv": b"image,label"}, "folder"),
        ({"x/README": b"x", "x/1.jpg": b"x"}, "folder"),
    ],
)
def test_recognised_from_the_folder_and_from_the_zip_alone(tmp_path, files, layout):
    for name, content in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert recognise(tmp_path / "in") == recognise(tmp_path / "in.zip") == layout


def test_folders_that_look_like_splits_are_pointed_out(tmp_path):
    for part in ("train", "test"):
        write(tmp_path / "x", f"{part}/cat/{part}1.png")
    refused(tmp_path / "x", "look like splits .test, train.* --layout huggingface .* --layout folder", subject="file")
    config = configure(images=tmp_path / "x", subject="file", layout="folder")
    assert "look like splits" in read_listing(config, Path(".")).notes[0]
    write(tmp_path / "x", "more/cat/1.png")
    (said,) = read_listing(configure(images=tmp_path / "x", subject="file"), Path(".")).notes
    assert "look like splits (test, train)" in said and "if somebody was held out there" in said


def test_the_fingerprint_follows_tables_and_images_but_no_stray_file(tmp_path):
    root = nih_tree(tmp_path / "nih")
    config = configure(images=root)
    seen = [fingerprint(config, base=Path("."))]
    for name, changes in (
        ("Data_Entry_2017.csv", True),
        ("test_list.txt", True),
        (f"images_001/images/{NIH_ROWS[0][0]}", True),
        ("study/summary.json", False),
        ("study/cohort.parquet", False),
        ("scans/1.dcm", True),
        ("scans/1.nii.gz", True),
        ("scans/IM0001", True),
    ):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((path.read_bytes() if path.is_file() else b"") + b"\n")
        seen.append(fingerprint(config, base=Path(".")))
        assert (seen[-1] != seen[-2]) == changes, name


# the paper's file lists

PATIENT = r"(?P<subject>\d+)_\d+\.png$"


def list_facts(rows: list[tuple[str, list[int]]], classes: list[str]) -> dict:
    """What a correct reader finds in a list, counted with arrays and not by the reader."""
    flags = np.array([row for _, row in rows])
    patients = np.array([path.split("/")[-1].split("_")[0] for path, _ in rows])
    sums = flags.sum(axis=1)
    first = flags.argmax(axis=1)[sums > 0]
    return {
        "rows": len(rows),
        "distinct_paths": len({path for path, _ in rows}),
        "distinct_patients": len(np.unique(patients)),
        "class_counts": dict(zip(classes, flags.sum(axis=0).tolist(), strict=True)),
        "rows_with_no_positive": int((sums == 0).sum()),
        "rows_with_one_positive": int((sums == 1).sum()),
        "rows_with_multiple_positives": int((sums > 1).sum()),
        "no_finding_together_with_finding": int(((flags[:, 0] == 1) & (sums > 1)).sum()),
        "first_positive_class_counts": {c: int((first == i).sum()) for i, c in enumerate(classes)},
        "distinct_patients_per_class": {c: len(np.unique(patients[flags[:, i] == 1])) for i, c in enumerate(classes)},
        "max_images_of_one_patient": int(np.unique(patients, return_counts=True)[1].max()),
        "first_row": {"path": rows[0][0], "labels": rows[0][1]},
        "last_row": {"path": rows[-1][0], "labels": rows[-1][1]},
    }


def check_list(path: Path, facts: dict, classes: list[str]) -> None:
    """Every count of `facts` against what `read_listing` finds, with the layout recognised and named."""
    for layout in ("auto", "filelist"):
        listing = read_listing(configure(images=path, subject=PATIENT, layout=layout), Path("."))
        records = listing.records
        assert listing.layout == "filelist" and list(listing.classes) == classes and not listing.refused
        assert len(records) == facts["rows"] and len({r.image for r in records}) == facts["distinct_paths"]
        per_patient = Counter(record.subject for record in records)
        assert len(per_patient) == facts["distinct_patients"]
        assert max(per_patient.values()) == facts["max_images_of_one_patient"]
        if "patient_with_most_images" in facts:
            assert per_patient[facts["patient_with_most_images"]] == facts["max_images_of_one_patient"]
        positive = Counter(label for record in records for label in record.labels)
        assert {c: positive[c] for c in classes} == facts["class_counts"]
        first = Counter(record.labels[0] for record in records if record.labels)
        assert {c: first[c] for c in classes} == facts["first_positive_class_counts"]
        widths = Counter(min(len(record.labels), 2) for record in records)
        names = ("rows_with_no_positive", "rows_with_one_positive", "rows_with_multiple_positives")
        assert [widths[k] for k in range(3)] == [facts[name] for name in names]
        both = sum("No Finding" in record.labels and len(record.labels) > 1 for record in records)
        assert both == facts["no_finding_together_with_finding"]
        assert facts["distinct_patients_per_class"] == {
            c: len({record.subject for record in records if c in record.labels}) for c in classes
        }
        by_path = {record.image: record.labels for record in records}
        for key in ("first_row", "last_row"):
            assert [int(c in by_path[facts[key]["path"]]) for c in classes] == facts[key]["labels"]
    chosen = read_listing(configure(images=path, subject=PATIENT, labels="chest8"), Path("."))
    assert len(chosen.records) == facts["rows_with_one_positive"]
    reasons = Counter(row[1] for row in chosen.refused)
    assert reasons["several-findings"] == facts["rows_with_multiple_positives"]
    assert reasons["other-finding"] == facts["rows_with_no_positive"]


def test_an_invented_file_list(tmp_path):
    rng = np.random.default_rng(3)
    rows = []
    for patient in range(1, 200):
        for visit in range(int(rng.integers(1, 9))):
            flags = [0] * 8
            for i in rng.choice(8, size=rng.choice([0, 1, 1, 1, 2, 3]), replace=False):
                flags[i] = 1
            rows.append((f"images/{patient:08d}_{visit:03d}.png", flags))
    rng.shuffle(rows)
    facts = list_facts(rows, list(CHEST8))
    assert facts["no_finding_together_with_finding"] and facts["rows_with_no_positive"]
    (tmp_path / "list.txt").write_text("".join(f"{path} {' '.join(map(str, flags))}\n" for path, flags in rows))
    check_list(tmp_path / "list.txt", facts, list(CHEST8))


def test_the_recorded_file_lists():
    root = Path(os.environ.get("UNPERSONAL_REFERENCE") or Path(__file__).parents[1] / "data" / "reference")
    if not (root / "filelists" / "facts.json").is_file():
        pytest.skip(f"no recorded file lists at {root / 'filelists'} (set UNPERSONAL_REFERENCE)")
    recorded = json.loads((root / "filelists" / "facts.json").read_text())
    assert recorded["files"]
    for name, facts in recorded["files"].items():
        check_list(root / "filelists" / name, facts, recorded["class_order"])
