"""Options in the words of the command line, and errors that name the layout that was recognised."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.options import given_options

from ..journeys.cohort_cases import (
    encoded,
    init,
    run,
    try_init,
    write_files,
)
from ..journeys.cohort_cases import (
    refused as init_refused,
)
from .cases import notes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (
            ("--subject-column", "subject", "--subject", r"(\d)(?P<subject>\d+)"),
            ("--subject and --subject-column both",),
        ),
        (("--label-column", "label", "--label-columns", "a,b"), ("--label-columns and --label-column both",)),
        (("--label-from", "folder"), ("table does not read --label-from",)),
        (("--slice-axis", "axial"), ("table does not read --slice-axis", "nifti")),
        (("--slice-range", "0.25,0.75", "--slice-step", "1"), ("--slice-range, --slice-step",)),
        (("--views", "all"), ("table does not read --views",)),
        (("--missing", "one"), ("--missing one says nothing", "--missing ignore")),
        (("--window", "nan,80"), ("--window: ", "options named above")),
        (("--subject", r"x(?P<person>\d+)"), (r"'x(?P<person>\d+)' has no group", "--subject: ")),
        (("--subject", r"x(?P<subject>\d+)"), (r"The pattern 'x(?P<subject>\d+)' finds no subject",)),
        (("--size", "50", "--preset", "cpu"), ("use 48 or 56",)),
        (("--window", "40,80"), ("--window is about images deeper than 8 bits", "leave out --window")),
        (("--no-official-splits",), ("leave out --no-official-splits",)),
        (("--split-conflict", "train"), ("--split-column",)),
        (("--text-column", "subject"), ("--text-column names 'subject', the column of subjects",)),
        (("--text-column", "image"), ("the column of images",)),
        (("--text-column", "label"), ("the column of labels",)),
        (("--text-column", "subject", "--subject", r"(?P<subject>\d+)"), ("the column of subjects",)),
    ],
)
def test_options_in_their_own_words(tmp_path, table, root, words, fragments):
    message = init_refused(try_init(tmp_path / "s", table(), *root, *words), *fragments)
    assert "\\\\" not in message and "cohort." not in message and "keys" not in message


@pytest.mark.slow
def test_a_study_toml_that_names_every_key_names_no_option(tmp_path, table, root):
    init(tmp_path / "s", table(), *root)
    assert run("run", tmp_path / "s", "--until", "cohort").exit_code == 0
    assert given_options(CohortConfig(images=".", slice_axis="axial")) == {"images", "slice_axis"}


@pytest.mark.slow
def test_the_window_of_some_images(tmp_path, table, pictures, people):
    files = {path.relative_to(pictures).as_posix(): path.read_bytes() for path in pictures.rglob("*.png")}
    deep = [name for i, name in enumerate(sorted(files)) if i % 3 == 0]
    wide = people.images.astype(np.uint16) * 200
    files |= {name: encoded(wide[int(name[-8:-4])]) for name in deep}
    table()
    found = init(tmp_path / "s", write_files(tmp_path, files) / "table.csv", "--window", "20000,40000")
    assert f"--window changes nothing in {len(files) - len(deep)} of {len(files)} images" in notes(found)


def test_errors_name_the_layout_that_was_recognised(tmp_path, people):
    names = (f"PNEUMONIA/person1_virus_{i}.jpeg" for i in range(20))
    images = write_files(tmp_path / "k", {name: encoded(people.images[i], "JPEG") for i, name in enumerate(names)})
    message = init_refused(try_init(tmp_path / "s", images), "layout kermany (recognised; else --layout folder)")
    assert "one subject" in message
    assert "recognised" not in init_refused(try_init(tmp_path / "s", images, "--layout", "kermany"))
