"""Folders and zips of images: subjects and labels by the path."""

from __future__ import annotations

import random
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from unpersonal.cohort.read import read
from unpersonal.core.hashing import sha256_file

from ..cases import SUBJECT, SUBJECTS, cohort_refused, configure, listing_of, write


def assert_same_cohort(one, other):
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.classes == other.classes


@pytest.mark.slow
def test_folder(folder):
    reading = read(configure(images=folder, subject=SUBJECT), 0)
    cohort, quarantine, report = reading.cohort, reading.quarantine, reading.understanding
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    assert cohort.table["image"].tolist() == files and not quarantine
    assert cohort.classes == ("Cardiomegaly", "No Finding", "Pleural Effusion")
    for image, subject, labels, digest in cohort.table[["image", "subject", "labels", "sha256"]].itertuples(
        index=False
    ):
        assert subject in image and labels == [image.split("/")[0]] and digest == sha256_file(folder / image)
    assert cohort.table.groupby("subject")["split"].nunique().max() == 1
    assert report.images == len(files) and report.subjects == SUBJECTS and not cohort.colour


@pytest.mark.slow
def test_zip_read_in_place_is_the_same_cohort(folder, tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in random.Random(0).sample(sorted(folder.rglob("*.png")), k=len(list(folder.rglob("*.png")))):
            archive.write(file, file.relative_to(folder).as_posix())
    before = sha256_file(path)
    zipped = read(configure(images="images.zip", subject=SUBJECT), 0, tmp_path).cohort
    assert_same_cohort(zipped, read(configure(images=folder, subject=SUBJECT), 0).cohort)
    assert sha256_file(path) == before and [p.name for p in tmp_path.iterdir()] == ["images.zip"]


def test_label_by_pattern_and_every_image_its_own_subject(folder):
    config = configure(images=folder, subject="file", label_from=r"^(?P<label>[A-Z])")
    cohort = read(config, 0).cohort
    assert cohort.classes == ("C", "N", "P") and cohort.table["subject"].tolist() == cohort.table["image"].tolist()


@pytest.mark.slow
def test_seed_changes_the_split_only(folder):
    one, two = (read(configure(images=folder, subject=SUBJECT), seed).cohort for seed in (0, 1))
    assert (one.table["split"] != two.table["split"]).any()
    pd.testing.assert_frame_equal(one.table.drop(columns="split"), two.table.drop(columns="split"))


def test_folder_without_subject_or_with_a_pattern_that_misses(folder):
    cohort_refused("same person", images=folder)
    images = len(list(folder.rglob("*.png")))
    text = cohort_refused(
        f"no subject in .* of {images} images", images=folder, subject=r"No Finding/(?P<subject>sub-\d+)"
    )
    assert ".png" in text
    cohort_refused("no label in", images=folder, subject=SUBJECT, label_from="(?P<label>No Finding)")


def test_images_in_no_folder_have_no_label(tmp_path):
    Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / "a.png")
    cohort_refused("lies in no folder", images=tmp_path, subject="file")


def test_every_suffix_of_jpeg(tmp_path):
    names = [f"a/1.{suffix}" for suffix in ("jpg", "jpeg", "jpe", "jfif", "jfi", "JFIF")]
    listing = listing_of(write(tmp_path, *names), subject="file")
    assert [record.image for record in listing.records] == sorted(names) and not listing.ignored and not listing.notes
