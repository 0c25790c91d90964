"""Support, in rows and in subjects."""

from __future__ import annotations

import numpy as np

from unpersonal.metrics.generative.subject_support import subject_support
from unpersonal.metrics.generative.support import support_fraction


def test_support_of_rows_and_of_subjects() -> None:
    reference = np.arange(6.0)[:, None]
    synth = np.array([[0.1], [0.2], [1.1], [4.9]])
    assert support_fraction(reference, synth) == 3 / 6
    assert subject_support(reference, np.array(["a", "a", "b", "b", "c", "c"]), synth) == 2 / 3
