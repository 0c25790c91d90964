"""A copy in one colour channel is a view of its own; grey pictures have one view."""

from __future__ import annotations

import numpy as np

from unpersonal.audit.colours import correlation, grey_views
from unpersonal.images.preprocess import to_channels


def noise(seed: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 16, 16)).astype(np.uint8)


def test_grey_has_one_view() -> None:
    views, source = grey_views(noise(0))
    np.testing.assert_array_equal(views, noise(0))
    assert source.tolist() == [0, 1, 2]
    views, source = grey_views(np.repeat(noise(0), 3, axis=1))
    np.testing.assert_array_equal(views, noise(0))
    assert source.tolist() == [0, 1, 2]


def test_a_channel_that_shows_something_else_is_seen() -> None:
    colour = np.repeat(noise(0), 3, axis=1)
    colour[1, 2] = noise(9, 1)[0, 0]
    views, source = grey_views(colour)
    assert source[:3].tolist() == [0, 1, 2] and set(source[3:]) == {1}
    np.testing.assert_array_equal(views[1], to_channels(colour[1], 1))
    assert any(np.array_equal(view[0], noise(9, 1)[0, 0]) for view in views[3:])


def test_a_tint_is_no_view_and_a_negative_channel_is_one() -> None:
    grey = noise(1).astype(float)
    tinted = np.concatenate([grey, 0.5 * grey, 0.8 * grey + 20], axis=1).astype(np.uint8)
    assert len(grey_views(tinted)[0]) == 3
    turned = np.concatenate([grey, grey, 255 - grey], axis=1).astype(np.uint8)
    assert grey_views(turned)[1].tolist() == [0, 1, 2, 0, 1, 2]


def test_correlation_is_pearson_and_one_for_a_channel_of_one_value() -> None:
    rng = np.random.default_rng(2)
    views, grey = rng.integers(0, 256, (4, 3, 8, 8)), rng.integers(0, 256, (4, 1, 8, 8))
    views[0, 1] = 7
    found = correlation(views, grey)
    for number in range(4):
        for channel in range(3):
            if (number, channel) == (0, 1):
                assert found[number, channel] == 1.0
            else:
                known = np.corrcoef(views[number, channel].ravel(), grey[number, 0].ravel())[0, 1]
                np.testing.assert_allclose(found[number, channel], known, rtol=1e-9)
