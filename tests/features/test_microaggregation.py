"""Groups of at least k people, by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.features import microaggregation
from unpersonal.features.microaggregation import NOBODY, aggregate, groups_of
from unpersonal.features.pca import unit_rows


@pytest.mark.parametrize("k", [2, 5, 20])
@pytest.mark.parametrize("count", [20, 21, 39, 40, 59, 60, 61, 200])
def test_every_group_has_k_to_2k_minus_1_points_and_every_point_one_group(count, k):
    points = np.random.default_rng(count).normal(size=(count, 4))
    found = groups_of(points, k)
    sizes = np.bincount(found)
    assert sizes.sum() == count and sizes.min() >= k and sizes.max() < 2 * k
    np.testing.assert_array_equal(groups_of(points, k), found)


def test_groups_are_of_like_people():
    """Well apart clouds of k points each are found as they are, and any groups are tighter than random ones."""
    rng = np.random.default_rng(1)
    cloud = np.repeat(np.arange(6), 5)
    points = np.eye(6)[cloud] * 10 + rng.normal(0, 0.1, (30, 6))
    order = rng.permutation(30)
    found = groups_of(points[order], 5)
    assert all(len(set(cloud[order][found == number])) == 1 for number in range(6))
    loose = rng.normal(size=(200, 3))

    def within(groups):
        return sum(((loose[groups == g] - loose[groups == g].mean(0)) ** 2).sum() for g in np.unique(groups))

    assert within(groups_of(loose, 5)) < 0.5 * within(rng.permutation(np.repeat(np.arange(40), 5)))


def test_equal_points_and_many_points(monkeypatch):
    assert np.bincount(groups_of(np.zeros((11, 3)), 5)).tolist() == [5, 6]
    with pytest.raises(ValueError, match="4 points are no group of 5"):
        groups_of(np.zeros((4, 3)), 5)
    monkeypatch.setattr(microaggregation, "MOST", 30)
    sizes = np.bincount(groups_of(np.random.default_rng(0).normal(size=(211, 4)), 5))
    assert sizes.sum() == 211 and sizes.min() >= 5 and sizes.max() < 10


def cohort(seed=0):
    """Images of people in train (0-59) and held out (60-69), label sets 0 (most), 1 and 2 (three people)."""
    rng = np.random.default_rng(seed)
    subjects, groups, train = [], [], []
    for person in range(70):
        own = 2 if person < 3 else int(person % 3 == 0)
        for image in range(int(rng.integers(1, 5))):
            subjects.append(f"s{person}")
            # every tenth person has an image of another label set
            groups.append(1 - own if image and person % 10 == 5 else own)
            train.append(person < 60)
    features = unit_rows(rng.normal(size=(len(subjects), 5)) + 1)
    return features, np.array(subjects, dtype=object), np.array(groups), np.flatnonzero(train)


def test_centroids_are_means_over_people_who_count_once_in_each_label_set():
    features, subjects, groups, train = cohort()
    found = aggregate(features, subjects, groups, train, 6)
    trained = np.isin(np.arange(len(features)), train)

    def mean_of(person, code, where=trained):
        rows = [i for i in range(len(features)) if where[i] and subjects[i] == person and groups[i] == code]
        return features[rows].astype(float).mean(0)

    centres = {}
    for number, count in enumerate(found.subjects):
        rows = np.flatnonzero((found.group == number) & trained)
        (code,) = set(groups[rows])
        people = sorted(set(subjects[rows]))
        assert len(people) == count >= 6
        centre = np.mean([mean_of(person, code) for person in people], axis=0)
        np.testing.assert_allclose(found.rows[rows], np.tile(unit_rows(centre[None]), (len(rows), 1)), atol=1e-6)
        centres[number] = (code, centre)
    # somebody with images in two label sets is in one group of each
    for person in set(subjects[train]):
        for code in (0, 1):
            assert len(set(found.group[(subjects == person) & trained & (groups == code)])) <= 1
    assert any(len(set(found.group[subjects == person])) == 2 for person in set(subjects[train]))
    # three people are no group: theirs is everybody's, which no group has
    rare = np.flatnonzero(groups == 2)
    everybody = [features[train][subjects[train] == person].astype(float).mean(0) for person in set(subjects[train])]
    assert (found.group[rare] == NOBODY).all() and len(rare)
    np.testing.assert_allclose(
        found.rows[rare], np.tile(unit_rows(np.mean(everybody, 0)[None]), (len(rare), 1)), atol=1e-6
    )
    # who is held out has the nearest centroid of the label set
    for row in np.flatnonzero(~trained):
        own = mean_of(subjects[row], groups[row], ~trained)
        near = min(
            (number for number, (code, _) in centres.items() if code == groups[row]),
            key=lambda number: float(((centres[number][1] - own) ** 2).sum()),
        )
        assert found.group[row] == near


def test_a_person_with_many_images_moves_nothing():
    features, subjects, groups, train = cohort()
    found = aggregate(features, subjects, groups, train, 6)
    own = train[subjects[train] == subjects[train[20]]]
    more = np.concatenate([np.arange(len(features)), np.repeat(own, 50)])
    trained = np.isin(more, train)
    again = aggregate(features[more], subjects[more], groups[more], np.flatnonzero(trained), 6)
    np.testing.assert_array_equal(again.subjects, found.subjects)
    np.testing.assert_allclose(again.rows[: len(features)], found.rows, atol=1e-6)


def test_no_row_is_a_function_of_one_person_alone():
    """Whoever leaves a train group of k or more moves no row but those of groups: each row is shared by k people."""
    features, subjects, groups, train = cohort(3)
    found = aggregate(features, subjects, groups, train, 6)
    for row in np.unique(found.rows[train], axis=0):
        rows = train[(found.rows[train] == row).all(axis=1)]
        assert len(set(subjects[rows])) >= 6 or set(groups[rows]) == {2}
