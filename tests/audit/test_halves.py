from pathlib import Path

import numpy as np
import pytest

from tests.studies import cohort_of, in_turn, write_study
from unpersonal.audit.halves import deal_halves, half_rows, unequal, write_half
from unpersonal.codec.store import load_images
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.cohort.texts import load_texts, save_texts
from unpersonal.core.errors import InputError

PEOPLE = 60


def people(images_each: int = 2) -> tuple[Cohort, np.ndarray]:
    """Three of four train; a third of all has the label b; one train image is labelled by nobody."""
    subjects = [f"sub-{number:03d}" for number in range(PEOPLE) for _ in range(images_each)]
    labels = ["b" if int(name[4:]) % 3 == 0 else "a" for name in subjects]
    bare = [row == 2 for row in range(len(subjects))]
    splits = in_turn(subjects, ("train", "train", "train", "val"))
    cohort = cohort_of(subjects, labels, splits, classes=("a", "b", "c"), unlabelled=bare)
    images = np.random.default_rng(0).integers(0, 256, (len(subjects), 1, 16, 16)).astype(np.uint8)
    return cohort, images


def test_halves_are_whole_people_of_train_stratified_and_drawn_by_the_seed() -> None:
    cohort, images = people()
    first, second = deal_halves(cohort, images, 7)
    train = set(cohort.subjects[cohort.rows("train")])
    assert first | second == train and not first & second
    assert abs(len(first) - len(second)) <= 1
    for third in (True, False):
        sizes = [sum((int(name[4:]) % 3 == 0) is third for name in half) for half in (first, second)]
        assert abs(sizes[0] - sizes[1]) <= 1
    assert deal_halves(cohort, images, 7) == (first, second)
    assert {first, second} != set(deal_halves(cohort, images, 8))


def test_who_shares_a_picture_is_in_one_half() -> None:
    cohort, images = people()
    names = sorted(set(cohort.subjects[cohort.rows("train")]))
    pairs = list(zip(names[::2], names[1::2], strict=False))[:12]
    for one, other in pairs:
        row, twin = (int(np.flatnonzero(cohort.subjects == name)[0]) for name in (one, other))
        images[twin] = images[row]
    halves = deal_halves(cohort, images, 3)
    assert all((one in halves[0]) is (other in halves[0]) for one, other in pairs)


def test_people_who_are_all_joined_cannot_be_halved() -> None:
    cohort, images = people()
    images[:] = images[0]
    with pytest.raises(InputError, match="cannot be halved"):
        deal_halves(cohort, images, 0)
    assert not unequal(50, 51) and unequal(50, 60)


def test_a_half_is_the_cohort_without_the_train_people_of_the_other(tmp_path: Path) -> None:
    cohort, images = people()
    study, folder = write_study(tmp_path / "study", cohort, images), tmp_path / "half"
    save_texts(study, cohort.table["image"].tolist(), [f"report {row}" for row in range(len(cohort))])
    half = deal_halves(cohort, images, 1)[0]
    figures = write_half(study, folder, half)
    part, rows = load_cohort(folder), half_rows(cohort, half)
    assert set(part.subjects[part.rows("train")]) == half and figures.people == len(half)
    assert figures.images == len(part.rows("train")) == 2 * len(half)
    np.testing.assert_array_equal(np.array(load_images(folder)), images[rows])
    assert load_texts(folder, part) == [f"report {row}" for row in rows]
    # whoever does not train stays, and what the cohort knows beside its rows too
    assert len(part.rows("val")) == len(cohort.rows("val"))
    assert part.classes == cohort.classes and part.seed == cohort.seed and part.dealing == cohort.dealing
    assert part.unlabelled == cohort.unlabelled & set(part.table["image"])
