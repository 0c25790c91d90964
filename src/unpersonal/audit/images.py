"""What an audit is given: images and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cohort.strata import halve, subject_strata
from ..core.errors import InputError
from ..core.seeds import numpy_rng
from .weights import FEWEST

Labels = Sequence[str] | Sequence[Sequence[str]]
"""A label or a list of labels per image."""


@dataclass(frozen=True)
class SubjectImages:
    """Images uint8 [n,C,H,W], the subject str [n] of each, and their labels where these are given."""

    images: np.ndarray
    subjects: np.ndarray
    labels: Labels | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def names(self) -> np.ndarray:
        """The subjects, str [S], sorted."""
        return np.unique(np.asarray(self.subjects).astype(str))

    def label_sets(self) -> list[tuple[str, ...]]:
        """The labels of every image; empty where none are given."""
        return [()] * len(self) if self.labels is None else list(label_sets(self.labels, len(self)))

    def read_only(self) -> SubjectImages:
        """The same images and subjects as arrays that cannot be written to."""
        return replace(self, images=read_only(self.images), subjects=read_only(self.subjects))

    def only(self, rows: np.ndarray) -> SubjectImages:
        """The images `rows` (int64)."""
        labels = None if self.labels is None else [self.label_sets()[row] for row in rows]
        return SubjectImages(self.images[rows], np.asarray(self.subjects)[rows], labels)

    def halves(self, seed: int, name: str) -> tuple[SubjectImages, SubjectImages]:
        """Two halves by subject; `name` and `seed` say which."""
        half = halve(subject_strata(self.subjects, [()] * len(self)), seed, name)
        second = np.array([half[str(subject)] == 1 for subject in self.subjects], dtype=bool)
        return self.only(np.flatnonzero(~second)), self.only(np.flatnonzero(second))

    def at_most(self, subjects: int, seed: int) -> SubjectImages:
        """All images of at most so many subjects, drawn by `seed`."""
        names = self.names
        if len(names) <= subjects:
            return self
        kept = numpy_rng(seed, "audit", "control").permutation(names)[:subjects]
        return self.only(np.flatnonzero(np.isin(np.asarray(self.subjects).astype(str), kept)))


def label_sets(labels: Labels, images: int) -> tuple[tuple[str, ...], ...]:
    """The labels of each of so many images; `InputError` where there are more or fewer."""
    if len(labels) != images:
        raise InputError(f"{len(labels)} labels for {images} images", where="audit", how="give one per image")
    return tuple((row,) if isinstance(row, str) else tuple(str(label) for label in row) for row in labels)


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of `array` that cannot be written to: nothing that an attack is handed may change under another."""
    view: np.ndarray = np.asarray(array).view()
    view.flags.writeable = False
    return view


def check_images(sets: dict[str, SubjectImages], released: np.ndarray) -> None:
    """`InputError` unless sets have no subject in common, subjects enough, and images like the `released` ones."""
    problems = []
    shape = released.shape[1:]
    for name, given in sets.items():
        if len(given.images) != len(given.subjects):
            problems.append(f"{name}: {len(given.images)} images but {len(given.subjects)} subjects named")
        if given.images.shape[1:] != shape or given.images.dtype != np.uint8:
            problems.append(
                f"{name}: images are {given.images.dtype} {given.images.shape[1:]}, synthetic ones uint8 {shape}"
            )
        if len(given.images) == 0:
            problems.append(f"{name}: no images")
    if released.ndim != 4 or released.dtype != np.uint8 or len(released) == 0:
        problems.append(f"synthetic: needs uint8 [m,C,H,W] with m > 0, is {released.dtype} {released.shape}")
    subjects = {name: set(given.names) for name, given in sets.items()}
    names = list(subjects)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = len(subjects[first] & subjects[second])
            if shared:
                problems.append(f"{shared} subjects are in both {first} and {second}")
    if problems:
        raise InputError(
            "; ".join(problems),
            where="audit",
            how="keep every person on one side, and images of one form; where people only share a name (`sub-001` in"
            " both), put the files of one side into a further folder and take its name into --subject, or rename them",
        )
    for given in sets.values():
        given.label_sets()
    for name, members in subjects.items():
        if len(members) < FEWEST:
            raise InputError(f"{name}: only {len(members)} subjects", where="audit", how=f"give at least {FEWEST}")
