"""Closed-form spaces in which distances between images are measured.

A space is fitted on `aux-network` images alone, so train and control subjects are strangers to it alike: one that knew
train subjects would place them differently, and the two groups could not be compared. Shapes: n images, C channels, s
side after resizing, d pixels or gradients, q principal axes, k components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..core.seeds import numpy_rng
from .perturbations import FITTED, PERTURBATIONS

RIDGE = 0.1
"""Ridge added to the within-copy covariance, share of its mean eigenvalue."""
FIT_IMAGES = 600
"""Largest number of auxiliary images a space is fitted on; more change nothing that can be measured."""
KINDS = ("appearance", "gradient")


def appearance(images: np.ndarray, size: int) -> np.ndarray:
    """Grey, box-resized to `size`, each image with mean 0 and standard deviation 1: float32 [n, size²].

    `images` are uint8 [n,C,H,W]. A constant image becomes all zeros.
    """
    rows = np.empty((len(images), size * size), dtype=np.float32)
    for i, image in enumerate(images):
        grey = np.asarray(image, dtype=np.float32).mean(axis=0)
        rows[i] = np.asarray(Image.fromarray(grey).resize((size, size), Image.Resampling.BOX)).ravel()
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= rows.std(axis=1, keepdims=True) + 1e-6
    return rows


def gradient(images: np.ndarray, size: int) -> np.ndarray:
    """Signed square roots of the two image gradients, each image scaled to mean magnitude 1: float32 [n, 2(size-1)²].

    Edges instead of grey values: another view, blind to smooth changes of exposure.
    """
    grey = appearance(images, size).reshape(-1, size, size)
    gx, gy = np.diff(grey, axis=2)[:, :-1], np.diff(grey, axis=1)[:, :, :-1]
    rows = np.concatenate([gx.reshape(len(grey), -1), gy.reshape(len(grey), -1)], axis=1)
    rows /= np.abs(rows).mean(axis=1, keepdims=True) + 1e-6
    roots: np.ndarray = np.sign(rows) * np.sqrt(np.abs(rows))
    return roots


_VIEWS = {"appearance": appearance, "gradient": gradient}


@dataclass(frozen=True)
class Space:
    """A linear map of one view of the images; distances are Euclidean after it."""

    kind: str
    size: int
    mean: np.ndarray
    projection: np.ndarray
    explained: float

    @property
    def components(self) -> int:
        """Dimension k of the space."""
        return int(self.projection.shape[1])

    def embed(self, images: np.ndarray, chunk: int = 2048) -> np.ndarray:
        """Coordinates float32 [n, k] of uint8 [n,C,H,W]."""
        blocks = [
            (_VIEWS[self.kind](images[start : start + chunk], self.size) - self.mean) @ self.projection
            for start in range(0, len(images), chunk)
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, self.components), dtype=np.float32)


def fit_space(kind: str, images: np.ndarray, *, size: int, components: int, seed: int) -> Space:
    """Fit a space on auxiliary images uint8 [n,C,H,W].

    Fisher's discriminant with every image as its own class (Fisher 1936; Belhumeur et al. 1997 for images): principal
    axes first (at most n/2 of them, so that the covariances are not fitted to noise), then the within-copy
    covariance S_w of small perturbations of the same images is whitened (ridge 0.1) and the `components` directions
    with the largest between-image variance relative to it are kept. A shifted or recompressed copy moves little in it,
    a stranger much, which plain principal components do not give: their largest axes are those that a shift moves.
    """
    if len(images) > FIT_IMAGES:
        images = images[np.sort(numpy_rng(seed, "audit", "fit", kind).choice(len(images), FIT_IMAGES, replace=False))]
    images = np.asarray(images)
    view = _VIEWS[kind]
    clean = view(images, size)
    mean = clean.mean(axis=0)
    _, scale, axes = np.linalg.svd(clean - mean, full_matrices=False)
    q = max(min(2 * components, len(images) // 2, int((scale > 1e-6 * scale[0]).sum())), 1)
    axes = axes[:q].T
    within = np.zeros((q, q))
    for name in FITTED:
        rng = numpy_rng(seed, "audit", "fit", kind, name)
        copies = np.stack([PERTURBATIONS[name](image, rng) for image in images])
        moved = (view(copies, size) - clean) @ axes
        within += moved.T.astype(np.float64) @ moved / (2 * len(images) * len(FITTED))
    values, vectors = np.linalg.eigh(within + (RIDGE * np.trace(within) / q + 1e-12) * np.eye(q))
    whitener = vectors / np.sqrt(values)
    between = np.diag(scale[:q].astype(np.float64) ** 2 / len(images))
    ratio, directions = np.linalg.eigh(whitener.T @ between @ whitener)
    kept = np.argsort(ratio)[::-1][: min(components, q)]
    return Space(
        kind=kind,
        size=size,
        mean=mean,
        projection=(axes @ whitener @ directions[:, kept]).astype(np.float32),
        explained=float((scale[:q] ** 2).sum() / max(float((scale**2).sum()), 1e-12)),
    )
