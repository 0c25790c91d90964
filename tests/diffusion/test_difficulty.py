"""Covariates of difficulty: they foretell errors, know nobody, and take latents of any size."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.diffusion.difficulty import Difficulty, Gauss


def latents(count: int, shape: tuple[int, int, int] = (2, 8, 8), seed: int = 0) -> np.ndarray:
    """Images of unlike contrast float32 [count, c, h, w]."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, *shape)) * rng.uniform(0.2, 1.5, (count, 1, 1, 1))).astype(np.float32)


def test_they_foretell_what_a_linear_denoiser_errs() -> None:
    train, held_out = latents(60), latents(40, seed=1)
    known = Difficulty(train, held_out, np.arange(40), seed=0)
    both = np.concatenate([train, held_out])
    noise = np.random.default_rng(2).normal(size=both.shape).astype(np.float32)
    drawn = known.drawn(np.arange(100), both, noise, 0.5, 0.5)
    assert known.known.shape[0] == 100 and np.isfinite(known.known).all() and drawn.shape == (100, 4)
    # D = x + s n kept by a half where all variances are 0.25
    plain = ((0.5 * (both + 0.5 * noise) - both) ** 2).mean(axis=(1, 2, 3))
    assert drawn[:, 0] == pytest.approx(plain, rel=1e-5) and drawn[:, 2] == pytest.approx(np.log(plain), abs=1e-3)
    assert np.corrcoef(drawn[:, 1], plain)[0, 1] > 0.8


def test_nobody_is_described_by_what_was_fitted_on_them() -> None:
    train, held_out = latents(40), latents(40, seed=1)
    found = Difficulty(train, held_out, np.arange(40) // 2, seed=0)
    half = found._half
    assert (half[40::2] == half[41::2]).all(), "the images of a person are in one half"
    row = int(np.flatnonzero(half[:40] == 0)[0])
    changed = train.copy()
    changed[row] *= 3
    other = Difficulty(changed, held_out, np.arange(40) // 2, seed=0)
    same = (other.known == found.known).all(axis=1)
    assert not same[row] and same[half == 0].sum() == (half == 0).sum() - 1 and not same[half == 1].any()


def test_few_images_are_described_by_their_noise_alone() -> None:
    found = Difficulty(latents(4), latents(4, seed=1), np.arange(4), seed=0)
    x = latents(8)
    assert found.known.shape == (8, 0) and found.drawn(np.arange(8), x, x, 1.0, 0.5).shape == (8, 2)


@pytest.mark.parametrize("shape", [(4, 64, 64), (3, 15, 15), (2, 1, 1), (1100, 1, 1)])
def test_latents_of_any_size_are_reduced_with_their_noise(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, *shape)).astype(np.float32)
    known = Difficulty(x[:12], x[12:], np.arange(12), seed=0)
    drawn = known.drawn(np.arange(24), x, rng.normal(size=x.shape).astype(np.float32), 0.3, 0.5)
    assert np.isfinite(known.known).all() and np.isfinite(drawn).all()
    alone = known.drawn(np.array([3]), x[3:4], x[3:4], 0.3, 0.5)
    assert alone.shape == (1, 4), "a batch may hold people of one half only"


def test_the_linear_denoiser_is_the_best_one() -> None:
    x = latents(4000, (1, 4, 4))
    rng, gauss = np.random.default_rng(3), Gauss.fit(x)
    noise = rng.normal(size=x.shape)
    best = gauss.error(x, noise, 0.7).mean()
    for factor in (0.5, 1.5):
        other = Gauss(gauss.image, gauss.mean, gauss.variances * factor, gauss.directions)
        assert other.error(x, noise, 0.7).mean() > best
