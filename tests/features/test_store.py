"""Conditions on disk, and those that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.core.errors import InputError
from unpersonal.features.store import Component, check_conditions, noise_scale


def test_noise_scale_is_that_of_the_blending():
    parts = (Component("feature", 0, 50), Component("label", 50, 54, True, False), Component("text", 54, 104))
    scale = noise_scale(parts)
    assert scale.dtype == np.float32 and (scale[50:54] == 0).all()
    noise = np.random.default_rng(0).standard_normal((2000, 104)) * scale
    for part in (parts[0], parts[2]):
        assert np.linalg.norm(noise[:, part.columns] * np.sqrt(3), axis=1).mean() == pytest.approx(1, abs=0.02)
    assert noise_scale(()).shape == (0,)


@pytest.mark.parametrize(
    ("conditions", "label_dim", "words"),
    [
        (np.zeros((2, 5), np.float32), 4, "length 4"),
        (np.zeros((2, 5), np.float32), 0, "length 0"),
        (None, 5, "none are given"),
        (np.zeros(5, np.float32), 5, "shape"),
        (np.full((2, 5), np.nan, np.float32), 5, "not finite"),
    ],
)
def test_conditions_that_do_not_fit_the_denoiser_are_input_errors(conditions, label_dim, words):
    with pytest.raises(InputError, match=words):
        check_conditions(conditions, label_dim)
