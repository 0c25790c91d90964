"""Copies of the cohort's people: which rows are taken, that hosts are apart, and that copies are what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.studies import cohort_of
from unpersonal.core.errors import InputError
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.copies import CopyMaker, every_kind, one_row_each, pick_hosts, two_rows_each
from unpersonal.matching.kinds import kind

CPU = torch.device("cpu")
SUBJECTS = [f"s{number:02d}" for number in range(40) for _ in range(3)]
SPLITS = {f"s{number:02d}": "train" if number < 20 else "aux" for number in range(40)}


class Darker:
    """A codec that halves what it is given."""

    def encode(self, images):
        return images / 2

    def decode(self, latents):
        return latents


@pytest.fixture
def cohort():
    return cohort_of(SUBJECTS, ["a"] * len(SUBJECTS), SPLITS)


@pytest.fixture
def maker(tmp_path, cohort):
    images = np.random.default_rng(0).integers(0, 256, (len(cohort), 1, 32, 32), dtype=np.uint8)
    config = JudgesConfig(renoised=7)
    return CopyMaker(tmp_path, images, pick_hosts(cohort, 0), Darker(), config, 3, CPU)  # type: ignore[arg-type]


def test_one_row_of_every_subject_in_random_order(cohort):
    rows = one_row_each(cohort, "train", 5)
    assert sorted(cohort.subjects[rows]) == sorted(set(SUBJECTS[:60]))
    assert rows.tolist() != sorted(rows.tolist()) and rows.tolist() == one_row_each(cohort, "train", 5).tolist()
    assert rows.tolist() != one_row_each(cohort, "train", 6).tolist()


def test_hosts_are_few_and_of_aux(cohort):
    hosts = pick_hosts(cohort, 0)
    assert set(cohort.splits[hosts]) == {"aux"} and len(set(cohort.subjects[hosts])) == len(hosts) == 20 // 4
    with pytest.raises(InputError, match="aux"):
        pick_hosts(cohort_of(["a"], ["x"], "train"), 0)


def test_two_different_pictures_of_a_subject(cohort):
    first, second = two_rows_each(cohort, 1)
    assert len(first) == 20 and (cohort.subjects[first] == cohort.subjects[second]).all() and (first != second).all()
    same = cohort_of(["a", "a", "b", "b"], ["x"] * 4, "train", sha256=["1", "1", "2", "3"])
    assert [same.subjects[rows].tolist() for rows in two_rows_each(same, 1)] == [["b"], ["b"]]


def test_copies_of_every_kind_of_pictures_are_made_and_repeat_themselves(maker):
    rows = np.array([3, 9, 30])
    for one, strength in every_kind():
        if one.make is None:
            continue
        copies = maker.make(one, strength, rows)
        assert copies.shape == (3, 1, 32, 32) and copies.dtype == np.uint8
        np.testing.assert_array_equal(copies, maker.make(one, strength, rows))
    np.testing.assert_array_equal(maker.make(kind("exact"), 1, rows), maker.images[rows])


def test_the_codec_is_the_studys(maker):
    copies = maker.make(kind("codec"), 1, np.array([4]))
    assert np.abs(copies.astype(float) * 2 - maker.images[[4]]).max() <= 1.0


def test_the_rest_of_a_half_is_a_hosts(maker):
    copy, own = maker.make(kind("half"), 0.5, np.array([5]))[0], maker.images[5]
    pieces = [copy == own, *(copy == maker.images[host] for host in maker.hosts)]
    assert 0.5 <= pieces[0].mean() < 0.6 and max((pieces[0] | other).mean() for other in pieces[1:]) == 1.0


def test_what_needs_a_model_is_named_where_there_is_none(maker):
    assert not maker.can_make(kind("re-noised")) and not maker.can_make(kind("over-fitted"))
    assert not maker.can_make(kind("other-visit")) and maker.can_make(kind("codec")) and maker.can_make(kind("half"))
    (maker.study / "models" / "diffusion").mkdir(parents=True)
    (maker.study / "models" / "diffusion" / "denoiser.safetensors").write_bytes(b"")
    assert maker.can_make(kind("re-noised")) and maker.most(kind("re-noised")) == 7
    with pytest.raises(ValueError, match="other-visit"):
        maker.make(kind("other-visit"), 1, np.array([1]))
