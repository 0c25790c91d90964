"""Released images that repeat each other: whoever is in several of them was learnt by heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .background import PRIMARY, Background, Balls
from .distances import find_hits, group, subject_distances
from .predicates import betting_order


@dataclass(frozen=True)
class Clusters:
    """Groups of released images in which each is within the radius of another, and the images that repeat none.

    `of_image` int64 [m] is the group of every image; `sizes` int64 [c] counts pictures of each, 1 of one alone.
    """

    of_image: np.ndarray
    sizes: np.ndarray

    def means(self, values: np.ndarray) -> np.ndarray:
        """Mean float64 [c, k] over the members of each group of values [m, k]."""
        found = np.zeros((len(self.sizes), values.shape[1]))
        np.add.at(found, self.of_image, values.astype(np.float64))
        means: np.ndarray = found / np.bincount(self.of_image, minlength=len(self.sizes))[:, None]
        return means


def repeats_of(balls: Balls, picture: np.ndarray, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (i, j) of images of different pictures [m] of which j is within the radius of i at that weight, int64."""
    themselves = group(balls.centres, np.array([f"{number:09d}" for number in range(len(balls.centres))]))
    (near,) = find_hits(balls.centres, themselves, [balls.radii(weight)])
    other = picture[near.predicate] != picture[near.subject]
    return near.predicate[other], near.subject[other]


def find_clusters(balls: Balls, picture: np.ndarray, weight: float) -> Clusters:
    """Groups of images that repeat each other, chains included; a size counts pictures [m] once."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(balls.centres)
    first, second = repeats_of(balls, picture, weight)
    edges = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    _, component = connected_components(edges, directed=False)
    sizes = np.bincount(np.unique(np.stack([component, picture]), axis=1)[0])
    return Clusters(component.astype(np.int64), sizes.astype(np.int64))


def bets_on(background: Background, kind: str, weight: float) -> np.ndarray:
    """What the attacker bets on first among released images, float64 [m], as `predicates.betting_order` says."""
    balls = background.balls(kind)
    first, second = repeats_of(balls, background.picture_of, weight)
    first, _ = np.unique(np.stack([first, background.picture_of[second]]), axis=1)
    return betting_order(np.bincount(first, minlength=len(balls.centres)), balls.tails.radius_k)


def cluster_balls(background: Background, clusters: Clusters, kind: str = PRIMARY) -> Balls:
    """Predicates around the centres of clusters, float32 [c, k]."""
    balls = background.balls(kind)
    centres = clusters.means(balls.centres).astype(np.float32)
    return Balls(balls.space, centres, background.tails(subject_distances(centres, background.certifying(kind))))
