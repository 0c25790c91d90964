"""What released probabilities say near a point, by hand; and a whole audit of probabilities that alone leak."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit import AuditConfig, audit_images
from unpersonal.audit.probabilities import NEIGHBOURS, Reader, Surface
from unpersonal.audit.spaces import Space
from unpersonal.cohort.soft_labels import SoftLabels

from .attacks.people import divide, planted, softly

NOWHERE = Space("appearance", 8, np.zeros(64), np.zeros((64, 2)), 1.0)


def surface(points, probabilities, exclusive=True):
    classes = tuple("abc"[: np.shape(probabilities)[1]])
    return Surface(NOWHERE, np.asarray(points, np.float32), np.asarray(probabilities, float), classes, exclusive)


def test_near_is_the_mean_of_the_nearest_weighed_by_their_distance():
    rng = np.random.default_rng(0)
    points, asked, values = rng.normal(size=(40, 2)), rng.normal(size=(7, 2)), rng.random((40, 3))
    found = surface(points, values).near(asked.astype(np.float32))
    for point, row in zip(asked, found, strict=True):
        away = np.linalg.norm(points - point, axis=1)
        nearest = np.argsort(away)[:NEIGHBOURS]
        assert row == pytest.approx(np.average(values[nearest], axis=0, weights=1 / away[nearest] ** 2), rel=1e-3)
    # a copy decides alone
    assert surface(points, values).near(points[:1].astype(np.float32))[0] == pytest.approx(values[0], abs=1e-6)


def test_likelihoods_are_those_of_the_labels():
    p = np.array([[0.7, 0.2, 0.1]])
    assert surface(np.zeros((1, 2)), p).likelihood(p, np.array([[False, True, False]])) == pytest.approx(np.log(0.2))
    assert surface(np.zeros((1, 2)), p, False).likelihood(p, np.array([[True, False, True]])) == pytest.approx(
        (np.log(0.7) + np.log(0.8) + np.log(0.1)) / 3
    )


def test_labels_are_read_as_often_as_people_have_them():
    rng = np.random.default_rng(1)
    values, labels = rng.random((100, 2)), rng.random((100, 2)) < (0.3, 0.6)
    reader = Reader.of(surface(np.zeros((1, 2)), np.zeros((1, 2)), False), values, labels)
    read = reader.read(values)
    assert [sum(name in row for row in read) for name in "ab"] == labels.sum(axis=0).tolist()
    alone = Reader.of(surface(np.zeros((1, 2)), np.zeros((1, 2))), values, labels)
    assert alone.read(np.array([[0.2, 0.8]])) == [("b",)]


def verdict(phantoms: tuple[np.ndarray, ...], soft: SoftLabels, people) -> object:
    return audit_images(
        people.train,
        people.control,
        people.fresh.images,
        people.certify,
        people.network,
        config=AuditConfig(
            permutations=999,
            planted_copies=20,
            kind_copies=1,
            network_steps=20,
            attacks=("inference-probabilities", "membership-by-probabilities"),
        ),
        seed=3,
        released_labels=people.fresh.labels,
        soft=soft,
    ).figures


@pytest.mark.slow
def test_an_audit_finds_what_leaks_through_probabilities_alone(phantoms: tuple[np.ndarray, ...]) -> None:
    people = divide(phantoms, 120)
    leaking, quiet = (verdict(phantoms, soft, people) for soft in (planted(people), softly(people.fresh.labels)))
    assert leaking.probabilities and quiet.probabilities
    # 120 people a side show that there is a leak, and are too few to show that it is above the margin
    assert leaking.verdict != "pass"
    near, at_rest = (
        {row.name: row.above_lower for row in figures.inference}["inference_probabilities_near"]
        for figures in (leaking, quiet)
    )
    assert near > 0.0 > at_rest
