"""What matchers look at: exposure cancels in contrast, fine detail is linear, leading directions are SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from unpersonal.matching import fields
from unpersonal.phantom import phantom_cohort


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return phantom_cohort(12, 1, 64)[0]


def test_contrast_does_not_see_exposure(images):
    darker = (images // 2 + 20).astype(np.uint8)
    bright, dark = (fields.contrast(fields.grey(found)) for found in (images, darker))
    assert float((bright - dark).abs().mean()) < 0.05 * float(bright.abs().mean())


def test_the_gaussian_is_scipys_away_from_the_edges(images):
    picture = fields.grey(images[:1])
    weights = fields.gaussian(1.5, 64)
    wanted = gaussian_filter(picture[0].numpy(), 1.5, truncate=10)
    assert np.abs((weights @ picture[0] @ weights.T).numpy() - wanted)[8:-8, 8:-8].max() < 1e-2


def test_the_band_of_a_mixture_is_the_mixture_of_the_bands(images):
    pictures = fields.grey(images)
    mixed = fields.fine_detail(0.3 * pictures[:1] + 0.7 * pictures[1:2])
    bands = fields.fine_detail(pictures)
    assert torch.allclose(mixed, 0.3 * bands[:1] + 0.7 * bands[1:2], atol=1e-3)


def test_large_images_are_averaged_down_and_small_ones_kept(images):
    twice = images.repeat(2, axis=2).repeat(2, axis=3)
    assert torch.allclose(fields.grey(twice), fields.grey(images), atol=1e-3)
    assert fields.grey(images[:, :, :32, :32]).shape == (len(images), 32, 32)
    with pytest.raises(ValueError, match="C, S, S"):
        fields.grey(images[:, :, :32])


def test_unit_rows_have_mean_0_and_length_1_unless_they_are_short():
    rows = torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    found = fields.unit_rows(rows)
    assert torch.allclose(found.mean(dim=1), torch.zeros(2), atol=1e-6)
    assert float(found[0].norm()) == pytest.approx(1) and float(found[1].norm()) == 0


def test_leading_directions_hold_what_a_full_decomposition_holds():
    rng = np.random.default_rng(2)
    rows = torch.from_numpy((rng.normal(size=(200, 40)) * 0.8 ** np.arange(40)).astype(np.float32))
    found = fields.leading_directions(rows, 6)
    assert torch.allclose(found.T @ found, torch.eye(6), atol=1e-5)
    best = torch.linalg.svdvals(rows)[:6].square().sum()
    assert float((rows @ found).square().sum() / best) > 0.999
    assert torch.equal(found, fields.leading_directions(rows, 6)), "the same rows, the same directions"
