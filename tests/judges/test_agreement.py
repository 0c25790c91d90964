"""Agreement of the members' flags by direct counting."""

import numpy as np
import pytest

from unpersonal.judges.agreement import agreement, flags_of, kappa
from unpersonal.judges.calibration import CopyScores
from unpersonal.judges.figures import AgreementFigures


def test_kappa_and_agreement():
    a = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], bool)
    b = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0], bool)
    assert kappa(a, b) == pytest.approx((0.8 - 0.58) / 0.42)
    assert kappa(a, a) == 1 and kappa(np.ones(3, bool), np.ones(3, bool)) is None
    assert agreement([a, b]).agreement == pytest.approx(0.8)
    assert agreement([a]) == AgreementFigures(agreement=None, kappa=None)


def test_flags_are_those_of_strangers_then_of_copies():
    copies = np.array([[3, 3, 1, 3], [3, 0, 3, 3]], dtype=np.float32)
    scores = CopyScores(copies, np.array([2.0, 1.0, 5.0, 0.0], dtype=np.float32))
    np.testing.assert_array_equal(
        flags_of(scores, 2.0), [True, False, True, False, True, True, False, True, True, False, True, True]
    )
