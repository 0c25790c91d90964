"""Kinds of copies that the audit sees, and those to which it is blind."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.background import Background
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.figures import KindRow
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.recall import blind_kinds, measure_kinds, plant_kinds, strength_of
from unpersonal.audit.target import make_target
from unpersonal.matching.kinds import MAY_BE_BLIND, PICTURE_KINDS, kind, names
from unpersonal.metrics.intervals import clopper_pearson_lower

CONFIG = AuditConfig(permutations=999, network_steps=20, kind_copies=12)


def test_each_kind_has_one_strength_of_its_own() -> None:
    hardest = {"rotation": 20, "average": 0.5, "jpeg": 20, "crop": 0.6, "zoom": 0.7, "region": 0.5, "mirror": 1}
    assert {name: strength_of(kind(name)) for name in hardest} == hardest
    assert {found.named(strength_of(found)) for found in PICTURE_KINDS} <= set(names())


def test_what_a_release_may_be_blind_to_is_planted_only_where_a_kind_has_nothing_else() -> None:
    assert {found.name for found in PICTURE_KINDS if found.named(strength_of(found)) in MAY_BE_BLIND} == {
        "average-of-three"
    }


def test_a_kind_is_blind_by_its_lower_bound() -> None:
    rows = [
        KindRow(f"{found}", 60, found / 60, clopper_pearson_lower(found, 60, 0.95)) for found in (60, 59, 58, 54, 0)
    ]
    assert blind_kinds(rows) == ("58", "54", "0")


@pytest.mark.slow
def test_planted_copies_of_every_kind_are_looked_for(phantoms: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = phantoms
    rows = [np.flatnonzero(np.isin(subjects, names)) for names in np.split(np.unique(subjects)[:210], [50, 90, 150])]
    train, control, network, certify = (SubjectImages(images[chosen], subjects[chosen]) for chosen in rows)
    background = Background(images[-5:], network, certify, 40, CONFIG, seed=1)
    found = measure_kinds(plant_kinds(background, make_target(train, control, CONFIG, seed=1)))
    assert [row.kind for row in found] == [each.named(strength_of(each)) for each in PICTURE_KINDS]
    assert all(row.copies == 12 and row.seen_lower <= row.seen for row in found)
    seen = {row.kind: row.seen for row in found}
    for name in ("exact", "mirror", "polarity", "right-angle 270°"):
        assert seen[name] == 1.0
