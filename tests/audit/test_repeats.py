"""Repeats within a release are looked at before anything is counted."""

from __future__ import annotations

import numpy as np

from unpersonal.audit.repeats import find_repeats


def people(phantoms: tuple[np.ndarray, ...]) -> np.ndarray:
    images, subjects, _ = phantoms
    return images[np.unique(subjects, return_index=True)[1]]


def test_different_people_are_no_repeats(phantoms: tuple[np.ndarray, ...]) -> None:
    own = people(phantoms)
    found = find_repeats(own[:200], np.arange(200), own[200:])
    assert found.strangers == 200 and found.figures.images == 0 and found.figures.largest == 1
    assert found.first.tolist() == list(range(200))


def test_clusters_of_the_same_picture_are_found_whatever_its_exposure(phantoms: tuple[np.ndarray, ...]) -> None:
    own = people(phantoms)
    noise = np.random.default_rng(0).normal(0, 1.5, (5, *own.shape[1:]))
    copies = np.clip(own[7] * 0.9 + noise, 0, 255).astype(np.uint8)
    released = np.concatenate([own[:50], copies, own[3:4]])
    found = find_repeats(released, np.arange(56), own[200:])
    assert (found.figures.images, found.figures.clusters, found.figures.largest) == (8, 2, 6)
    assert set(np.flatnonzero(found.cluster == found.cluster[7])) == {7, 50, 51, 52, 53, 54}
    assert found.beside(np.array([3])).tolist() == [3, 55]
    assert found.beside(np.array([20])).tolist() == [20]
    assert len(found.first) == 50


def test_views_of_one_picture_are_no_repeats_of_each_other(phantoms: tuple[np.ndarray, ...]) -> None:
    own = people(phantoms)[:60]
    found = find_repeats(np.concatenate([own, own]), np.tile(np.arange(60), 2), people(phantoms)[200:])
    assert found.figures.images == 0 and len(found.cluster) == 60


def test_without_strangers_only_the_same_picture_is_a_repeat(phantoms: tuple[np.ndarray, ...]) -> None:
    own = people(phantoms)
    released = np.concatenate([own[:20], own[:1], np.zeros((2, *own.shape[1:]), np.uint8)])
    found = find_repeats(released, np.arange(23), own[:1])
    assert found.strangers == 0 and found.figures.images == 2, "empty pictures are like none"
