"""Conditions blended over several subjects, so that no condition belongs to one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .pca import unit_rows
from .store import Component

LARGEST = 0.75
"""Largest weight of one subject. A blend that is nearly all of one person is nearer to that person's own condition
than the noise is long that the denoiser was trained under, so that it could not tell them apart."""

PLAIN = Component("", 0, 0)
"""Of conditions that are no components: one that is noisy."""


def personal(components: Sequence[Component]) -> bool:
    """Whether conditions of these components say something of single images, and not of labels or of groups alone."""
    return not all(each.from_labels or each.shared_by > 1 for each in components or (PLAIN,))


@dataclass(frozen=True)
class Mixing:
    """How many subjects' images a condition is blended of, and how many must have its labels that it may be drawn."""

    blended: int
    fewest: int

    @classmethod
    def of(cls, components: Sequence[Component], k: int) -> Mixing:
        """Of conditions of these components, where those of images are blended over `k` subjects.

        What several subjects share is blended with nothing: it would become what the denoiser never saw.
        """
        shared = max((each.shared_by for each in components), default=1)
        blended = 1 if shared > 1 and not personal(components) else k
        return cls(blended, max(blended, shared))


@dataclass(frozen=True)
class Blender:
    """Conditions float32 [n,L] (unit rows), `subjects` [n] and `groups` [n] (label-set code) of the train images.

    Conditions are None where the denoiser has none. Without `components` they are one that is noisy. Images of `k`
    subjects are blended, but where a condition is shared by as many already (see `Mixing`). `labelled`
    bool [n] says whose labels were given and not predicted (None: all).
    """

    conditions: np.ndarray | None
    subjects: np.ndarray
    groups: np.ndarray
    k: int
    noise: float
    components: tuple[Component, ...] = ()
    labelled: np.ndarray | None = None

    @property
    def personal(self) -> bool:
        """See `personal`; never without conditions."""
        return self.conditions is not None and personal(self.components)

    @property
    def mixing(self) -> Mixing:
        """How many subjects are blended, and how many must share labels."""
        return Mixing.of(self.components, self.k)

    def may_draw(self, row: int) -> bool:
        """Whether enough subjects were *given* the labels of `row`, and enough others than its own share them.

        Without conditions, too: an image released under labels that one person has would point at that person. A label
        that was predicted for others hides nobody, and neither does a source whose own label was predicted.
        """
        given = self.groups == self.groups[row]
        if self.labelled is not None:
            given = given & np.asarray(self.labelled, dtype=bool)
        others = np.unique(self.subjects[self._mates(row)])
        fewest = self.mixing.fewest
        return len(np.unique(self.subjects[given])) >= fewest and len(others) >= fewest - 1

    def condition(self, row: int, rng: np.random.Generator) -> np.ndarray | None:
        """Unit condition float32 [L] of the image `row` and k - 1 images of other subjects with the same labels.

        Where a condition is shared already it is that of `row`, with noise.

        Weights are uniform on the part of the simplex where none is above `LARGEST`, the same for every
        component. Each component is scaled to unit length on its own; the noisy ones get Gaussian noise of L2 length
        about `noise` and are scaled again. None where the labels are too rare (`may_draw`: such a source yields
        nothing), and where there are no conditions.
        """
        if self.conditions is None or not self.may_draw(row):
            return None
        mates = self._mates(row)
        others = np.unique(self.subjects[mates])
        chosen = [row]
        for subject in rng.choice(others, self.mixing.blended - 1, replace=False):
            chosen.append(int(rng.choice(mates[self.subjects[mates] == subject])))
        return self.blend(chosen, rng)

    def blend(self, rows: Sequence[int], rng: np.random.Generator) -> np.ndarray | None:
        """Unit condition float32 [L] of the k images `rows`, mixed as `condition` says; None without conditions.

        Components that are shared are those of the first. Rows that are not so many images of as many subjects with the
        same labels as are blended are a `ValueError`: a condition of one person.
        """
        chosen, k = list(rows), self.mixing.blended
        alone = len(set(self.subjects[chosen].tolist())) < k or len(set(self.groups[chosen].tolist())) > 1
        if alone or len(chosen) != k:
            raise ValueError(f"a condition needs {k} images of as many subjects with the same labels")
        if self.conditions is None:
            return None
        own = self.conditions[chosen[0]].astype(np.float64)
        mixed = own if k == 1 else _weights(k, rng) @ self.conditions[chosen].astype(np.float64)
        components = self.components or (replace(PLAIN, stop=len(mixed)),)
        finished = [
            self._finish((own if each.shared_by > 1 else mixed)[each.columns], each, rng) for each in components
        ]
        return np.asarray(np.concatenate(finished) / np.float32(np.sqrt(len(components))))

    def _mates(self, row: int) -> np.ndarray:
        return np.flatnonzero((self.groups == self.groups[row]) & (self.subjects != self.subjects[row]))

    def _finish(self, mixed: np.ndarray, component: Component, rng: np.random.Generator) -> np.ndarray:
        """One component, float64, as a unit vector float32, with its noise."""
        unit: np.ndarray = unit_rows(mixed[None])[0]
        if not component.noisy:
            return unit
        spread = unit.astype(np.float64) + self.noise / np.sqrt(len(unit)) * rng.standard_normal(len(unit))
        return np.asarray(unit_rows(spread[None])[0])


def _weights(k: int, rng: np.random.Generator) -> np.ndarray:
    """Shares of k >= 2 subjects, float64 [k], none above `LARGEST`."""
    while True:
        weights = rng.dirichlet(np.ones(k))
        if weights.max() <= LARGEST:
            return weights


def label_groups(targets: np.ndarray) -> np.ndarray:
    """int64 [n]: images with the same multi-hot row of `targets` [n,C] share a code."""
    _, codes = np.unique(targets, axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.int64)


def known_groups(targets: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """As `label_groups`; rows that nobody labelled (`labelled` bool [n]) share a code of their own, the last."""
    groups = label_groups(targets)
    return np.where(labelled, groups, groups.max(initial=0) + 1)
