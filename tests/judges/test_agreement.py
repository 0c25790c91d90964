"""Agreement of the members' flags by direct counting."""

import numpy as np
import pytest

from unpersonal.judges.agreement import agreement, consistency, kappa
from unpersonal.judges.figures import AgreementFigures
from unpersonal.matching.base import Scores


def test_kappa_and_agreement():
    a = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], bool)
    b = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0], bool)
    assert kappa(a, b) == pytest.approx((0.8 - 0.58) / 0.42)
    assert kappa(a, a) == 1 and kappa(np.ones(3, bool), np.ones(3, bool)) is None
    assert agreement([a, b]).agreement == pytest.approx(0.8)
    assert agreement([a]) == AgreementFigures(agreement=None, kappa=None)


class Member:
    """Scores a query by its first pixel, plus `shift` of this member for odd pixels."""

    def __init__(self, shifts):
        self.members, self.shifts = shifts, shifts

    def only(self, index):
        return Member(self.shifts[index : index + 1])

    def score(self, queries, gallery, own=None):
        value = queries[:, 0, 0, 0].astype(float)
        assert own is None or len(own) == len(queries)
        return Scores(value + self.shifts[0] * (value % 2), np.zeros(len(queries), int))


def test_every_member_is_asked_alone_at_the_threshold_that_strangers_reach():
    def images(values):
        return np.array(values, np.uint8)[:, None, None, None]

    strangers = images(range(100)), np.array([str(number) for number in range(100)])
    found = consistency(Member([0, 0, 50]), Member([0]), strangers, images([89, 90, 91, 40, 41]), 0.1)
    # the first two flag 90 and above; the third flags odd pixels from 81 on
    assert found.false_flag_rates == {"member 1": 0.1, "member 2": 0.1, "member 3": 0.1}
    assert found.unseen.agreement == pytest.approx((1 + 0.9 + 0.9) / 3)
    assert found.agreement == pytest.approx((1 + 2 * (105 - 10 - 2) / 105) / 3)
