"""The matcher `copies` is the closed form of `metrics/copies.py`, enrolled once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.core.config import Config
from unpersonal.matching.registry import MATCHERS
from unpersonal.metrics.copies import nearest_copy
from unpersonal.phantom import phantom_cohort


def test_scores_are_those_of_nearest_copy_and_a_copy_finds_its_original():
    images, subjects, _ = phantom_cohort(20, 1, 32, findings=("No Finding",))
    part = MATCHERS.get("copies")
    cpu = torch.device("cpu")
    matcher = part.fit(images, np.array(subjects), Config(), seed=0, device=cpu)
    assert part.save(matcher) == {}
    again = part.load({}, Config(), device=cpu)
    gallery = again.enrol(images, np.array(subjects))
    found, expected = matcher.score(images[5:9], gallery), nearest_copy(images[5:9], images)
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_array_equal(found.nearest, np.arange(5, 9))
    with pytest.raises(ValueError, match="empty"):
        matcher.enrol(images[:0], np.array([]))


def test_a_query_does_not_meet_its_own_subject(leaves_out):
    leaves_out(MATCHERS.get("copies"))
