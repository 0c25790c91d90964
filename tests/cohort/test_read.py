"""What a cohort must have: subjects, labels in every part, images; colour where most have it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from unpersonal.cohort.read import read

from ..layouts.cases import SUBJECT, cohort_refused, configure


def test_colour_is_kept_where_most_images_have_it(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    assert read(configure(images=tmp_path, subject="file"), 0).cohort.colour


def test_too_few_subjects_and_labels(folder, tmp_path):
    cohort_refused("All images show one subject", images=folder, subject=r"(?P<subject>sub-)")
    cohort_refused("too few for the splits .*aux has", images=folder, subject=r"(?P<subject>sub-0000[1-4]|sub-)")
    cohort_refused("fewer than two labels", images=folder / "No Finding", subject=SUBJECT, label_from=r"(?P<label>sub)")


def test_a_label_in_one_split_only_is_named(flat):
    base, names, subjects, labels = flat
    rare = ["rare" if subject == subjects[0] else label for subject, label in zip(subjects, labels, strict=True)]
    pd.DataFrame({"image": names, "subject": subjects, "label": rare}).to_csv(base / "t.csv", index=False)
    text = cohort_refused("label 'rare' .1 subject. does not occur in test", images="t.csv", base=base)
    assert "val (its calibration half)" in text and "join it" in text


def test_no_image_left(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"broken")
    cohort_refused("No image can be used .2 unreadable", images=tmp_path, subject="file")
