"""MIMIC-CXR-JPG on small trees of its true shape: true header lines, true paths."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from unpersonal.layouts.labels import CHEXPERT14

from ...journeys.cohort_cases import (
    encoded,
    init,
    write_files,
)
from ..cases import checked_listing, notes, put, refused

MIMIC_OBSERVATIONS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,"
    "No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)


MIMIC_METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)


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
        put(root, f"mimic-cxr-{version}-{kind}{suffix}", "\n".join(lines) + "\n")
    for name, subject, study, *_ in MIMIC_IMAGES:
        put(root, f"files/p{str(subject)[:2]}/p{subject}/s{study}/{name}.jpg")
    put(root, "files/p10/p10000032/s50414267.txt", "FINAL REPORT")
    put(root, "LICENSE.txt", "x")
    return root


@pytest.mark.parametrize(
    ("version", "suffix", "labeller"), [("2.0.0", ".csv.gz", "chexpert"), ("2.1.0", ".csv", "negbio")]
)
def test_mimic(tmp_path, version, suffix, labeller):
    root = mimic_tree(tmp_path / "mimic", version, suffix, labeller)
    listing = checked_listing(root, "mimic", 6, uncertain="one")
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
    listing = checked_listing(root, "mimic", 6, views="frontal", labels="chest8")
    assert [(r.subject, r.labels, r.split) for r in listing.records] == [
        ("p10000032", ("No Finding",), "train"), ("p10000764", ("Consolidation",), "val"),
    ]  # fmt: skip
    assert Counter(row[1] for row in listing.refused) == {"view": 3, "label-uncertain": 1}
    (root / "mimic-cxr-2.0.0-split.csv.gz").unlink()
    listing = checked_listing(root, "mimic", 6)
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
    listing = checked_listing(root, "mimic", 6, uncertain="zero")
    found = {record.image for record in listing.records}
    assert names[0].replace(".jpg", ".dcm") in found and names[1] in found


@pytest.mark.slow
def test_splits_that_are_not_there(tmp_path, people):
    ids = [(f"{i:08x}", f"5{i:07d}", f"1{subject[4:]:0>7}") for i, subject in enumerate(people.subjects)]
    mimic = {f"files/p10/p{p}/s{s}/{i}.jpg": encoded(x, "JPEG") for (i, s, p), x in zip(ids, people.images)}
    listed = ["dicom_id,study_id,subject_id,ViewPosition", *(f"{i},{s},{p},PA" for i, s, p in ids)]
    flags = [",".join("1.0" if finding == label else "" for finding in CHEXPERT14) for label in people.labels]
    labels = [f"subject_id,study_id,{','.join(CHEXPERT14)}", *(f"{p},{s},{f}" for (_, s, p), f in zip(ids, flags))]
    mimic["mimic-cxr-2.0.0-metadata.csv"] = "\n".join(listed).encode()
    mimic["mimic-cxr-2.0.0-chexpert.csv"] = "\n".join(labels).encode()
    said = notes(init(tmp_path / "p", write_files(tmp_path / "mimic", mimic)))
    assert "official splits are not there (mimic-cxr-2.*-split.csv)" in said
