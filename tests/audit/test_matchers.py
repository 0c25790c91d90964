"""The matchers of the audit are fitted on the auditor's people, once."""

from __future__ import annotations

import numpy as np

from unpersonal.audit import AuditConfig, SubjectImages, audit_images, matchers
from unpersonal.audit.matchers import FEWEST_LEARNED, LEARNED, fit_matchers

CONFIG = AuditConfig(permutations=999, size=16, components=16, planted_copies=20, kind_copies=1, network_steps=20)


def some(phantoms: tuple[np.ndarray, ...], first: int, last: int) -> SubjectImages:
    images, subjects, _ = phantoms
    rows = np.flatnonzero(np.isin(subjects, np.unique(subjects)[first:last]))
    return SubjectImages(images[rows], subjects[rows])


def test_the_same_people_are_learnt_once(phantoms: tuple[np.ndarray, ...]) -> None:
    people = some(phantoms, 0, 20)
    first = fit_matchers(people, CONFIG, 1)
    assert fit_matchers(some(phantoms, 0, 20), CONFIG, 1) is first
    assert fit_matchers(people, CONFIG, 2) is not first
    assert fit_matchers(some(phantoms, 0, 21), CONFIG, 1) is not first
    assert len(matchers._fitted) <= matchers.KEPT
    assert [found.name for found in first] == ["poses", "parts", "mixtures"]


def test_too_few_people_train_no_network_and_the_audit_says_so(phantoms: tuple[np.ndarray, ...]) -> None:
    assert fit_matchers(some(phantoms, 0, FEWEST_LEARNED), CONFIG, 1)[-1].name == LEARNED
    sides = (some(phantoms, 0, 30), some(phantoms, 30, 60), phantoms[0][-20:], some(phantoms, 60, 100))
    notes = audit_images(*sides, config=CONFIG, seed=0).figures.notes
    assert any("trained no network of its own: it has 20 people" in note for note in notes)
    assert any(note.startswith("kinds of which the audit may overlook single copies") for note in notes)
