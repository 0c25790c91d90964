"""Closed-form features: principal components of small, per-image standardised pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PCAEncoder:
    """`mean` [p], `basis` [p,d] with orthonormal columns, over pictures resized to `size` x `size` pixels."""

    mean: np.ndarray
    basis: np.ndarray
    size: int

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Coordinates float32 [n,d] of uint8 images [n,C,H,W]."""
        rows = [
            (standardised(images[start : start + 1024], self.size) - self.mean) @ self.basis
            for start in range(0, len(images), 1024)
        ]
        return np.concatenate(rows).astype(np.float32)

    def unit(self, images: np.ndarray) -> np.ndarray:
        """`transform`, scaled to unit length."""
        return unit_rows(self.transform(images))


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows [n,d] divided by their L2 norm; a zero row stays zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)


def standardised(images: np.ndarray, size: int) -> np.ndarray:
    """float64 [n,C*size*size]: area-averaged to `size`, then each image to mean 0 and standard deviation 1."""
    import torch

    pictures = torch.from_numpy(np.array(images, dtype=np.float32))
    if pictures.shape[-1] != size or pictures.shape[-2] != size:
        pictures = torch.nn.functional.interpolate(pictures, size=(size, size), mode="area")
    rows = pictures.flatten(1).numpy().astype(np.float64)
    rows -= rows.mean(1, keepdims=True)
    return np.asarray(rows / np.maximum(rows.std(1, keepdims=True), 1e-6))


def fit_pca(images: np.ndarray, components: int, *, size: int = 32) -> PCAEncoder:
    """Fit on uint8 images [n,C,H,W]; `components` is cut to what n images can carry (n - 1)."""
    rows = standardised(images, size)
    mean = rows.mean(0)
    _, _, vectors = np.linalg.svd(rows - mean, full_matrices=False)
    vectors = vectors[: min(components, len(rows) - 1)]
    # a singular vector's sign is arbitrary: its largest entry is made positive, so that every machine agrees
    signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(1)])
    return PCAEncoder(mean, (vectors * signs[:, None]).T, size)
