"""The cohort: halves of its splits, targets, and its file."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from tests.studies import cohort_of
from unpersonal.cohort.splits import split_subjects
from unpersonal.cohort.strata import halve
from unpersonal.cohort.table import HALVES, Cohort, load_cohort
from unpersonal.core.errors import InputError
from unpersonal.layouts.config import Splits


def population(sizes: dict[str, int], images: int = 2) -> tuple[list[str], list[list[str]]]:
    subjects, labels = [], []
    for label, size in sizes.items():
        for i in range(size):
            subjects += [f"{label}-{i}"] * images
            labels += [label.split("|")] * images
    return subjects, labels


def small_cohort(sizes: dict[str, int] | None = None, seed: int = 0) -> Cohort:
    subjects, labels = population(sizes or {"a": 40, "b": 25, "a|b": 13})
    split = split_subjects(subjects, labels, Splits(), seed)
    return cohort_of(subjects, labels, split, images=[f"x/{i}.png" for i in range(len(subjects))], seed=seed)


def test_halves_are_disjoint_whole_subjects_and_balanced_by_label():
    cohort = small_cohort()
    for whole in ("val", "aux"):
        first, second = (cohort.rows(name) for name, (split, _) in HALVES.items() if split == whole)
        np.testing.assert_array_equal(np.sort(np.concatenate([first, second])), cohort.rows(whole))
        subjects = [set(cohort.subjects[rows]) for rows in (first, second)]
        assert not subjects[0] & subjects[1] and abs(len(subjects[0]) - len(subjects[1])) <= 1
    strata = {f"{k}{i}": (k,) for k, n in {"a": 7, "b": 5, "c": 1}.items() for i in range(n)}
    half = halve(strata, 0, "val")
    assert half["c0"] == 1 and abs(sum(half.values()) * 2 - len(half)) <= 1
    for k in "ab":
        found = Counter(half[s] for s in strata if s[0] == k)
        assert abs(found[0] - found[1]) <= 1


def test_halves_do_not_depend_on_row_order_but_on_the_seed():
    cohort = small_cohort()
    shuffled = Cohort(cohort.table.sample(frac=1, random_state=0).reset_index(drop=True), cohort.classes, cohort.seed)
    reseeded = Cohort(cohort.table, cohort.classes, 1)
    for part in HALVES:
        assert set(cohort.subjects[cohort.rows(part)]) == set(shuffled.subjects[shuffled.rows(part)])
    assert any(set(cohort.rows(part)) != set(reseeded.rows(part)) for part in HALVES)
    with pytest.raises(KeyError, match="no subset"):
        cohort.rows("holdout")


def test_targets_follow_the_labels():
    cohort = small_cohort()
    assert cohort.targets.dtype == np.float32
    expected = [["a" in labels, "b" in labels] for labels in cohort.table["labels"]]
    np.testing.assert_array_equal(cohort.targets, np.array(expected, dtype=np.float32))


def test_a_cohort_survives_the_disk(tmp_path):
    cohort = small_cohort(seed=7)
    cohort.save(tmp_path)
    loaded = load_cohort(tmp_path)
    assert (loaded.classes, loaded.seed, loaded.colour) == (cohort.classes, 7, False)
    pd.testing.assert_frame_equal(loaded.table, cohort.table)
    for part in ("train", "val-stop", "aux-weights"):
        np.testing.assert_array_equal(loaded.rows(part), cohort.rows(part))
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.parquet"]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no parquet"])
def test_a_missing_or_broken_cohort_file_is_an_input_error(tmp_path, content):
    if content is not None:
        (tmp_path / "cohort.parquet").write_bytes(content)
    with pytest.raises(InputError):
        load_cohort(tmp_path)


def test_a_foreign_parquet_is_an_input_error(tmp_path):
    pd.DataFrame({"image": ["a"]}).to_parquet(tmp_path / "cohort.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        load_cohort(tmp_path)
