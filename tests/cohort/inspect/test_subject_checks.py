"""Subjects that are no people: each suspicion on real files, and cohorts in order of which nothing may be said."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from rich.console import Console
from typer.testing import CliRunner

from unpersonal.cli import app
from unpersonal.cohort.inspect import folder_checks
from unpersonal.cohort.inspect.printing import print_understanding
from unpersonal.cohort.inspect.subject_checks import subject_from
from unpersonal.cohort.inspect.understanding import Understanding
from unpersonal.cohort.read import Reading
from unpersonal.cohort.read import read as read_input
from unpersonal.cohort.stage import figures, write_reading
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.images.preprocess import PreprocessConfig
from unpersonal.images.reasons import Reason
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.labels import CHEXPERT14
from unpersonal.layouts.subjects import doubtful_subjects, look_alikes, why_unknown

RNG = np.random.default_rng(7)
KINDS = {
    "look-alike-subjects",
    "shared-patient-id",
    "several-patient-ids",
    "subject-in-several-folders",
    "dominant-subject",
    Reason.SUBJECT_UNKNOWN,
}


def write_images(root: Path, names: Iterable[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            Image.fromarray(RNG.integers(0, 256, (16, 16), dtype=np.uint8)).save(path)
    return root


def write_table(root: Path, subjects: list[str], *, labels: str = "ab") -> Path:
    names = write_images(root, [f"{i}.png" for i in range(len(subjects))])
    rows = [f'{i}.png,"{subject}",{labels[i % len(labels)]}' for i, subject in enumerate(subjects)]
    (root / "t.csv").write_text("image,subject,label\n" + "\n".join(rows) + "\n")
    return names / "t.csv"


def read(path: Path, **values):
    config = build_config(CohortConfig, {"images": str(path), **values}, where="test")
    found = read_input(config, 0, images=PreprocessConfig(size=32), workers=1)
    return found.cohort, found.quarantine, found.understanding


def suspicions(found: Understanding) -> dict[str, int]:
    return {warning.kind: warning.count for warning in found.warnings if warning.kind in KINDS}


def printed(found: Understanding) -> str:
    stream = io.StringIO()
    print_understanding(found, Console(file=stream, width=400, force_terminal=False))
    return stream.getvalue()


def people(count: int = 60, form: str = "sub-{:03d}") -> list[str]:
    return [form.format(i) for i in range(1, count + 1)]


# one person, two spellings


@pytest.mark.slow
def test_leading_zeros_and_floats_are_a_warning_that_names_them(tmp_path):
    ordinary = [f"{i:05d}" for i in range(100, 160)]
    cohort, _, found = read(write_table(tmp_path, [*ordinary, "100", "0000101", "102.0", "1234"]))
    assert suspicions(found) == {"look-alike-subjects": 6} and len(cohort) == 64
    warning = found.warnings[0]  # the most dangerous comes first, and its sentence names nobody
    assert warning.kind == "look-alike-subjects" and "6 of 64 subjects" in warning.sentence
    assert "00100" not in warning.sentence and "write that subject in one way" in warning.how_to_mend
    split = dict(zip(cohort.subjects, cohort.splits, strict=True))
    torn = sum(
        split[one] != split[other] for one, other in (("00100", "100"), ("00101", "0000101"), ("00102", "102.0"))
    )
    assert f"{torn} time" in warning.sentence if torn else "splits" not in warning.sentence
    assert "00100 = 100" in printed(found)


@pytest.mark.parametrize(
    ("subjects", "alike"),
    [
        (["00001", "1", "2", "10"], [["00001", "1"]]),
        (["P01", "p1", "P10"], [["P01", "p1"]]),
        (["01-011", "1-11", "11-1"], [["01-011", "1-11"]]),
        (["1-01", "101"], [["1-01", "101"]]),
        (["0", "00", "000"], [["0", "00", "000"]]),
        (["12.0", "12", "12.5"], [["12", "12.0"]]),
        (["A1", "a 01", "A-001"], [["A-001", "A1", "a 01"]]),
        (["100", "1000", "1001", "10", "1"], []),
        (["sub-1-10", "sub-11-0", "sub-1-1"], []),
    ],
)
def test_zeros_before_numbers_count_for_nothing(subjects, alike):
    assert sorted(look_alikes(subjects)) == sorted(alike)
    assert sorted(look_alikes(reversed(subjects))) == sorted(alike)


# nobody's name


NOBODY = [
    "N/A", "#N/A", "nan", "NaN", "<NA>", "none", "NULL", "(null)", "unknown", "Unbekannt", "anon", "Anonymous",
    "ANONYMISED", "ANONYMOUS^PATIENT", "Unknown Patient", "sub-nan", "sub_unknown", "patient None", "P-NA",
    "siteA/unknown", "north:ANONYMOUS", "-", "?", "--", "***", "#REF!", "#VALUE!", "#DIV/0!", "1.23457E+11", "1,23e+11",
    "de-identified",
]  # fmt: skip
SOMEBODY = [
    "1", "0", "000", "P1", "anon01", "Anonymous_17", "unknown2", "Nancy", "NA12878", "Nana", "Ref", "Name", "Nonez",
    "sub-01", "5e7", "1e3", "1E5", "12e10", "A", "p", "patient", "id", "Ono", "na-1", "Lee^Ann", "北", "unknown-a",
    "p/q", "x:",
]  # fmt: skip


def test_placeholders_are_nobody_and_names_are_somebody():
    assert [s for s in NOBODY if not why_unknown(s)] == []
    assert [s for s in SOMEBODY if why_unknown(s)] == []
    assert all(repr(subject) in why_unknown(subject) for subject in NOBODY)


def test_rows_of_nobody_are_left_out_with_reason_and_warning(tmp_path):
    placeholders = ["N/A"] * 4 + ["1.23457E+11"] * 2 + ["sub-nan"]
    cohort, quarantine, found = read(write_table(tmp_path, people() + placeholders))
    assert not set(placeholders) & set(cohort.subjects) and len(cohort) == 60
    assert Counter(reason for _, reason, _ in quarantine) == {Reason.SUBJECT_UNKNOWN: 7} and found.read == 67
    assert Counter(detail.split("'")[1] for _, _, detail in quarantine) == Counter(placeholders)
    assert suspicions(found) == {Reason.SUBJECT_UNKNOWN: 7}
    text = printed(found)
    assert "7 images left out" in text and "'N/A' is a placeholder, no person (4 images)" in text
    write_reading(tmp_path, Reading(cohort, quarantine, found, None))
    assert (tmp_path / "quarantine.csv").read_text().count(Reason.SUBJECT_UNKNOWN) == 7


def test_nobody_at_all_is_an_error_that_says_how_to_mend(tmp_path):
    with pytest.raises(InputError, match=r"30 subject-unknown.*'unknown' is a placeholder.*--subject-column"):
        read(write_table(tmp_path, ["unknown"] * 30))


def test_a_file_of_that_name_is_a_person_of_its_own(tmp_path):
    write_images(tmp_path, [f"{'ab'[i % 2]}/{name}.png" for i, name in enumerate(["nan", "unknown", *people(40)])])
    cohort, quarantine, found = read(tmp_path, subject="file")
    assert len(cohort) == 42 and not quarantine and not suspicions(found)


# one name, several people


def images_of(counts: dict[str, int]) -> list[str]:
    return [subject for subject, count in counts.items() for _ in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "suspected"),
    [
        ({**dict.fromkeys(people(131), 1), "everyone": 44}, True),  # a quarter of all, and under 50
        ({**dict.fromkeys(people(40), 2), "everyone": 25, "all": 25}, True),  # two of them hide one another's share
        ({**dict.fromkeys(people(24), 8), "sub-900": 24}, False),  # a tenth of all, and three times the others
        (dict.fromkeys(people(20), 21), False),
        ({**dict.fromkeys(people(100), 1), "often": 15}, False),
    ],
)
def test_a_subject_that_stands_out_from_the_others(tmp_path, counts, suspected):
    _, _, found = read(write_table(tmp_path, images_of(counts)))
    assert ("dominant-subject" in suspicions(found)) is suspected
    text = printed(found)
    if suspected:
        assert suspicions(found) == {"dominant-subject": max(counts.values())}
        largest = max(counts, key=lambda subject: (counts[subject], subject == found.examples["dominant-subject"][0]))
        assert f"to {counts[largest]} ({largest})" in text and f"e.g. {largest}" in text and len(largest) < 9
    elif len(set(counts.values())) == 1:
        assert "per subject 21 to 21, median 21" in text


@pytest.mark.slow
def test_ten_times_what_nearly_all_others_have_stands_out_without_a_tenth_of_all(tmp_path):
    counts = dict.fromkeys(people(250), 1) | {"everyone": 24}
    _, _, found = read(write_table(tmp_path, images_of(counts)))
    assert suspicions(found) == {"dominant-subject": 24}
    assert "per subject 1 to 24 (everyone), median 1" in printed(found)


# folders that number people by themselves


def sites(*tops: str, count: int = 30) -> list[str]:
    return [f"{top}/{'ab'[i % 2]}/sub-{i:03d}_{v}.png" for top in tops for i in range(count) for v in range(2)]


@pytest.mark.slow
def test_the_same_id_at_two_sites_is_a_warning_and_the_mend_mends_it(tmp_path):
    write_images(tmp_path, sites("siteA", "siteB"))
    pattern = r"(?P<subject>sub-\d+)"
    cohort, _, found = read(tmp_path, subject=pattern)
    assert suspicions(found) == {"subject-in-several-folders": 30} and len(set(cohort.subjects)) == 30
    text = printed(found)
    assert "siteA/sub-000 = siteB/sub-000" in text and "(?P<subject>site[^/]*/sub-" in text
    assert f"subject taken from the pattern {pattern} in the path" in text
    write_images(tmp_path / "flat", [name.replace("/a/", "/").replace("/b/", "/") for name in sites("siteA", "siteB")])
    mended = r"(?P<subject>site[^/]*/sub-\d+)"
    cohort, _, found = read(tmp_path / "flat", subject=mended, label_from=r"_(?P<label>\d)\.")
    assert not suspicions(found) and len(set(cohort.subjects)) == 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "more"),
    [
        (sites("train", "test"), {}),  # folders of splits
        ([f"{top}/sub-{i:03d}.png" for top in ("NORMAL", "PNEUMONIA") for i in range(20)], {}),  # of labels
        ([f"{top}/sub-{i:03d}.png" for top in "01" for i in range(20)], {}),
        ([f"lungs_{top}/sub-{i:03d}.png" for top in "xy" for i in range(20)], {"label_from": "lungs_(?P<label>.)"}),
        ([f"{t}/{'ab'[i % 2]}/sub-{i:03d}.png" for t in ("2019", "2020-05", "visit2", "CT") for i in range(30)], {}),
        ([f"export/images_{k:03d}/{'ab'[i % 2]}/sub-{i:03d}.png" for k in (1, 2) for i in range(30)], {}),
        ([f"{1000 * i + v}/{'ab'[i % 2]}/sub-{i:03d}.png" for v in range(2) for i in range(30)], {}),  # one per study
        ([f"sub-{i:03d}/{v}/{'ab'[i % 2]}/x.png" for v in ("siteA", "siteB") for i in range(30)], {}),  # behind them
    ],
    ids=["splits", "labels", "digits", "named-labels", "visits", "portions", "studies", "below"],
)
def test_folders_that_a_person_may_be_in_give_no_warning(tmp_path, names, more):
    write_images(tmp_path, names)
    _, _, found = read(tmp_path, layout="folder", subject=r"(?P<subject>sub-\d+)", **more)
    assert suspicions(found) == {}
    shared = [note for note in found.notes if "numbers its people" in note]
    assert bool(shared) is (len(names) in (40, 120) and "/sub-" in names[0] and names[0][0] in "tN0l")


@pytest.mark.slow
def test_a_column_is_believed_unless_folders_are_named_like_sites(tmp_path):
    for top, expected in (("ward", {}), ("hospital_", {"subject-in-several-folders": 20})):
        root = tmp_path / top
        names = [f"{top}{site}/{i}.png" for site in "XY" for i in range(20)]
        write_images(root, names)
        rows = [f"{name},p{i % 20},{'ab'[i % 2]}" for i, name in enumerate(names)]
        (root / "t.csv").write_text("image,subject,label\n" + "\n".join(rows) + "\n")
        _, _, found = read(root / "t.csv")
        assert suspicions(found) == expected and found.subject_from == "the column 'subject'"


# who the input itself says it is


def scan(path: Path, patient: str, issuer: str = "") -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PatientID, ds.IssuerOfPatientID, ds.BurnedInAnnotation = patient, issuer, "NO"
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 7, 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = RNG.integers(0, 256, 256, dtype=np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


@pytest.mark.slow
def test_headers_that_put_one_person_under_several_subjects(tmp_path):
    for i in range(40):  # 20 ids at each of two issuers, two scans of ids under 10
        for visit in range(1 + (i % 20 < 10)):
            scan(tmp_path / "ab"[i % 2] / f"g{i // 2}-{i}-{visit}.dcm", f"{i % 20}", ("north", "south")[i // 20])
    cohort, _, found = read(tmp_path)
    assert len(set(cohort.subjects)) == 40 and not suspicions(found)
    assert "20 PatientIDs were given by several issuers" in " ".join(found.notes)
    assert found.subject_from == "PatientID in the DICOM headers"
    cohort, _, found = read(tmp_path, subject="file")
    assert len(set(cohort.subjects)) == 60 and suspicions(found) == {"shared-patient-id": 40}
    assert not any("issuer" in note for note in found.notes)  # their names are those of files
    text = printed(found)
    assert "40 subjects share a PatientID with another subject" in text and "every image is a person of its own" in text
    assert "a/g0-0-0.dcm = a/g0-0-1.dcm" in text
    _, _, found = read(tmp_path, subject=r"(?P<subject>g\d+)")
    assert suspicions(found) == {"several-patient-ids": 20} and "g0 (north:0, north:1)" in printed(found)


@pytest.mark.slow
def test_headers_that_name_nobody(tmp_path):
    for i in range(40):
        scan(tmp_path / "ab"[i % 2] / f"{i}.dcm", "ANONYMOUS" if i >= 36 else f"id{i}")
    cohort, quarantine, found = read(tmp_path)
    assert len(cohort) == 36 and suspicions(found) == {Reason.SUBJECT_UNKNOWN: 4}
    assert all("'ANONYMOUS'" in detail for _, _, detail in quarantine)
    assert suspicions(read(tmp_path, subject="file")[2]) == {}  # a placeholder is not shared by anybody


@pytest.mark.slow
def test_a_column_that_the_pattern_passes_over(tmp_path):
    table = write_table(tmp_path, [f"p{i // 2}" for i in range(60)])
    _, _, found = read(table, subject="file")
    assert suspicions(found) == {"shared-patient-id": 60} and "value of the column 'subject'" in printed(found)
    assert suspicions(read(table)[2]) == {}


def nih(root: Path) -> Path:
    names = [f"{i:08d}_{v:03d}.png" for i in range(1, 31) for v in range(2)]
    write_images(root, [f"images/{name}" for name in names])
    rows = [f"{name},{('Mass', 'Edema')[i // 2 % 2]},{i // 2 + 1},PA" for i, name in enumerate(names)]
    header = "Image Index,Finding Labels,Patient ID,View Position\n"
    (root / "Data_Entry_2017.csv").write_text(header + "\n".join(rows) + "\n")
    return root


@pytest.mark.slow
def test_a_public_data_set_that_names_people_itself(tmp_path):
    nih(tmp_path)
    _, _, found = read(tmp_path)
    assert suspicions(found) == {} and found.subject_from == "Patient ID in the table"
    _, _, found = read(tmp_path, subject="file")
    assert suspicions(found) == {"shared-patient-id": 60} and "share a Patient ID" in printed(found)
    assert suspicions(read(tmp_path, subject=r"(?P<subject>\d{8})")[2]) == {}


@pytest.mark.slow
def test_people_in_the_paths_of_public_data_sets(tmp_path):
    names = [
        f"{'NORMAL' if i % 2 else 'PNEUMONIA'}/{('person{}_virus_{}', 'IM-{:04d}-{:04d}')[i % 2]}" for i in range(40)
    ]
    kermany = write_images(tmp_path / "k", [f"{n.format(i, v)}.png" for i, n in enumerate(names) for v in range(2)])
    assert suspicions(read(kermany, layout="kermany")[2]) == {}
    assert suspicions(read(kermany, layout="kermany", subject="file")[2]) == {"shared-patient-id": 80}
    mimic = tmp_path / "m"
    images = [(f"{i}x{v}", 100 + i, 1000 + i) for i in range(40) for v in range(2)]
    write_images(mimic, [f"files/p{p}/s{s}/{name}.png" for name, p, s in images])
    listed = "".join(f"{name},{study},{person}\n" for name, person, study in images)
    (mimic / "mimic-cxr-2.0.0-metadata.csv").write_text("dicom_id,study_id,subject_id\n" + listed)
    rows = [f"{100 + i},{1000 + i},{'1.0,' if i % 2 else ',1.0'}{',' * 12}\n" for i in range(40)]
    header = f"subject_id,study_id,{','.join(CHEXPERT14)}\n"
    (mimic / "mimic-cxr-2.0.0-chexpert.csv").write_text(header + "".join(rows))
    assert suspicions(read(mimic)[2]) == {}
    _, _, found = read(mimic, subject="file")
    assert suspicions(found) == {"shared-patient-id": 80} and "share a subject_id" in printed(found)


# what goes where


def test_every_layout_has_a_source_and_figures_have_no_subject(tmp_path):
    for layout in ("dicom", "nih", "chexpert", "mimic", "kermany", "mednist", "nifti"):
        assert "column" not in subject_from(CohortConfig(images="x"), layout)
    config = CohortConfig(images="x", subject_column="SECRET")
    assert subject_from(config, "table") == subject_from(config, "huggingface") == "the column 'SECRET'"
    subjects = [*(f"SECRET{i}" for i in range(40)), "SECRET 01", *["SECRETLY"] * 30]
    cohort, _, found = read(write_table(tmp_path, subjects))
    assert set(suspicions(found)) == {"look-alike-subjects", "dominant-subject"}
    assert "SECRET" not in json.dumps(figures(cohort, found).to_json()) and "SECRET 01" in json.dumps(found.to_dict())


@pytest.mark.slow
def test_init_says_it(tmp_path):
    table = write_table(tmp_path / "in", [*people(60, "{:05d}"), "1", "N/A"])
    done = CliRunner().invoke(app, ["init", str(tmp_path / "S"), "--images", str(table), "--size", "32"])
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "subject taken from the column 'subject'" in text and "WARNING 1: 2 of 61 subjects differ" in text
    assert "e.g. 00001 = 1" in text and "'N/A' is a placeholder" in text
    assert (tmp_path / "S" / "quarantine.csv").read_text().count(Reason.SUBJECT_UNKNOWN) == 1


# who the input names, in the layouts that newcomers use most


def flat(subject_of, root: Path, count: int = 60) -> str:
    """Files `<label>/<i>.png` and the rows of a metadata table with subjects."""
    names = [f"{'ab'[i % 2]}/{i}.png" for i in range(count)]
    write_images(root, names)
    return "file_name,subject\n" + "".join(f"{name},{subject_of(i)}\n" for i, name in enumerate(names))


@pytest.mark.slow
def test_the_metadata_of_an_imagefolder_is_compared_with_the_pattern(tmp_path):
    (tmp_path / "metadata.csv").write_text(flat(lambda i: f"p{i % 30}", tmp_path))
    _, _, found = read(tmp_path)
    assert found.layout == "huggingface" and suspicions(found) == {}
    cohort, _, found = read(tmp_path, subject="file")
    assert suspicions(found) == {"shared-patient-id": 60}
    split = dict(zip(cohort.subjects, cohort.splits, strict=True))
    torn = sum(split[f"{'ab'[i % 2]}/{i}.png"] != split[f"{'ab'[i % 2]}/{i + 30}.png"] for i in range(30))
    assert torn and f"{torn} times they are in different splits" in found.warnings[0].sentence


@pytest.mark.slow
def test_the_column_of_a_saved_data_set_is_compared_with_every_image_its_own(tmp_path):
    import datasets

    pictures = [RNG.integers(0, 256, (16, 16), dtype=np.uint8) for _ in range(60)]
    streams = []
    for picture in pictures:
        streams.append(io.BytesIO())
        Image.fromarray(picture).save(streams[-1], "PNG")
    columns = {
        "image": [{"bytes": stream.getvalue(), "path": None} for stream in streams],
        "subject": [f"p{i % 30}" for i in range(60)],
        "label": ["ab"[i % 2] for i in range(60)],
    }
    kinds = {"image": datasets.Image(), "subject": datasets.Value("string"), "label": datasets.Value("string")}
    datasets.Dataset.from_dict(columns, features=datasets.Features(kinds)).save_to_disk(str(tmp_path / "x"))
    assert suspicions(read(tmp_path / "x")[2]) == {}
    assert suspicions(read(tmp_path / "x", subject="file")[2]) == {"shared-patient-id": 60}


def bids(root: Path, names: Iterable[str]) -> Path:
    import nibabel

    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        values = RNG.integers(0, 999, (8, 8, 2)).astype(np.int16)
        (root / name).write_bytes(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())
    return root


BIDS_LABEL = r"sub-\d*(?P<label>\d)[_/]"


def shown_bids(root: Path, **values):
    return read(root, label_from=BIDS_LABEL, slice_range=(0.5, 1.0), layout="nifti", **values)


@pytest.mark.slow
def test_sessions_of_one_person_are_flagged_and_two_sets_of_bids_are_not(tmp_path):
    ids = [f"sub-{i // 2:02d}{i % 2}" for i in range(40)]
    sessions = [f"{s}/ses-{v}/anat/{s}_ses-{v}_T1w.nii" for s in ids for v in (1, 2)]
    bids(tmp_path / "one", sessions)
    assert suspicions(shown_bids(tmp_path / "one")[2]) == {}
    pattern = r"(?P<subject>sub-\d+_ses-\d+)"
    cohort, _, found = shown_bids(tmp_path / "one", subject=pattern)
    assert len(set(cohort.subjects)) == 80 and suspicions(found) == {"shared-patient-id": 80}
    assert "80 subjects share a sub-… with another subject" in found.warnings[0].sentence
    assert suspicions(shown_bids(tmp_path / "one", subject="file")[2]) == {"shared-patient-id": 80}

    bids(tmp_path / "two", [f"{site}/{name}" for site in ("north", "south") for name in sessions if "ses-1" in name])
    apart = shown_bids(tmp_path / "two", subject=r"(?P<subject>(north|south)/sub-\d+)")
    assert suspicions(apart[2]) == {} and len(set(apart[0].subjects)) == 80
    joined = shown_bids(tmp_path / "two", subject=r"(?P<subject>sub-\d+)")[2]
    assert suspicions(joined) == {"subject-in-several-folders": 40}  # said once, not also as several ids
    mixed = shown_bids(tmp_path / "two", subject=r"(?P<subject>sub-\d\d)\d")[2]
    assert suspicions(mixed)["several-patient-ids"] == 20


@pytest.mark.slow
def test_derivatives_of_bids_are_of_the_same_people(tmp_path):
    people_ = [f"sub-{i:02d}{i % 2}" for i in range(20)]
    own = [f"rawdata/{s}/anat/{s}_T1w.nii" for s in people_]
    derived = [f"{top}/{s}/anat/{s}_desc-x_T1w.nii" for top in ("derivatives/fmriprep", "sourcedata") for s in people_]
    bids(tmp_path / "in", own + derived)
    cohort, _, found = shown_bids(tmp_path / "in")
    assert suspicions(found) == {} and len(set(cohort.subjects)) == 20
    bids(tmp_path / "sites", [f"{site}/{name}" for site in ("north", "south") for name in own + derived])
    _, _, found = shown_bids(tmp_path / "sites")
    assert suspicions(found) == {"subject-in-several-folders": 20}
    (warning,) = (w for w in found.warnings if w.kind == "subject-in-several-folders")
    assert "only if these folders are hospitals" in warning.how_to_mend and "change nothing" in warning.how_to_mend
    assert "north/sub-000 = south/sub-000" in printed(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tops", "warned", "noted"),
    [
        (("pre", "post"), False, False),
        (("pre-op", "post_op"), False, False),
        (("CC", "MLO"), False, False),
        (("R_CC", "LMLO"), False, False),
        (("month0", "month6"), False, False),
        (("m00", "M12"), False, False),
        (("day1", "week 2"), False, False),
        (("data1", "data2"), False, True),
        (("part1", "part2"), False, True),
        (("prestige", "postal"), True, False),
    ],
)
def test_visits_and_views_are_silent_and_numbered_portions_a_note(tmp_path, tops, warned, noted):
    write_images(tmp_path, [f"{top}/{'ab'[i % 2]}/sub-{i:03d}.png" for top in tops for i in range(30)])
    _, _, found = read(tmp_path, layout="folder", subject=r"(?P<subject>sub-\d+)")
    assert suspicions(found) == ({"subject-in-several-folders": 30} if warned else {})
    assert any("numbers its people" in note for note in found.notes) is noted


def test_folders_of_a_thousand_labels_are_looked_up_once_each(monkeypatch):
    calls = Counter()
    words = folder_checks._words
    monkeypatch.setattr(folder_checks, "_words", lambda text: calls.update([text]) or words(text))
    labels = [f"label {i} of {i % 7}" for i in range(1000)] + ["7", "ill"]
    is_sort = folder_checks._sorts(labels)
    folders = ["label 12 of 5", "of 5, label 12", "7", "site 7", "very ill", "other", "Train", "12"]
    expected = [True, True, True, False, True, False, True, False]
    assert [[is_sort(folder) for folder in folders] for _ in range(50)] == [expected] * 50
    assert calls.total() <= len(labels) + len(folders)


# placeholders that may be people


STANDS_IN = [
    "0", "00000000", "000-00-0000", "999999999", "-1", "XXXX", "xx", "TEST", "test 1", "PATIENT", "subject id",
    "Anonymized Patient 1", "sub-000", "P000", "siteA/0",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("subject", STANDS_IN)
def test_what_may_stand_for_nobody_is_a_warning_where_it_has_many_images(tmp_path, subject):
    ordinary = dict.fromkeys(people(400), 1)
    assert doubtful_subjects(ordinary | {subject: 15}) == [subject]
    assert doubtful_subjects(ordinary | {subject: 1}) == [] and not why_unknown(subject)
    if subject in ("0", "TEST"):
        cohort, quarantine, found = read(write_table(tmp_path, images_of(dict.fromkeys(people(60), 1) | {subject: 15})))
        assert len(cohort) == 75 and not quarantine  # nothing is refused: somebody may be called so
        (warning,) = (w for w in found.warnings if w.kind == "doubtful-subject")
        assert warning.count == 1 and subject not in warning.sentence.replace("TEST, NA", "")
        assert f"{subject} (15 images)" in printed(found)


def test_people_in_order_are_not_doubted():
    numbered = {str(i): 1 + i % 5 for i in range(400)}
    assert doubtful_subjects(numbered | {"0": 6, "111": 6, "7": 40}) == []
    assert doubtful_subjects(numbered | {"0": 40}) == ["0"]
    pseudonyms = {f"anon{i:03d}": 1 + i % 9 for i in range(200)} | {f"patient {i}": 9 for i in range(1, 9)}
    assert doubtful_subjects(pseudonyms | {"Nancy": 99, "Xaver": 99, "x1": 99, "sub-12": 99, "22": 99}) == []
    assert doubtful_subjects({f"{a}{b}": 1 for a in "XPI" for b in "XTD"} | {"XX": 9}) == []  # initials among initials
    assert doubtful_subjects({}) == []


@pytest.mark.parametrize("word", ["not provided", "NONAME", "No Name", "unidentified"])
def test_more_words_for_nobody_are_refused(word):
    assert repr(word) in why_unknown(word)


@pytest.mark.slow
@pytest.mark.parametrize("initials", ["NA", "NAT", "NIL", "UNK", "NAN"])
def test_initials_among_initials_are_kept_with_a_warning(tmp_path, initials):
    letters = "ABCDEFGHIJKLM"
    others = [f"{a}{b}{'Z' * (len(initials) - 2)}" for a in letters for b in letters[:5]]
    cohort, quarantine, found = read(write_table(tmp_path / "a", images_of(dict.fromkeys(others, 2) | {initials: 2})))
    assert initials in cohort.subjects and not quarantine
    assert [(w.kind, w.count) for w in found.warnings if w.kind == "doubtful-subject"] == [("doubtful-subject", 1)]
    many = images_of(dict.fromkeys(others, 2) | {initials: 9})  # more than anybody: rather nobody
    _, quarantine, found = read(write_table(tmp_path / "b", many))
    assert Counter(reason for _, reason, _ in quarantine) == {Reason.SUBJECT_UNKNOWN: 9}
    _, quarantine, _ = read(write_table(tmp_path / "c", [*people(60), initials]))
    assert [reason for _, reason, _ in quarantine] == [Reason.SUBJECT_UNKNOWN]
