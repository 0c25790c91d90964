"""Labelled phantoms, and a background and target of them, for attacks that are tried alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unpersonal.audit import AuditConfig, SubjectImages
from unpersonal.audit.background import Background
from unpersonal.audit.enrolled import Naming
from unpersonal.audit.images import label_sets
from unpersonal.audit.target import Target, make_target
from unpersonal.cohort.soft_labels import SoftLabels, rounded

CONFIG = AuditConfig(permutations=999)


@dataclass(frozen=True)
class People:
    """Images of people in four sets, no person in two; `fresh` are in none of an audit's sets."""

    train: SubjectImages
    control: SubjectImages
    network: SubjectImages
    certify: SubjectImages
    fresh: SubjectImages


def divide(phantoms: tuple[np.ndarray, np.ndarray, np.ndarray], side: int) -> People:
    """`side` train and as many control people, 60 on whom spaces are fitted, 60 who certify; the others are fresh."""
    images, subjects, labels = phantoms
    names = np.random.default_rng(0).permutation(np.unique(subjects))
    cuts = np.split(names, np.cumsum([side, side, 60, 60]))
    rows = [np.flatnonzero(np.isin(subjects, cut)) for cut in cuts]
    return People(*(SubjectImages(images[r], subjects[r], [str(label) for label in labels[r]]) for r in rows))


def softly(labels: Any, sure: Any = 0.9, *, exclusive: bool = True) -> SoftLabels:
    """Probabilities of a teacher that is `sure` (of each image, or a number) that these labels are right."""
    classes = sorted(set(labels))
    own = np.array([[name == label for name in classes] for label in labels])
    high = np.broadcast_to(sure, len(own))[:, None]
    low = (1 - high) / (len(classes) - 1)
    return rounded(np.where(own, high, low), classes, exclusive=exclusive)


def away_from(images: SubjectImages, people: SubjectImages) -> np.ndarray:
    """Distance of pixels of every image to every image of `people`, [n, p]."""
    first, second = (each.images.reshape(len(each), -1).astype(np.float32) / 255 for each in (images, people))
    found: np.ndarray = np.linalg.norm(first[:, None] - second[None], axis=2)
    return found


def planted(people: People) -> SoftLabels:
    """Probabilities of fresh images that are those of the train person who looks most like each of them."""
    nearest = away_from(people.fresh, people.train).argmin(axis=1)
    return softly([people.train.labels[row] for row in nearest], 0.99)  # type: ignore[index]


def stage(
    people: People,
    released: np.ndarray,
    labels: Any = None,
    config: AuditConfig = CONFIG,
    soft: SoftLabels | None = None,
) -> tuple[Any, Any]:
    """(background, target) of a release; its matchers see nobody."""
    background = Background(
        released=released,
        network=people.network,
        certify=people.certify,
        side=len(people.control.names),
        config=config,
        seed=1,
        released_labels=None if labels is None else label_sets(labels, len(released)),
        soft=soft,
    )
    background._matchers.append(None)  # type: ignore[arg-type]
    return background, see(make_target(people.train, people.control, config, 1), np.zeros(len(released), int), -1.0)


def see(target: Target, subject: np.ndarray, score: float) -> Target:
    """The target, of which one matcher sees `subject` in the released images; strangers have a score of 0."""
    naming = Naming(subject, np.full(len(subject), score, np.float32), np.zeros(100, np.float32))
    return replace(target, _namings={"theirs": naming})


def means(found: Any, target: Target) -> dict[str, tuple[float, float]]:
    """Mean share of right guesses on train and control, by the name of the result."""
    return {g.name: (g.right[target.train].mean(), g.right[~target.train].mean()) for g in found}
