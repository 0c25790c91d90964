"""Copy detection: altered copies find their original, strangers score lower, brute force agrees."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from unpersonal.metrics.copies import MARGIN, POSES, SHIFT, SIDE, contrast_maps, nearest_copy, similarity
from unpersonal.metrics.roc import auroc


def pictures(seed: int, n: int, size: int = 64) -> np.ndarray:
    """Smooth random pictures that share a gross layout, as pictures of one body part do; uint8 [n, 1, size, size]."""
    rng = np.random.default_rng(seed)
    shared = gaussian_filter(np.random.default_rng(99).normal(size=(size, size)), size / 8)
    own = gaussian_filter(rng.normal(size=(n, size, size)), (0, size / 22, size / 22))
    mixed = shared / shared.std() + own / own.std()
    low, high = mixed.min(axis=(1, 2), keepdims=True), mixed.max(axis=(1, 2), keepdims=True)
    return (20 + 215 * (mixed - low) / (high - low)).astype(np.uint8)[:, None]


def jpeg(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


ALTERATIONS = {
    "none": lambda x: x,
    "brighter": lambda x: (0.6 * x + 60).astype(np.uint8),
    "gamma": lambda x: (255 * (x / 255.0) ** 1.4).astype(np.uint8),
    "noise": lambda x: np.clip(x + np.random.default_rng(0).normal(0, 8, x.shape), 0, 255).astype(np.uint8),
    "jpeg": jpeg,
    "shift": lambda x: np.roll(x, (3, -2), (0, 1)),
    "rotation": lambda x: np.asarray(Image.fromarray(x).rotate(5, Image.Resampling.BILINEAR, fillcolor=int(x.mean()))),
    "crop": lambda x: np.asarray(Image.fromarray(x[4:60, 4:60]).resize((64, 64), Image.Resampling.BILINEAR)),
    "smaller": lambda x: np.asarray(Image.fromarray(x).resize((40, 40), Image.Resampling.BOX)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ALTERATIONS))
def test_altered_copies_find_their_original(name: str) -> None:
    references, strangers = pictures(0, 120), pictures(1, 60)
    altered = np.stack([ALTERATIONS[name](image[0])[None] for image in references[:40]])
    found, unseen = nearest_copy(altered, references), nearest_copy(strangers, references)
    assert (found.reference == np.arange(40)).all()
    scores = np.concatenate([found.score, unseen.score])
    assert auroc(scores, np.arange(100) < 40) > 0.99


def test_verbatim_copies_score_one() -> None:
    references = pictures(2, 30)
    found = nearest_copy(references, references)
    assert found.reference.tolist() == list(range(30))
    assert found.score == pytest.approx(1.0, abs=1e-5)


def test_unposed_score_is_the_largest_correlation_over_shifts() -> None:
    queries, references = contrast_maps(pictures(3, 3)), contrast_maps(pictures(4, 4))
    expected = np.full((3, 4), -1.0)
    for i, j in np.ndindex(3, 4):
        fixed = references[j, MARGIN:-MARGIN, MARGIN:-MARGIN].ravel()
        for down, right in np.ndindex(2 * SHIFT + 1, 2 * SHIFT + 1):
            top, left = MARGIN + down - SHIFT, MARGIN + right - SHIFT
            moved = queries[i, top : top + SIDE - 2 * MARGIN, left : left + SIDE - 2 * MARGIN].ravel()
            expected[i, j] = max(expected[i, j], np.corrcoef(moved, fixed)[0, 1])
    assert similarity(queries, references, poses=POSES[:1]) == pytest.approx(expected, abs=1e-5)
    assert (similarity(queries, references) >= expected - 1e-5).all()


def test_chunks_channels_and_exclusion() -> None:
    references, queries = pictures(5, 25), pictures(6, 11)
    whole, chunked = nearest_copy(queries, references), nearest_copy(queries, references, chunk=3)
    assert np.array_equal(whole.reference, chunked.reference)
    assert whole.score == pytest.approx(chunked.score, abs=1e-6)
    colour = np.repeat(references, 3, axis=1)
    assert nearest_copy(queries, colour).score == pytest.approx(whole.score, abs=1e-5)
    itself = np.eye(25, dtype=bool)
    others = nearest_copy(references, references, exclude=itself)
    assert (others.reference != np.arange(25)).all()
    assert (nearest_copy(references, references, exclude=np.ones((25, 25), bool)).score == -1).all()


def test_empty_pictures_match_nothing() -> None:
    blank = np.full((2, 1, 64, 64), 128, dtype=np.uint8)
    score = nearest_copy(blank, np.concatenate([blank, pictures(7, 5)])).score
    assert np.abs(score).max() < 1e-6
    with pytest.raises(ValueError):
        nearest_copy(blank[:0], blank)
    with pytest.raises(ValueError):
        contrast_maps(blank[0])
