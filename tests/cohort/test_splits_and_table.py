"""Splits by subject, halves, and the cohort file."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from unpersonal.cohort.splits import largest_remainder, split_subjects
from unpersonal.cohort.strata import halve, subject_strata
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
    table = pd.DataFrame(
        {
            "image": [f"x/{i}.png" for i in range(len(subjects))],
            "subject": subjects,
            "labels": labels,
            "split": [split[s] for s in subjects],
            "sha256": [f"{i:064x}" for i in range(len(subjects))],
        }
    )
    return Cohort(table, ("a", "b"), seed)


@pytest.mark.parametrize(
    ("total", "expected"),
    [(10, [5, 2, 1, 2]), (100, [50, 20, 10, 20]), (3, [1, 1, 0, 1]), (1, [1, 0, 0, 0]), (0, [0] * 4)],
)
def test_largest_remainder(total, expected):
    assert largest_remainder(total, [0.5, 0.2, 0.1, 0.2]) == expected


def test_largest_remainder_against_its_definition():
    rng = np.random.default_rng(0)
    for _ in range(200):
        fractions, total = rng.dirichlet(np.ones(4)), int(rng.integers(0, 300))
        counts = np.array(largest_remainder(total, list(fractions)))
        assert counts.sum() == total and np.abs(counts - total * fractions).max() < 1


def test_every_stratum_is_split_exactly():
    sizes = {"a": 70, "b": 23, "c": 11}
    subjects, labels = population(sizes)
    split = split_subjects(subjects, labels, Splits(), 3)
    for label, size in sizes.items():
        found = Counter(split[f"{label}-{i}"] for i in range(size))
        counts = [found[name] for name in ("train", "val", "aux", "test")]
        assert counts == largest_remainder(size, [0.5, 0.2, 0.1, 0.2])


def test_split_depends_on_seed_and_names_only():
    subjects, labels = population({"a": 30, "b": 30})
    first = split_subjects(subjects, labels, Splits(), 1)
    order = np.random.default_rng(0).permutation(len(subjects))
    assert split_subjects([subjects[i] for i in order], [labels[i] for i in order], Splits(), 1) == first
    assert split_subjects(subjects, labels, Splits(), 2) != first


def test_stratum_is_the_most_frequent_label_set_and_rare_sets_join_their_rarest_label():
    subjects = ["s"] * 3 + [f"a{i}" for i in range(20)] + [f"b{i}" for i in range(11)] + ["m"]
    labels = [["a"], ["b"], ["b"]] + [["a"]] * 20 + [["b"]] * 11 + [["b", "a"]]
    strata = subject_strata(subjects, labels)
    assert strata["s"] == strata["m"] == ("b",) and strata["a0"] == ("a",)
    many = subject_strata([*subjects, *(f"m{i}" for i in range(10))], [*labels, *([["a", "b"]] * 10)])
    assert many["m"] == many["m3"] == ("a", "b")
    assert subject_strata(["x", "x", "y"], [["b"], ["a"], []]) == {"x": ("a",), "y": ()}


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
