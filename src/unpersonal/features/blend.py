"""Conditions blended over several subjects, so that no condition belongs to one person (DESIGN trap 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pca import unit_rows


@dataclass(frozen=True)
class Blender:
    """Features float32 [n,d] (unit rows), `subjects` [n] and `groups` [n] (label-set code) of the train images."""

    features: np.ndarray
    subjects: np.ndarray
    groups: np.ndarray
    k: int
    noise: float

    def condition(self, row: int, rng: np.random.Generator) -> np.ndarray | None:
        """Unit condition float32 [d] of the image `row` and k - 1 images of other subjects with the same labels.

        Weights are uniform on the simplex; then Gaussian noise of L2 length about `noise`, then unit length again.
        None where fewer than k - 1 other subjects share the labels: such a source yields nothing.
        """
        mates = np.flatnonzero((self.groups == self.groups[row]) & (self.subjects != self.subjects[row]))
        people = np.unique(self.subjects[mates])
        if len(people) < self.k - 1:
            return None
        chosen = [row]
        for person in rng.choice(people, self.k - 1, replace=False):
            chosen.append(int(rng.choice(mates[self.subjects[mates] == person])))
        weights = rng.dirichlet(np.ones(self.k))
        mixed = weights @ self.features[chosen].astype(np.float64)
        mixed = unit_rows(mixed[None])[0].astype(np.float64)
        mixed = mixed + self.noise / np.sqrt(len(mixed)) * rng.standard_normal(len(mixed))
        return unit_rows(mixed[None])[0]


def label_groups(targets: np.ndarray) -> np.ndarray:
    """int64 [n]: images with the same multi-hot row of `targets` [n,C] share a code."""
    _, codes = np.unique(targets, axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.int64)
