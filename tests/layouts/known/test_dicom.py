"""Folders and zips of DICOM files: who is on them and what they show stands in their headers."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from pydicom.dataset import Dataset

from unpersonal.core.errors import InputError
from unpersonal.images.archives import open_archive
from unpersonal.images.formats import decode_pictures
from unpersonal.images.picture import NOTES, DecodeOptions, ImageError, split_name
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.known.dicom import read_dicom
from unpersonal.layouts.loose import find_pictures
from unpersonal.layouts.subjects import look_alikes

from ...images.dicom_files import COLUMNS, ROWS, dataset, noise, saved
from ..cases import listing_of, scan


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


def listing(path, **config):
    return read_dicom(CohortConfig(images=str(path), layout="dicom", **config), path, open_archive(path))


def tree(root, files: dict[str, Dataset | bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(saved(content) if isinstance(content, Dataset) else content)


def image(**keywords) -> Dataset:
    return dataset(noise(0, 255, np.uint8), **keywords)


def test_a_mixed_folder_loses_nothing(tmp_path):
    report = image()
    del report.PixelData
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    files = {
        "sick/a.dcm": image(PatientID="A"),
        "sick/b.IMA": image(PatientID="B", PatientName="Doe^Jo"),
        "sick/no_suffix": image(PatientID="A"),
        "well/1.2.840.77": image(PatientID="C"),
        "well/cine.dicom": dataset(noise(0, 255, np.uint8, (3, ROWS, COLUMNS)), PatientID="D"),
        "well/report.dcm": report,
        "well/nobody.dcm": image(PatientID="  "),
        "well/cut.dcm": saved(image())[:200],
        "well/empty.dcm": b"",
        "DICOMDIR": saved(image()),
        "README": b"no DICOM mark here",
        "notes.txt": b"x",
        "well/extra.png": b"x",
        ".hidden/x.dcm": saved(image()),
    }
    tree(tmp_path / "in", files)
    found = listing(tmp_path / "in")
    assert [(record.image, record.subject, record.labels) for record in found.records] == [
        ("sick/a.dcm", "A", ("sick",)),
        ("sick/b.IMA", "B", ("sick",)),
        ("sick/no_suffix", "A", ("sick",)),
        ("well/1.2.840.77", "C", ("well",)),
        ("well/cine.dicom#frame=0", "D", ("well",)),
        ("well/cine.dicom#frame=1", "D", ("well",)),
        ("well/cine.dicom#frame=2", "D", ("well",)),
    ]
    assert [row[:2] for row in found.refused] == [
        ("well/cut.dcm", "unreadable"),
        ("well/empty.dcm", "empty"),
        ("well/nobody.dcm", "no-subject"),
        ("well/report.dcm", "no-pixels"),
    ]
    listed = {split_name(record.image)[0] for record in found.records} | {row[0] for row in found.refused}
    assert len(listed) + found.ignored == len(files)
    assert found.classes == ("sick", "well")
    assert f"1 of 5 DICOM files: {NOTES['header-identity']}." in found.notes
    assert not any("Doe" in note for note in found.notes)
    for record in found.records:  # every image that is promised can be had
        file, fragment = split_name(record.image)
        data = found.archive.open_bytes(file)
        assert not isinstance(decode_pictures(data, [fragment], DecodeOptions())[0], ImageError)


def test_a_zip_reads_like_the_folder(tmp_path):
    tree(tmp_path / "in", {"x/a.dcm": image(PatientID="A"), "y/b.dcm": image(PatientID="B"), "y/c.dcm": b"junk"})
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in sorted((tmp_path / "in").rglob("*.dcm")):
            archive.write(path, path.relative_to(tmp_path / "in").as_posix())
    folder, zipped = listing(tmp_path / "in"), listing(tmp_path / "in.zip")
    assert zipped.records == folder.records and len(zipped.records) == 2
    assert zipped.refused == folder.refused and zipped.refused[0][:2] == ("y/c.dcm", "unreadable")


def test_labels_by_keyword_and_by_pattern(tmp_path):
    files = {
        "1.dcm": image(BodyPartExamined="CHEST"),
        "2.dcm": image(BodyPartExamined="HEAD"),
        "3.dcm": image(BodyPartExamined=""),
        "4.dcm": image(),
    }
    tree(tmp_path, files)
    found = listing(tmp_path, label_from="dicom:BodyPartExamined")
    assert [record.labels for record in found.records] == [("CHEST",), ("HEAD",)]
    assert [row[:2] for row in found.refused] == [("3.dcm", "no-label"), ("4.dcm", "no-label")]
    found = listing(tmp_path, label_from=r"(?P<label>\d)\.dcm")
    assert [record.labels for record in found.records] == [("1",), ("2",), ("3",), ("4",)]
    for bad in ("dicom:BodyPart", "dicom:PatientName", "dicom:PatientID", "dicom:StudyDate", "participants:sex"):
        with pytest.raises(InputError):
            listing(tmp_path, label_from=bad)


def test_subjects_by_pattern_and_file(tmp_path):
    tree(tmp_path, {"p1/a.dcm": image(PatientID=""), "p2/b.dcm": image(PatientID="")})
    by_path = listing(tmp_path, subject=r"^(?P<subject>p\d)/")
    assert [record.subject for record in by_path.records] == ["p1", "p2"]
    assert [record.subject for record in listing(tmp_path, subject="file").records] == ["p1/a.dcm", "p2/b.dcm"]
    nobody = listing(tmp_path, subject="dicom")
    assert not nobody.records and len(nobody.refused) == 2


def test_an_id_of_several_issuers_is_several_people(tmp_path):
    files = {
        "x/1.dcm": image(PatientID="7", IssuerOfPatientID="North"),
        "x/2.dcm": image(PatientID="7", IssuerOfPatientID="NORTH"),
        "x/3.dcm": image(PatientID="7", IssuerOfPatientID="South"),
        "x/4.dcm": image(PatientID="7"),
        "x/5.dcm": image(PatientID="8", IssuerOfPatientID="South"),
        "x/6.dcm": image(PatientID="8"),
        "x/7.dcm": image(PatientID="9", IssuerOfPatientID="East"),
        "x/8.dcm": image(PatientID="9", IssuerOfPatientID="EAST"),
    }
    tree(tmp_path, files)
    found = listing(tmp_path)
    assert [record.subject for record in found.records] == ["north:7", "north:7", "south:7", "8", "8", "9", "9"]
    assert [row[:2] for row in found.refused] == [("x/4.dcm", "no-subject")]
    assert "1 PatientIDs were given by several issuers; their subjects are named issuer:id." in found.notes


def test_a_repeated_instance_is_counted(tmp_path):
    first = image()
    tree(tmp_path, {"x/1.dcm": first, "x/2.dcm": first, "x/3.dcm": image()})
    assert "1 DICOM files repeat the SOPInstanceUID of another." in listing(tmp_path).notes


def test_a_folder_without_dicom_is_an_input_error(tmp_path):
    tree(tmp_path, {"a.txt": b"x", "b": b"y" * 200})
    with pytest.raises(InputError, match="no DICOM files"):
        listing(tmp_path)


def declared(raw: bytes, charset: str | None = None) -> bytes:
    """A file whose PatientID holds these bytes, under the character set that its header declares."""
    filler = b"Q" * (len(raw) + len(raw) % 2)
    data = saved(image(PatientID=filler.decode(), **({} if charset is None else {"SpecificCharacterSet": charset})))
    return data.replace(filler, raw.ljust(len(filler)), 1)


def test_ids_in_another_encoding_than_their_header_says_are_nobody(tmp_path):
    people = ["\u5f20\u4e0901", "\u674e\u56db01", "\u738b\u4e9401"]
    latin = [b"M\xfcller", b"M\xf6ller"]
    files = {f"lost/{i}.dcm": declared(name.encode("gb18030"), "ISO_IR 192") for i, name in enumerate(people)}
    files |= {f"lost/latin{i}.dcm": declared(name, "ISO_IR 192") for i, name in enumerate(latin)}
    kept = {
        "kept/a.dcm": (declared(people[0].encode("gb18030"), "GB18030"), people[0]),
        "kept/b.dcm": (declared(people[1].encode(), "ISO_IR 192"), people[1]),
        "kept/c.dcm": (declared(b"M\xfcller", "ISO_IR 100"), "M\u00fcller"),
        "kept/d.dcm": (declared(b"M\xf6ller"), "M\u00f6ller"),
        "kept/e.dcm": (declared(b"\x1b$)C\xb1\xe801", "ISO 2022 IR 149"), "\uae4001"),
        "kept/f.dcm": (declared(b"\x1b(B1234", "ISO 2022 IR 100"), "1234"),
    }
    tree(tmp_path, files | {name: data for name, (data, _) in kept.items()})
    found = listing_of(tmp_path)
    assert {name: reason for name, reason, _ in found.refused} == dict.fromkeys(files, "subject-unknown")
    assert {record.image: record.subject for record in found.records} == {name: who for name, (_, who) in kept.items()}
    # where people are compared without labels, each such file is a person of its own
    loose = find_pictures(tmp_path)
    told = dict(zip(loose.images, loose.subjects, strict=True))
    assert len(told) == len(files) + len(kept)
    assert all(told[name] == name for name in files)


def test_a_label_in_another_encoding_is_none(tmp_path):
    one, other = "\u80ba\u708e".encode("gb18030"), "\u80ba\u764c".encode("gb18030")
    filler = b"LLLL"
    for i, raw in enumerate((one, other, b"LUNG")):
        data = saved(image(PatientID=f"P{i}", SeriesDescription=filler.decode(), SpecificCharacterSet="ISO_IR 192"))
        tree(tmp_path, {f"k/{i}.dcm": data.replace(filler, raw, 1)})
    found = listing(tmp_path, label_from="dicom:SeriesDescription")
    assert [name for name, reason, _ in found.refused if reason == "no-label"] == ["k/0.dcm", "k/1.dcm"]
    assert [record.labels for record in found.records] == [("LUNG",)]


def slice_of(modality: str, uid: str, **keywords) -> Dataset:
    return image(Modality=modality, SOPClassUID=uid, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], **keywords)


def test_a_collection_of_radiotherapy_is_read_without_what_is_no_picture(tmp_path):
    ct, mr, base = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1."
    files = {
        "k/ct.dcm": slice_of("CT", ct, PatientID="A", BodyPartExamined="CHEST"),
        "k/mr.dcm": slice_of("MR", mr, PatientID="B", BodyPartExamined="BRAIN"),
        "k/scout.dcm": image(
            Modality="CT", SOPClassUID=ct, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], PatientID="A"
        ),
        "k/screen.dcm": image(Modality="CT", SOPClassUID=base + "7", PatientID="A"),
        "k/dose.dcm": slice_of("RTDOSE", base + "481.2"),
        "k/mask.dcm": slice_of("SEG", base + "66.4"),
        "k/map.dcm": slice_of("MR", base + "30"),
        "k/DICOMDIR": b"no matter",
    }
    files["k/scout.dcm"].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    tree(tmp_path, files)
    found = listing(tmp_path)
    assert [record.image for record in found.records] == ["k/ct.dcm", "k/mr.dcm", "k/scout.dcm", "k/screen.dcm"]
    assert {name: reason for name, reason, _ in found.refused} == dict.fromkeys(
        ["k/dose.dcm", "k/map.dcm", "k/mask.dcm"], "no-pixels"
    )
    assert found.about["k/ct.dcm"] == ("CT", "CHEST", "")
    assert found.about["k/mr.dcm"] == ("MR", "BRAIN", "")
    assert [found.about[f"k/{name}.dcm"].sort for name in ("scout", "screen")] == ["localizer", "secondary-capture"]
    assert any("3 DICOM objects are no pictures and were left out: 1" in note for note in found.notes)
    assert len(found.records) + len(found.refused) + found.ignored == len(files)
    for pattern, names in (("localizer", ["k/scout.dcm"]), ("MR", ["k/mr.dcm"]), ("secondary|scout", list(files)[2:4])):
        left = listing(tmp_path, leave_out=pattern)
        assert [name for name, reason, _ in left.refused if reason == "left-out"] == names
        assert len(left.records) == 4 - len(names)
