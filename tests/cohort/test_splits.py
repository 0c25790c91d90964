"""The split of subjects where the input gives none."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from unpersonal.cohort.splits import SplitCounts, largest_remainder, resolve_splits, split_subjects
from unpersonal.core.errors import InputError
from unpersonal.layouts.config import Splits
from unpersonal.layouts.listing import ListedImage


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
        assert counts == largest_remainder(size, [0.5, 0.1, 0.1, 0.3])


def test_split_depends_on_seed_and_names_only():
    subjects, labels = population({"a": 30, "b": 30})
    first = split_subjects(subjects, labels, Splits(), 1)
    order = np.random.default_rng(0).permutation(len(subjects))
    assert split_subjects([subjects[i] for i in order], [labels[i] for i in order], Splits(), 1) == first
    assert split_subjects(subjects, labels, Splits(), 2) != first


PARTS = ("train", "val", "aux", "test")


FRACTIONS = dict(zip(PARTS, (0.5, 0.1, 0.1, 0.3), strict=True))


def people(part: str | None, sizes: dict[str, int], images: int = 2) -> list[ListedImage]:
    """`sizes` subjects by label, `images` images each, all in one given part."""
    return [
        ListedImage(f"{part}/{label}{i}_{k}.png", f"{part}-{label}{i}", (label,), part)
        for label, size in sizes.items()
        for i in range(size)
        for k in range(images)
    ]


def torn(subject: str, *parts: str) -> list[ListedImage]:
    return [ListedImage(f"{subject}_{i}.png", subject, ("a",), part) for i, part in enumerate(parts)]


def check(records: list[ListedImage], result) -> dict[str, Counter]:
    """No subject crosses, no image is lost; counts of subjects by given part and resulting split."""
    left_out = {row[0] for row in result.refused}
    assert len(left_out) == len(result.refused) and all(row[1] == "split-conflict" for row in result.refused)
    kept = [record for record in records if record.image not in left_out]
    assert len(kept) + len(result.refused) == len(records)
    assert {record.subject for record in kept} == set(result.split) and set(result.split.values()) <= set(PARTS)
    went: dict[str, Counter] = defaultdict(Counter)
    for subject in result.split:
        given = {record.split for record in kept if record.subject == subject}
        for part in given:
            went[part][result.split[subject]] += 1
    return went


def test_without_given_splits_it_is_the_usual_split():
    records = people(None, {"a": 40, "b": 17})
    result = resolve_splits(records, Splits(), 5)
    expected = split_subjects([r.subject for r in records], [r.labels for r in records], Splits(), 5)
    assert result.split == expected and not result.notes and not result.refused


@pytest.mark.parametrize("official", [True, False])
@pytest.mark.parametrize(
    "given", [("train-val", "test"), ("train", "val", "test"), ("train", "test"), ("train", "val"), PARTS, ("train",)]
)
def test_parts_are_kept_and_missing_ones_come_out_of_the_pool_by_label(given, official):
    sizes = {"a": 61, "b": 23, "c": 12}
    records = [record for part in given for record in people(part, sizes)]
    np.random.default_rng(0).shuffle(records)
    result = resolve_splits(records, Splits(), 1, official=official)
    went = check(records, result)
    pool = "train-val" if "train-val" in given else "train"
    absent = [part for part in ("val", "aux", "test") if part not in given and (official or part != "test")]
    parts = [part for part in PARTS if part == "train" or part in absent]
    for part in set(given) - {pool}:
        assert went[part] == {part: sum(sizes.values())}
    total = sum(FRACTIONS[part] for part in parts)
    for label, size in sizes.items():
        found = Counter(result.split[f"{pool}-{label}{i}"] for i in range(size))
        quotas = {part: size * FRACTIONS[part] / total for part in parts}
        assert set(found) <= set(parts) and all(abs(found[part] - quotas[part]) < 1 for part in parts)
        assert [found[part] for part in parts] == largest_remainder(size, [FRACTIONS[p] / total for p in parts])
    carved = sum(part != "train" for subject, part in result.split.items() if subject.startswith(f"{pool}-"))
    assert result.counts == SplitCounts(conflicts=0, dropped=0, carved=carved)
    assert any("were kept" in note for note in result.notes)
    assert any("divided by subject" in note for note in result.notes) == bool(carved)


def test_a_given_test_subject_never_enters_another_part():
    rng = np.random.default_rng(2)
    for seed in range(20):
        parts = ["train-val", "test"] if seed % 2 else ["train", "test", *(["val"] if seed % 4 else [])]
        records = []
        for i in range(80):
            part = parts[int(rng.integers(len(parts)))]
            for k in range(int(rng.integers(1, 4))):
                records.append(ListedImage(f"{i}_{k}.png", f"s{i}", tuple(rng.choice(["a", "b"], 1)), part))
        result = resolve_splits(records, Splits(), seed, official=True)
        check(records, result)
        given = {record.subject for record in records if record.split == "test"}
        assert {subject for subject, split in result.split.items() if split == "test"} == given


def test_the_order_of_rows_does_not_matter_and_the_seed_does():
    records = [*people("train-val", {"a": 40, "b": 40}), *people("test", {"a": 9}), *torn("x", "train-val", "test")]
    first = resolve_splits(records, Splits(), 1, official=True)
    assert resolve_splits(records[::-1], Splits(), 1, official=True) == first
    other = resolve_splits(records, Splits(), 2, official=True)
    assert other.split != first.split
    assert [s for s, p in other.split.items() if p == "test"] == [s for s, p in first.split.items() if p == "test"]


@pytest.mark.parametrize("official", [True, False])
@pytest.mark.parametrize("policy", [None, "error", "train", "test", "drop"])
@pytest.mark.parametrize("parts", [("train", "test"), ("train", "val"), ("val", "test"), ("train", "val", "test")])
def test_conflicts_by_policy(policy, official, parts):
    records = [record for part in ("train", "val", "test") for record in people(part, {"a": 20, "b": 20})]
    conflict = torn("both", *parts)
    records += conflict
    effective = policy or ("train" if official else "error")
    if effective == "error":
        with pytest.raises(InputError, match=r"more than one split .*'both'") as error:
            resolve_splits(records, Splits(), 0, policy, official=official)
        assert "--split-conflict" in error.value.how
        return
    result = resolve_splits(records, Splits(), 0, policy, official=official)
    check(records, result)
    assert result.counts.conflicts == 1 and result.counts.dropped == (effective == "drop")
    assert any("1 subject is in two given splits" in note for note in result.notes)
    if effective == "drop":
        assert "both" not in result.split
        assert [row[0] for row in result.refused] == [record.image for record in conflict]
    else:
        assert result.split["both"] == effective and not result.refused
    # nobody else moves because of it
    alone = resolve_splits([r for r in records if r.subject != "both"], Splits(), 0, policy, official=official)
    assert {subject: part for subject, part in result.split.items() if subject != "both"} == alone.split


def test_a_torn_subject_that_is_protected_is_never_carved_into_another_part():
    for seed in range(10):
        records = [*people("train-val", {"a": 20}), *people("test", {"a": 20})]
        for i in range(12):
            records += torn(f"t{i}", "train-val", "test")
        result = resolve_splits(records, Splits(), seed, official=True)
        assert {result.split[f"t{i}"] for i in range(12)} == {"train"} and result.counts.conflicts == 12


def test_images_without_a_split_where_others_have_one():
    records = [*people("train", {"a": 3}), *people(None, {"a": 1})]
    with pytest.raises(InputError, match="2 of 8 images have no split"):
        resolve_splits(records, Splits(), 0)


def test_official_splits_without_train():
    records = [*people("val", {"a": 3}), *people("test", {"a": 1})]
    with pytest.raises(InputError, match=r"no subject to train .they give test, val"):
        resolve_splits(records, Splits(), 0, official=True)
    assert set(resolve_splits(records, Splits(), 0).split.values()) == {"val", "test"}


@pytest.mark.slow
def test_every_small_combination_of_given_splits_conserves():
    """All ways to give three subjects with two images each a split out of four."""
    for given in itertools.product(("train", "val", "test", "train-val"), repeat=6):
        records = [ListedImage(f"{i}.png", f"s{i // 2}", ("ab"[i % 2],), part) for i, part in enumerate(given)]
        for policy in ("train", "test", "drop"):
            result = resolve_splits(records, Splits(), 0, policy)
            check(records, result)
            for i in range(3):
                mine = set(given[2 * i : 2 * i + 2])
                if mine == {"test"}:
                    assert result.split[f"s{i}"] == "test"
                if len(mine) > 1:
                    assert result.split.get(f"s{i}") == (None if policy == "drop" else policy)


def test_who_shares_a_picture_goes_the_same_way():
    subjects, labels = population({"a": 60, "b": 60})
    joined = {name: f"a-{i // 3}" for i in range(30) for name in (f"a-{i}", f"b-{i}")}
    split = split_subjects(subjects, labels, Splits(), 1, joined)
    groups = defaultdict(set)
    for name, group in joined.items():
        groups[group].add(split[name])
    assert len(groups) == 10 and all(len(found) == 1 for found in groups.values())
    assert set(split) == set(subjects)
    order = np.random.default_rng(0).permutation(len(subjects))
    assert split == split_subjects([subjects[i] for i in order], [labels[i] for i in order], Splits(), 1, joined)
    # the others keep the shares of their stratum
    sizes = Counter(split.values())
    assert abs(sizes["train"] - 60) <= 12 and min(sizes.values()) >= 6


def test_whoever_is_one_with_somebody_unlabelled_goes_to_train():
    records = [ListedImage(f"{i}.png", f"s{i}", ("a",)) for i in range(40)]
    records += [ListedImage(f"u{i}.png", f"u{i}", (), labelled=False) for i in range(5)]
    joined = {f"u{i}": f"s{i}" for i in range(5)} | {f"s{i}": f"s{i}" for i in range(5)}
    split = resolve_splits(records, Splits(), 0, joined=joined).split
    assert {split[name] for name in joined} == {"train"}


@pytest.mark.parametrize(
    ("given", "official", "control", "dealt"),
    [
        (("train", "test"), True, "held-out", {"train", "val", "aux"}),
        (("train", "test"), True, "random", {"train", "val", "aux", "control"}),
        (("train", "val", "aux", "test"), False, "held-out", {"train"}),
        (("train", "val", "aux", "test"), False, "random", {"train", "control"}),
        (("train-val", "test"), True, "random", {"train", "val", "aux", "control"}),
        (("train", "val"), True, "random", {"train", "aux", "test"}),
        ((), False, "random", set(PARTS)),
    ],
)
def test_control_is_carved_by_chance_where_test_is_given(given, official, control, dealt):
    records = [record for part in given for record in people(part, {"a": 60, "b": 60})]
    records = records or people(None, {"a": 60, "b": 60})
    result = resolve_splits(records, Splits(), 0, official=official, control=control)
    assert set(result.dealt) == dealt
    sizes = Counter(result.split.values())
    assert ("control" in sizes) == ("control" in dealt)
    if "control" in dealt:
        # of the train people, not of those whom the input gave to test
        assert sizes["control"] == pytest.approx(sizes["train"] * 0.6, abs=3)
        assert all(name == "test" for subject, name in result.split.items() if subject.startswith("test-"))
