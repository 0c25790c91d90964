"""Who is most exposed: an order of train people, told on the private page alone."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.attack import Predicates, SubjectScores
from unpersonal.audit.distances import sorted_hits
from unpersonal.audit.exposure import BY_CHANCE, MOST_EXPOSED, exposed_of
from unpersonal.audit.family import Family, Results

from .attacks.people import divide, stage


def test_the_ten_of_whom_all_attacks_say_most_come_first(
    phantoms: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    people = divide(phantoms, 60)
    _, target = stage(people, people.fresh.images[:5])
    names, first = np.unique(target.subjects, return_index=True)
    train = np.flatnonzero(target.train)
    scores = np.random.default_rng(0).normal(size=len(names))
    # above all control people; only predicates say more of the next two; a control person is never told
    scores[train[3]], scores[np.flatnonzero(~target.train)[0]] = 50.0, 49.0
    scores[train[[7, 9]]] = 50.0, 48.0
    hits = sorted_hits(np.array([0, 1]), train[[7, 9]], 2)
    family = Family(
        scores=Results((SubjectScores(scores), SubjectScores(scores)), ("a", "b"), 1),
        predicates=Results((Predicates(hits, np.zeros(2), 1e-5),), ("c",), 1),
        guesses=Results((), (), 0),
        tests=(),
        shortfalls=(),
    )
    found = exposed_of(family, target)
    assert len(found) == MOST_EXPOSED and [row["train"] for row in found[:2]] == [first[train[7]], first[train[9]]]
    assert all(row["train"] < target.train_images for row in found)
    exposure = [row["exposure"] for row in found]
    assert exposure == sorted(exposure, reverse=True)
    # the second attack on membership is a plug-in's, and tells no one's exposure
    assert exposure[:3] == pytest.approx([np.log10(61) + BY_CHANCE, np.log10(61 / 2) + BY_CHANCE, np.log10(61)])
    assert found[2]["train"] == first[train[3]]
