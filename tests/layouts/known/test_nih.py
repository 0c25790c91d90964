"""ChestX-ray14 on small trees of its true shape: true header lines, true paths."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.labels import CHEST8
from unpersonal.layouts.read import read_listing

from ...journeys.cohort_cases import (
    encoded,
    init,
    try_init,
    write_files,
)
from ...journeys.cohort_cases import (
    refused as init_refused,
)
from ..cases import NIH_HEADER, NIH_ROWS, checked_listing, configure, nih_tree, notes, put, refused


@pytest.mark.parametrize(("edition", "trailing"), [("Data_Entry_2017.csv", ","), ("Data_Entry_2017_v2020.csv", "")])
def test_nih(tmp_path, edition, trailing):
    root = nih_tree(tmp_path / "nih", edition, trailing)
    listing = checked_listing(root, "nih", len(NIH_ROWS))
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
    listing = checked_listing(root, "nih", len(NIH_ROWS), views="frontal", labels="chest8", official_splits=False)
    assert [record.labels for record in listing.records] == [("Cardiomegaly",), ("No Finding",)]
    assert Counter(row[1] for row in listing.refused) == {"view": 2, "several-findings": 2, "other-finding": 1}
    assert listing.classes == CHEST8 and not listing.official
    assert {record.split for record in listing.records} == {None}


def test_nih_at_odds_with_itself(tmp_path):
    root = nih_tree(tmp_path / "nih")
    put(root, "Data_Entry_2017_v2020.csv", (root / "Data_Entry_2017.csv").read_text().replace("Hernia", "Mass"))
    listing = read_listing(configure(images=root), Path("."))
    assert ("Hernia",) not in [record.labels for record in listing.records] and "latest edition" in str(listing.notes)
    put(root, f"images_copy/{NIH_ROWS[0][0]}")
    refused(root, "1 listed image lies in several folders")
    (root / "images_copy" / NIH_ROWS[0][0]).unlink()
    put(root, "test_list.txt", NIH_ROWS[0][0])
    refused(root, "in both official lists")
    (root / "test_list.txt").unlink()
    refused(root, "test_list.txt is not there")
    assert not read_listing(configure(images=root, official_splits=False), Path(".")).official
    put(root, "Data_Entry_2017_v2020.csv", NIH_HEADER.replace("Patient ID", "Patient"))
    refused(root, "no column 'Patient ID'", layout="nih")


@pytest.mark.slow
def test_splits_that_are_not_there(tmp_path, people):
    rows = [
        f"{i}.png,{label},{subject[4:]},PA" for i, (label, subject) in enumerate(zip(people.labels, people.subjects))
    ]
    nih = {"Data_Entry_2017.csv": "\n".join(["Image Index,Finding Labels,Patient ID,View Position", *rows]).encode()}
    nih |= {f"images/{i}.png": encoded(image) for i, image in enumerate(people.images)}
    found = init(tmp_path / "n", write_files(tmp_path / "nih", nih))
    assert "official splits are not there (train_val_list.txt and test_list.txt)" in notes(found)
    config = CohortConfig(images=str(tmp_path / "nih"), official_splits=False)
    assert not any("official" in note for note in read_listing(config, Path(".")).notes)
    write_files(tmp_path / "nih", {"train_val_list.txt": b"0.png\n"})
    init_refused(try_init(tmp_path / "o", tmp_path / "nih"), "test_list.txt is not there", "--no-official-splits")
