"""Micro-aggregation: people in groups of at least k alike, each group represented by its mean.

Algorithm MDAV (Domingo-Ferrer & Mateo-Sanz, IEEE TKDE 2002; Domingo-Ferrer & Torra, DMKD 2005, algorithm 5.1), the
k-same of pictures (Newton, Sweeney & Malin, IEEE TKDE 2005) within people of the same labels. Legend: n images, s
subjects, d length of a vector, g groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pca import unit_rows

MOST = 20_000
"""Subjects who are grouped at once; more are halved at the median of their leading direction first: MDAV takes s²/k."""
NOBODY = -1


@dataclass(frozen=True)
class Aggregated:
    """`rows` float32 [n,d] of unit length: the centroid of each image; `group` int64 [n], `NOBODY` for everybody's.

    `subjects` int64 [g] are the train subjects of each group.
    """

    rows: np.ndarray
    group: np.ndarray
    subjects: np.ndarray


def groups_of(points: np.ndarray, k: int) -> np.ndarray:
    """The group of each of `points` float64 [s,d], int64 [s]: each of k to 2k - 1 points, as alike as MDAV finds them.

    Fewer than k points are a `ValueError`. Equal points are told apart by their order.
    """
    if len(points) < k:
        raise ValueError(f"{len(points)} points are no group of {k}")
    if len(points) > MOST and len(points) >= 2 * k:
        order = np.argsort(points @ _leading(points), kind="stable")
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        found = np.empty(len(points), dtype=np.int64)
        count = 0
        for half in halves:
            found[half] = groups_of(points[half], k) + count
            count = int(found[half].max()) + 1
        return found
    return _mdav(np.asarray(points, dtype=np.float64), k)


def _mdav(points: np.ndarray, k: int) -> np.ndarray:
    found = np.full(len(points), NOBODY, dtype=np.int64)
    left, count = np.arange(len(points)), 0

    def close(around: np.ndarray) -> None:
        nonlocal left, count
        nearest = np.argsort(_squared(points[left], around), kind="stable")[:k]
        found[left[nearest]] = count
        left, count = np.delete(left, nearest), count + 1

    while len(left) >= 2 * k:
        first = points[left[_squared(points[left], points[left].mean(axis=0)).argmax()]]
        twice = len(left) >= 3 * k
        close(first)
        if twice:
            close(points[left[_squared(points[left], first).argmax()]])
    found[left] = count
    return found


def aggregate(features: np.ndarray, subjects: np.ndarray, groups: np.ndarray, train: np.ndarray, k: int) -> Aggregated:
    """The centroid of every image: that of a group of at least k train subjects who have its labels.

    `features` float32 [n,d], `subjects` [n] and `groups` int64 [n] (label-set codes) are of the whole cohort, `train`
    int64 rows of it. In each label set a subject counts once, as the mean of the features of its images there; the
    centroid is the mean over subjects, scaled to unit length. Who is not in train gets the nearest centroid of the
    label set. A label set of fewer than k train subjects gets the centroid of all train subjects, which is no group's.
    """
    people = subjects.astype(str)
    trained = np.zeros(len(features), dtype=bool)
    trained[train] = True
    everybody = means_of(features[train], people[train])[0].mean(axis=0)
    rows = np.repeat(everybody[None], len(features), axis=0)
    group, sizes = np.full(len(features), NOBODY, dtype=np.int64), list[int]()
    for code in np.unique(groups[train]):
        own, others = (np.flatnonzero((groups == code) & which) for which in (trained, ~trained))
        means, person = means_of(features[own], people[own])
        if len(means) < k:
            continue
        found = groups_of(means, k)
        centres = np.stack([means[found == number].mean(axis=0) for number in range(found.max() + 1)])
        group[own] = found[person] + len(sizes)
        rows[own] = centres[found[person]]
        if len(others):
            theirs, person = means_of(features[others], people[others])
            near = np.array([_squared(centres, each).argmin() for each in theirs])[person]
            group[others], rows[others] = near + len(sizes), centres[near]
        sizes += np.bincount(found).tolist()
    return Aggregated(unit_rows(rows), group, np.array(sizes, dtype=np.int64))


def means_of(features: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean float64 [s,d] of each of the `people` [n], in the order of their names, and the person of each image."""
    names, person = np.unique(people, return_inverse=True)
    sums = np.zeros((len(names), features.shape[1]))
    np.add.at(sums, person, features.astype(np.float64))
    return sums / np.bincount(person)[:, None], person


def _squared(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    return np.asarray(((points - to) ** 2).sum(axis=1))


def _leading(points: np.ndarray) -> np.ndarray:
    """The leading principal direction float64 [d], its largest entry positive."""
    direction = np.linalg.eigh(np.cov(points.T))[1][:, -1]
    return np.asarray(direction * np.sign(direction[np.abs(direction).argmax()]))
