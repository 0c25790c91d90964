"""The radiographs of Kermany et al.: names, folders of splits, and names that only look so."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpersonal.cohort.read import read
from unpersonal.layouts.known.kermany import KERMANY
from unpersonal.layouts.read import read_listing
from unpersonal.phantom import phantom_cohort

from ...journeys.cohort_cases import (
    encoded,
    init,
    write_files,
    zip_files,
)
from ..cases import FINDINGS, SUBJECT, checked_listing, configure, put


@pytest.mark.slow
def test_kermany_names(flat, tmp_path):
    images, subjects, labels = phantom_cohort(60, 1, 32, findings=FINDINGS)
    root, seen = tmp_path / "chest_xray", Counter()
    for image, subject, label in zip(images, subjects, labels, strict=True):
        number, k = int(subject[4:]), seen[subject]
        seen[subject] += 1
        if label == "No Finding":
            name = f"NORMAL/{'NORMAL2-' if k % 2 else ''}IM-{number:04d}-{k:04d}.jpeg"
        else:
            name = f"PNEUMONIA/person{number}_{'virus' if label == 'Pleural Effusion' else 'bacteria'}_{k}.jpeg"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.repeat(image[0][..., None], 3, 2)).save(root / name)
    reading = read(configure(images=root), 0)
    cohort, report = reading.cohort, reading.understanding
    assert report.layout == "kermany" and report.subjects == 60 and not cohort.colour
    assert cohort.classes == ("normal", "bacteria", "virus")
    assert Counter(x[0] for x in cohort.table["labels"]) == Counter(
        dict(zip(("normal", "virus", "bacteria"), (labels.count(name) for name in FINDINGS), strict=True))
    )


@pytest.mark.parametrize(
    ("name", "subject", "label"),
    [
        ("a/person12_bacteria_7.jpeg", "person12_bacteria", "bacteria"),
        ("a/person447_virus_921_1.jpeg", "person447_virus", "virus"),
        ("IM-0115-0001.jpeg", "IM-0115", None),
        ("x/NORMAL2-IM-0115-0001-0002.jpeg", "IM-0115", None),
        ("x/sub-1.jpeg", None, None),
        ("x/personal_bacteria_1.jpeg", None, None),
    ],
)
def test_kermany_pattern(name, subject, label):
    match = KERMANY.search(name)
    assert (match and (match["subject"] or match["normal"])) == subject
    assert match is None or match["type"] == label


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
        put(root, base + name)
    put(root, base + "train/.DS_Store")
    return root


@pytest.mark.parametrize("base", ["", "chest_xray/"])
def test_kermany_splits(tmp_path, base):
    listing = checked_listing(kermany_tree(tmp_path / "k", base), "kermany", 8)
    assert listing.official and Counter(r.split for r in listing.records) == {"train": 4, "val": 2, "test": 2}
    splits = {record.subject: set() for record in listing.records}
    for record in listing.records:
        splits[record.subject].add(record.split)
    assert splits["IM-0023"] == {"train", "test"} and splits["person1_bacteria"] == {"train"}
    assert splits["person1_virus"] == {"test"}
    listing = checked_listing(tmp_path / "k", "kermany", 8, official_splits=False)
    assert not listing.official and {record.split for record in listing.records} == {None}


@pytest.mark.slow
def test_names_of_osirix_are_not_those_of_kermany(tmp_path, people):
    files = {}
    for subject, label, visit, image in zip(people.subjects, people.labels, people.visits, people.images, strict=True):
        files[f"{label}/{subject}/IM-0001-{visit:04d}.jpg"] = encoded(image, "JPEG")
    images = write_files(tmp_path / "in", files)
    words = ("--subject", SUBJECT, "--label-from", r"^(?P<label>[^/]+)/")
    assert init(tmp_path / "s", images, *words).json["layout"] == "folder"
    assert len(init(tmp_path / "t", zip_files(tmp_path / "in.zip", files), *words).table) == len(files)


def test_real_kermany_names():
    path = os.environ.get("UNPERSONAL_KERMANY")
    if not path:
        pytest.skip("UNPERSONAL_KERMANY does not name the zip of the Kermany radiographs")
    listing = read_listing(configure(images=path), Path("."))
    assert listing.layout == "kermany" and len(listing.records) == 5856
    per_subject = Counter(record.subject for record in listing.records)
    assert len(per_subject) == 3769 and sum(count > 1 for count in per_subject.values()) == 1015
    labels = Counter(record.labels[0] for record in listing.records)
    assert labels == {"normal": 1583, "bacteria": 2780, "virus": 1493}
