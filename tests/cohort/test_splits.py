"""The split of subjects where the input gives none."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from unpersonal.cohort.splits import largest_remainder, split_subjects
from unpersonal.layouts.config import Splits


def population(sizes: dict[str, int], images: int = 2) -> tuple[list[str], list[list[str]]]:
    subjects, labels = [], []
    for label, size in sizes.items():
        for i in range(size):
            subjects += [f"{label}-{i}"] * images
            labels += [label.split("|")] * images
    return subjects, labels


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
