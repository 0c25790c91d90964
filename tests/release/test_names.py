"""What of a cohort's names is withheld from texts that are published or reported, and what ordinary words stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.studies import cohort_of, write_study
from unpersonal.release.names import WITHHELD, private_names, withhold

CLASSES = ("normal", "virus")


def study_with(root: Path, images: list[str], subjects: list[str] | None = None) -> Path:
    """A study whose cohort has these images, each of a subject of its own unless `subjects` are given."""
    subjects = subjects or [f"person-{row:02d}" for row in range(len(images))]
    labels = [CLASSES[row % 2] for row in range(len(images))]
    return write_study(root, cohort_of(subjects, labels, images=images, classes=CLASSES))


@pytest.mark.parametrize(
    ("image", "private"),
    [
        ("MUELLERHANS#frame=0", ["MUELLERHANS", "MUELLERHANS#frame=0"]),
        ("data/MEIER/ct.dcm#frame=12", ["MEIER", "ct.dcm", "ct.dcm#frame=12", "data/MEIER/ct.dcm"]),
        ("schulz.nii.gz#slice=3", ["schulz", "schulz.nii", "schulz.nii.gz", "schulz.nii.gz#slice=3"]),
        ("weber.NII#slice=0", ["weber", "weber.NII"]),
        ("normal/1970-01-31/Doe.John.png", ["1970-01-31", "Doe.John", "Doe.John.png"]),
    ],
)
def test_files_of_several_pictures_stems_and_folders_are_withheld(
    tmp_path: Path, image: str, private: list[str]
) -> None:
    others = [f"normal/train/p{row:02d}.png" for row in range(4)]
    names = private_names(study_with(tmp_path, [image, *others]))
    for name in private:
        assert name in names, name
        assert withhold([f"see {name}, there"], names) == [WITHHELD]
        assert withhold({name: 1, "kept": 2}, names) == {"kept": 2}


def test_words_that_many_subjects_share_and_ordinary_folders_stay(tmp_path: Path) -> None:
    images = [
        f"hospital/{'train' if row < 15 else 'test'}/{CLASSES[row % 2]}/images/p{row:02d}/view1_frontal.png"
        for row in range(20)
    ]
    names = private_names(study_with(tmp_path, images))
    words = ["hospital", "train", "test", "normal", "virus", "images", "view1_frontal", "frontal"]
    assert not names & set(words)
    figures = {word: f"{word} of the cohort" for word in words}
    assert withhold(figures, names) == figures
    assert withhold(f"see {images[3]}.", names) == WITHHELD


def test_a_file_is_private_however_many_pictures_of_its_subject_it_holds(tmp_path: Path) -> None:
    images = [f"BECKER/MUELLERHANS#frame={row}" for row in range(40)] + ["a/b#frame=0"]
    names = private_names(study_with(tmp_path, images, ["one"] * 40 + ["another"]))
    assert {"BECKER", "MUELLERHANS", "another"} <= names
    # of one subject alone, every folder may be the name
    assert "BECKER" in private_names(study_with(tmp_path / "alone", images[:40], ["one"] * 40))


def test_without_a_cohort_nothing_is_private(tmp_path: Path) -> None:
    assert private_names(tmp_path) == frozenset()
