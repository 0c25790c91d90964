"""Released images that repeat each other."""

from __future__ import annotations

import numpy as np

from unpersonal.audit.background import Balls
from unpersonal.audit.clusters import find_clusters, repeats_of
from unpersonal.audit.spaces import Space
from unpersonal.audit.weights import TailModel

PLANE = Space("appearance", 1, np.zeros(1), np.zeros((1, 2), np.float32), 1.0)


def balls(centres: list[tuple[float, float]], radius: float = 1.0) -> Balls:
    count = len(centres)
    tails = TailModel(np.full(count, radius), np.ones(count), 1e-3, 1.0, 1.0, 10, 1)
    return Balls(PLANE, np.array(centres, np.float32).reshape(-1, 2), tails)


def test_chains_of_near_images_are_one_cluster_and_others_are_none() -> None:
    given = balls([(0, 0), (5, 5), (0.9, 0), (1.8, 0), (9, 0), (5, 5.5)])
    found = find_clusters(given, np.arange(6), 1e-3)
    assert found.of_image.tolist() == [0, 1, 0, 0, 2, 1] and found.sizes.tolist() == [3, 2, 1]
    np.testing.assert_allclose(found.means(given.centres), [[0.9, 0], [5, 5.25], [9, 0]], atol=1e-6)


def test_views_of_one_picture_do_not_repeat_each_other() -> None:
    given = balls([(0, 0), (0.1, 0), (5, 0), (5.1, 0)])
    assert len(repeats_of(given, np.array([0, 0, 1, 2]), 1e-3)[0]) == 2
    found = find_clusters(given, np.array([0, 0, 1, 2]), 1e-3)
    assert found.of_image.tolist() == [0, 1, 2, 2] and found.sizes.tolist() == [1, 1, 2]


def test_a_smaller_weight_joins_less() -> None:
    given = balls([(0, 0), (0.5, 0)])
    assert len(find_clusters(given, np.arange(2), 1e-3).sizes) == 1
    assert len(find_clusters(given, np.arange(2), 1e-4).sizes) == 2
