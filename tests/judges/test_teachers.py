"""Teachers: nobody labels an image of those who taught it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, in_blocks
from unpersonal.core.errors import InputError
from unpersonal.judges import teachers as room
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.store import Described
from unpersonal.judges.subset import take_subset
from unpersonal.judges.teachers import FEWEST, NOBODY, deal_folds, load_teachers, train_teachers
from unpersonal.phantom import phantom_cohort

CPU = torch.device("cpu")
CONFIG = JudgesConfig(width=4, classifier_steps=40, classifier_batch=16, check_every=20, save_every=25, teachers=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(study, cohort, images, figures, who taught each teacher), with a spy on what each is taught."""
    images, subjects, labels = phantom_cohort(60, 3, 32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    cohort = cohort_of(subjects, labels, in_blocks(subjects, {"train": 45, "val": 12, "aux": 2, "test": 1}))
    train = take_subset(cohort, images, "train")
    study, taught = tmp_path_factory.mktemp("teachers"), []
    folder = study / "models" / "judges"
    folder.mkdir(parents=True)
    original = room.train_classifier

    def spy(pictures, targets, *args, **kwargs):
        taught.append([{picture.tobytes() for picture in some} for some in (pictures, kwargs["held_out"][0])])
        return original(pictures, targets, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "train_classifier", spy)
        described = Described(CONFIG, (1, 32, 32), cohort.classes)
        figures, histories = train_teachers(folder, cohort, train, described, 5, CPU)
    assert set(histories) == {"teacher 1", "teacher 2", "teacher 3"}
    return study, cohort, images, figures, taught


def test_no_teacher_saw_anybody_of_its_fold(trained):
    study, cohort, images, _, taught = trained
    folds = load_teachers(study, CPU).folds
    rows = cohort.rows("train")
    for number, (pictures, stopping) in enumerate(taught):
        learned, stop = ({row for row in rows if images[row].tobytes() in some} for some in (pictures, stopping))
        own = learned | stop
        assert own and own == set(rows[folds[rows] != number])
        # of train people alone, who are not learned from: nobody of control has a part in what teachers say
        assert len(stop) == len(stopping) and not {cohort.subjects[row] for row in learned & stop}
        assert not {cohort.subjects[row] for row in learned} & {cohort.subjects[row] for row in stop}
        assert 0.05 < len(stop) / len(own) < 0.2
        others = set(rows) - own
        assert not {cohort.subjects[row] for row in own} & {cohort.subjects[row] for row in others}
    assert (folds[np.setdiff1d(np.arange(len(cohort)), rows)] == NOBODY).all()


def test_an_image_is_labelled_by_the_teacher_of_its_fold_and_nobodys_by_all(trained):
    study, cohort, images, figures, _ = trained
    teachers = load_teachers(study, CPU)
    some = np.array(images[cohort.rows("test")])
    alone = [teachers.probabilities(some, np.full(len(some), number)) for number in range(3)]
    assert not np.allclose(alone[0], alone[1])
    assert np.allclose(teachers.probabilities(some, np.full(len(some), NOBODY)), np.mean(alone, axis=0))
    mixed = teachers.probabilities(np.concatenate([some[:1]] * 3), np.arange(3))
    assert np.allclose(mixed, [each[0] for each in alone])
    assert mixed.sum(axis=1) == pytest.approx(1)
    assert figures.teachers == 3 and figures.subjects == 45 and len(figures.temperatures) == 3
    assert figures.accuracy_interval[0] <= figures.accuracy <= figures.accuracy_interval[1]


def test_teachers_that_are_lost_or_exchanged_are_refused(trained, tmp_path):
    with pytest.raises(InputError):
        load_teachers(tmp_path, CPU)


def test_folds_are_of_people_even_and_never_part_twins():
    rng = np.random.default_rng(0)
    subjects = rng.permutation(np.repeat([f"p{number}" for number in range(90)], 2))
    labels = [[{0: "rare", 1: "scarce"}.get(int(name[1:]) % 9 // 1, "common")] for name in subjects]
    hashes = [f"{row}" for row in range(180)]
    twins = [int(np.flatnonzero(subjects == name)[0]) for name in ("p5", "p6", "p7")]
    for row in twins:
        hashes[row] = "the same picture"
    folds = deal_folds(subjects, labels, hashes, 5, 1)
    of = {name: set(folds[subjects == name]) for name in np.unique(subjects)}
    assert all(len(numbers) == 1 for numbers in of.values())
    assert len(of["p5"] | of["p6"] | of["p7"]) == 1
    sizes = np.bincount([next(iter(numbers)) for numbers in of.values()], minlength=5)
    assert sizes.max() - sizes.min() <= 2 * FEWEST
    for label in ("rare", "scarce"):
        people = {
            str(name): int(fold) for name, fold, row in zip(subjects, folds, labels, strict=True) if row == [label]
        }
        counts = np.bincount(list(people.values()))
        assert len(people) == 10 and sorted(counts[counts > 0]) == [FEWEST, FEWEST]


def test_folds_hang_on_the_seed_and_on_nothing_else():
    subjects, labels = [f"p{row}" for row in range(40)], [["a"]] * 40
    hashes = [str(row) for row in range(40)]
    first = deal_folds(subjects, labels, hashes, 4, 1)
    back = deal_folds(subjects[::-1], labels, hashes[::-1], 4, 1)[::-1]
    assert first.tolist() == back.tolist() != deal_folds(subjects, labels, hashes, 4, 2).tolist()


def test_who_stops_training_is_spared_by_every_label_set():
    """A label set that one person has is learned; with nobody to spare the same people serve for both."""
    names = [f"p{number}" for number in range(40)]
    subjects = [name for name in names for _ in range(2)]
    labels = [["alone"] if name == "p7" else ["two"] if name in ("p1", "p2") else ["many"] for name in subjects]
    table = cohort_of(subjects, labels, "train").table
    for seed in range(8):
        learned, stop = room.part_stopping(table, np.arange(4, 80), seed)
        assert sorted([*learned, *stop]) == list(range(4, 80)) and len(stop)
        assert not {subjects[row] for row in learned} & {subjects[row] for row in stop}
        told = [{labels[row][0] for row in some} for some in (learned, stop)]
        assert told[0] == {"alone", "two", "many"} and "alone" not in told[1]
    few = room.part_stopping(table, np.array([0, 1]), 0)
    assert few[0].tolist() == few[1].tolist() == [0, 1]
