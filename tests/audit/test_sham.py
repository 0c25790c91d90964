"""What makes train and control incomparable."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.config import AuditConfig
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.sham import exchange_shortfalls
from unpersonal.audit.target import make_target


def people(name: str, count: int, images: int) -> SubjectImages:
    subjects = np.repeat([f"{name}{number}" for number in range(count)], images)
    return SubjectImages(np.zeros((len(subjects), 1, 8, 8), np.uint8), subjects, ["a"] * len(subjects))


@pytest.mark.parametrize(("several", "exchanged"), [(0, 1.0), (30, 0.25), (35, 0.125), (40, 0.0)])
def test_people_with_nobody_alike_on_the_other_side_are_never_exchanged(several: int, exchanged: float) -> None:
    one, more = people("t", 40 - several, 1), people("u", several, 3)
    train = SubjectImages(
        np.concatenate([one.images, more.images]),
        np.concatenate([one.subjects, more.subjects]),
        [*one.label_sets(), *more.label_sets()],
    )
    target = make_target(train, people("c", 40, 1), AuditConfig(permutations=999), 0)
    assert target.exchanged == pytest.approx(exchanged)
    assert bool(exchange_shortfalls(target.exchanged)) is (several > 30)
