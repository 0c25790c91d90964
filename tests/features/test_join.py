"""Components joined, and those that hang on predicted labels."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.core.errors import InputError
from unpersonal.features.conditions.label import label_codes
from unpersonal.features.join import Unjoined, join, relabel


def test_predicted_labels_get_the_code_of_a_labelled_image():
    targets = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    known = np.array([True, True, False])
    features = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    joined, parts = join(
        [Unjoined("feature", features, False), Unjoined("label", label_codes(targets, known), True, False)]
    )
    assert joined[2].tolist() == pytest.approx([0, np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
    guessed = targets.copy()
    guessed[2] = [0, 1]
    changed = relabel(joined, parts, guessed, known)
    assert changed[2].tolist() == pytest.approx([0, np.sqrt(0.5), 0, np.sqrt(0.5), 0])
    np.testing.assert_array_equal(changed[:2], joined[:2])
    guessed[2] = [1, 1]
    with pytest.raises(InputError, match="no labelled image has"):
        relabel(joined, parts, guessed, known)
    assert relabel(joined, parts[:1], guessed, known) is joined and relabel(None, (), guessed, known) is None
