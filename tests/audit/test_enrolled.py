"""One gallery of train and control, and thresholds by strangers."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.background import Background
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.enrolled import Naming
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.target import make_target

CONFIG = AuditConfig(permutations=999, network_steps=20, kind_copies=1)


def test_a_rate_is_the_share_of_strangers_that_are_named_as_well() -> None:
    strangers = np.arange(200.0)[::-1].astype(np.float32)
    scores = np.array([199.5, 198.0, 197.5, 179.5, 179.0, 0.0, np.nan], np.float32)
    naming = Naming(np.arange(7), scores, strangers)
    assert naming.at(0.01).tolist() == [True, True, True, False, False, False, False]
    assert naming.at(0.1).tolist() == [True, True, True, True, False, False, False]
    assert naming.at(1.0).tolist() == [True] * 6 + [False]
    for rate in (0.01, 0.1):
        assert Naming(np.zeros(200, int), strangers, strangers).at(rate).mean() == rate
    # of forty strangers none may be named, of none nobody can be told from them
    few = Naming(np.arange(2), np.array([1.5, 0.5], np.float32), np.array([1.0, 0.0], np.float32))
    assert few.at(0.01).tolist() == [True, False]
    assert not Naming(np.arange(2), few.score, np.empty(0, np.float32)).at(0.01).any()


def test_the_gallery_does_not_know_who_trained(phantoms: tuple[np.ndarray, ...]) -> None:
    """Whom an image is named after is the same with the sides exchanged, so that exchanging them is a fair test."""
    images, subjects, _ = phantoms
    rows = [np.flatnonzero(np.isin(subjects, names)) for names in np.split(np.unique(subjects)[:270], [60, 120, 210])]
    one, two, network, certify = (SubjectImages(images[chosen], subjects[chosen]) for chosen in rows)
    background = Background(images[-20:], network, certify, 60, CONFIG, seed=1)
    first, second = (make_target(*sides, CONFIG, seed=1) for sides in ((one, two), (two, one)))
    assert (first.train == ~second.train).all()
    namings = first.namings(background), second.namings(background)
    assert set(namings[0]) == set(namings[1]) == {"poses", "parts", "mixtures", "learned"}
    for name, naming in namings[0].items():
        np.testing.assert_array_equal(naming.subject, namings[1][name].subject)
        assert naming.score == pytest.approx(namings[1][name].score, abs=1e-4)
        assert len(naming.strangers) == 60
