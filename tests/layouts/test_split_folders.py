"""Folders that look like splits are pointed out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.read import read_listing

from ..journeys.cohort_cases import (
    encoded,
    write_files,
)
from .cases import configure, put, refused


def test_folders_that_look_like_splits_are_pointed_out(tmp_path):
    for part in ("train", "test"):
        put(tmp_path / "x", f"{part}/cat/{part}1.png")
    refused(tmp_path / "x", "look like splits .test, train.* --layout huggingface .* --layout folder", subject="file")
    config = configure(images=tmp_path / "x", subject="file", layout="folder")
    assert "look like splits" in read_listing(config, Path(".")).notes[0]
    put(tmp_path / "x", "more/cat/1.png")
    (said,) = read_listing(configure(images=tmp_path / "x", subject="file"), Path(".")).notes
    assert "look like splits (test, train)" in said and "if somebody was held out there" in said


@pytest.mark.parametrize(
    ("tops", "said"),
    [
        (("train", "test", "extra"), "test, train"),
        (("train_images", "test-images"), "test, train"),
        (("a/train", "b/test"), "test, train"),
        (("TrainSet1", "ValSet1"), "train, val"),
        (("train", "x", "y", "test"), "test, train"),
        (("train", "x", "y", "z", "test"), ""),  # less than half
        (("train", "training_data"), ""),  # one split
        (("latest", "contrast"), ""),  # no words of their own
        (("train_test", "other"), ""),
    ],
)
@pytest.mark.parametrize("layout", ["folder", "huggingface", "table"])
def test_folders_that_hold_the_word_of_a_split(tmp_path, tops, said, layout):
    for i, top in enumerate(tops):
        for label in "ab":
            write_files(tmp_path, {f"x/{top}/{label}/p{i}{label}.png": encoded(np.eye(9, dtype=np.uint8))})
    if layout == "table":
        names = [f"x/{top}/{label}/p{i}{label}.png" for i, top in enumerate(tops) for label in "ab"]
        rows = [f"{name},s{i},{'ab'[i % 2]}" for i, name in enumerate(names)]
        (tmp_path / "t.csv").write_text("image,subject,label\n" + "\n".join(rows))
        config = CohortConfig(images="t.csv")
    else:
        config = CohortConfig(images="x", subject="file", layout=layout)
    found = [note for note in read_listing(config, tmp_path).notes if "look like splits" in note]
    # this layout keeps what is plainly named at the top
    if not said or (layout == "huggingface" and {"train", "test"} & set(tops)):
        assert not found
    else:
        assert len(found) == 1 and f"({said})" in found[0] and "held out" in found[0]
    if layout == "huggingface":
        silent = CohortConfig(images="x", subject="file", layout=layout, official_splits=False)
        assert not any("look like" in note for note in read_listing(silent, tmp_path).notes)
