"""What the tests of layouts share: configurations, small trees of the public data sets, and what must be refused."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from unpersonal.cohort.read import read
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.layouts.columns import read_columns
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.labels import CHEXPERT14
from unpersonal.layouts.listing import Listing
from unpersonal.layouts.read import read_listing
from unpersonal.layouts.recognise import recognise

from ..journeys.cohort_cases import (
    Found,
    People,
    encoded,
)


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


def chexpert_row(path: str, *found: str) -> str:
    return f"{path},Frontal," + ",".join("1.0" if name in found else "" for name in CHEXPERT14) + "\n"


def chexpert_table(*rows: str) -> str:
    return ",".join(("Path", "Frontal/Lateral", *CHEXPERT14)) + "\n" + "".join(rows)


VIEW = "patient00001/study1/view1_frontal.jpg"


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


def checked_listing(path: Path, layout: str, rows: int | None, **values) -> Listing:
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


def put(root: Path, name: str, text: str | bytes = b"an image") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


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
    put(root, edition, "\r\n".join(lines))
    for i, (name, *_) in enumerate(NIH_ROWS[:-1]):  # the last image is listed and absent
        put(root, f"images_{i % 12 + 1:03d}/images/{name}")
    put(root, "images_001/images/99999999_000.png")
    put(root, "train_val_list.txt", "\n".join(row[0] for row in NIH_ROWS[:4]))
    put(root, "test_list.txt", "\r\n".join(row[0] for row in NIH_ROWS[4:]) + "\r\n")
    put(root, "BBox_List_2017.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,\n")
    put(root, "README_CHESTXRAY.pdf")
    return root


CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


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
        put(root, f"{split}.csv", "\n".join(lines) + "\n")
        for path, *_ in rows:
            put(root, f"{split}/{path}")
    return root


def listing_in(base: Path, name: str, **values):
    return read_listing(configure(images=name, **values), base)


def refused_in(base: Path, name: str, match: str, **values) -> str:
    with pytest.raises(InputError, match=match) as error:
        listing_in(base, name, **values)
    assert error.value.what and error.value.how and error.value.where
    return str(error.value)


SUBJECT = r"(?P<subject>sub-\d+)"


SUBJECTS = 36


FINDINGS = ("No Finding", "Pleural Effusion", "Cardiomegaly")


def cohort_refused(match: str, base: Path = Path("."), **values) -> str:
    with pytest.raises(InputError, match=match) as error:
        read(configure(**values), 0, base)
    assert error.value.what and error.value.how and error.value.where
    return str(error.value)


FOLDER = ("--layout", "folder", "--subject", SUBJECT)


def notes(found: Found) -> str:
    return " | ".join(found.json["notes"])


def chexpert_files(people: People) -> dict[str, bytes]:
    lines: dict[str, list[str]] = {"train": [], "valid": []}
    files = {}
    for i, (subject, label, image) in enumerate(zip(people.subjects, people.labels, people.images, strict=True)):
        part = "valid" if int(subject[4:]) % 4 == 0 else "train"
        name = f"{part}/patient{subject[4:]}/study1/view{i}_frontal.jpg"
        flags = ["1.0" if finding == label else "" for finding in CHEXPERT14]
        lines[part].append(",".join([name, "Frontal", *flags]))
        files[name] = encoded(image, "JPEG")
    head = ",".join(["Path", "Frontal/Lateral", *CHEXPERT14])
    return files | {f"{part}.csv": "\n".join([head, *rows]).encode() for part, rows in lines.items()}


def bomb(path: Path, match: str, needed: list[str] | None = None) -> None:
    with pytest.raises(InputError, match=match) as error:
        read_columns(path, needed)
    assert error.value.where == str(path) and error.value.how
