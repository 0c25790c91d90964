"""Our figures beside those of other packages: prdc, torchmetrics, SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from scipy.linalg import sqrtm
from scipy.special import comb, gammaln
from sklearn.neighbors import NearestNeighbors
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from unpersonal.metrics.generative.fid import frechet_distance
from unpersonal.metrics.generative.irs import irs
from unpersonal.metrics.generative.kid import mmd2_unbiased
from unpersonal.metrics.generative.prdc import prdc

SHAPES = [(80, 80, 6), (50, 50, 1), (30, 30, 60), (12, 12, 300)]
"""Rows of either set, and columns; with more columns than rows too."""


def sets(real: int, synthetic: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(real, width)), rng.normal(0.3, 0.8, (synthetic, width))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_recall_density_coverage_are_those_of_prdc(shape: tuple[int, int, int], k: int) -> None:
    real, synthetic = sets(*shape)
    theirs = compute_prdc(real, synthetic, nearest_k=k)
    assert vars(prdc(real, synthetic, k=k)) == pytest.approx(theirs, abs=1e-12)


class Rows(torch.nn.Module):
    """Images [n,1,1,d] are their own features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


@pytest.mark.parametrize("shape", [(80, 70, 6), (200, 120, 20), (30, 25, 60)])
def test_fid_is_that_of_torchmetrics_and_of_the_root_of_a_product(shape: tuple[int, int, int]) -> None:
    real, synthetic = sets(*shape)
    theirs = FrechetInceptionDistance(feature=Rows(shape[2]), normalize=True, input_img_size=(1, 1, shape[2]))
    theirs.set_dtype(torch.float64)
    for rows, genuine in ((real, True), (synthetic, False)):
        theirs.update(torch.from_numpy(rows)[:, None, None], real=genuine)
    ours = frechet_distance(real, synthetic).fid
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-6)
    roots = sqrtm(np.cov(real, rowvar=False) @ np.cov(synthetic, rowvar=False)).real
    apart = ((real.mean(0) - synthetic.mean(0)) ** 2).sum()
    spread = real.var(0, ddof=1).sum() + synthetic.var(0, ddof=1).sum()
    assert ours == pytest.approx(apart + spread - 2 * np.trace(roots), rel=1e-5)


def test_kid_is_that_of_torchmetrics() -> None:
    real, synthetic = sets(60, 60, 9)
    theirs = poly_mmd(torch.from_numpy(real), torch.from_numpy(synthetic))
    assert mmd2_unbiased(real, synthetic) == pytest.approx(float(theirs), rel=1e-9)


@pytest.mark.parametrize("shape", [(40, 30, 3), (25, 60, 2), (60, 8, 5)])
def test_irs_counts_neighbours_as_scikit_learn_and_takes_the_likeliest_support(shape: tuple[int, int, int]) -> None:
    train, sample = sets(*shape, seed=3)
    hit = np.unique(NearestNeighbors(n_neighbors=1).fit(train).kneighbors(sample, return_distance=False))
    n, k = len(sample), len(hit)
    # S(n, k) by its sum, in exact integers; s of largest likelihood by trying all
    stirling = sum((-1) ** (k - j) * comb(k, j, exact=True) * j**n for j in range(k + 1))
    assert stirling > 0
    supports = np.arange(k, len(train) + 1)
    likelihood = gammaln(supports + 1) - gammaln(supports - k + 1) - n * np.log(supports)
    found = irs(train, sample)
    assert found.k_measured == k and found.n_sampled == n
    assert found.irs_alpha == pytest.approx(k / len(train)) and found.irs_inf == pytest.approx(
        supports[likelihood.argmax()] / len(train)
    )
