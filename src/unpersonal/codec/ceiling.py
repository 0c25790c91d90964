"""What a codec costs: real images against themselves after pixels -> latents -> pixels.

No generator can be better than this, so these figures are the ceiling of everything that is drawn later. What a
classifier loses by the codec alone is measured by the utility stage, on the images that `reconstructed` writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cohort.table import Cohort
from ..core.pixels import to_float, to_uint8
from ..core.seeds import numpy_rng
from ..core.tensors import create_array, open_array
from ..metrics.copies import contrast_maps
from ..metrics.generative.fid import frechet_distance
from ..metrics.intervals import percentile_interval, subject_bootstrap
from .base import Codec, at_once, blocks
from .figures import IntervalFigures, ReconstructionFigures

if TYPE_CHECKING:
    import torch

MOST_IMAGES = 1000
"""Images that are measured, or that the space of the FID is fitted on, at most."""
COMPONENTS = 64
WINDOW, DEVIATION = 11, 1.5
STABLE = (0.01**2, 0.03**2)
"""The constants C1 and C2 for a range of 1 (Wang et al. 2004)."""
LEAST_ERROR = 1e-12
"""Mean squared error below which the PSNR is capped, at 120 dB."""
CHUNK = 64


def ssim(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Structural similarity of images [B,C,H,W] in [0, 1], float64 [B] (Wang et al., IEEE TIP 13(4), 2004, eq. 13).

    Gaussian window of 11 pixels and deviation 1.5, where it lies inside the image; mean over places and channels.
    """
    import torch
    from torch.nn import functional as F

    offset = torch.arange(WINDOW, dtype=torch.float64, device=first.device) - WINDOW // 2
    weights = torch.exp(-0.5 * (offset / DEVIATION) ** 2)
    weights = weights / weights.sum()

    def local_mean(values: torch.Tensor) -> torch.Tensor:
        flat = values.flatten(0, 1)[:, None]
        across = F.conv2d(flat, weights.reshape(1, 1, 1, -1))
        return F.conv2d(across, weights.reshape(1, 1, -1, 1))[:, 0].unflatten(0, values.shape[:2])

    x, y = first.double(), second.double()
    mx, my = local_mean(x), local_mean(y)
    vx, vy, cov = local_mean(x * x) - mx**2, local_mean(y * y) - my**2, local_mean(x * y) - mx * my
    c1, c2 = STABLE
    return ((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean((1, 2, 3))


def restored(
    codec: Codec, images: np.ndarray, rows: np.ndarray, device: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Pairs (original, restored), float32 [b,C,H,W] in [0, 1] on the CPU, in blocks over the rows `rows` of uint8."""
    for block in blocks(len(rows), min(CHUNK, at_once(images))):
        original = to_float(images[rows[block]])
        yield original, codec.decode(codec.encode(original.to(device))).float().cpu()


def reconstructed(study: Path, rows: np.ndarray, path: Path, device: torch.device | None = None) -> np.ndarray:
    """Memory-mapped uint8 [len(rows),C,H,W], at `path`: the study's images `rows` after one way through its codec.

    Where a codec has a distribution per image, its mean is decoded. Computed in blocks on `device`, so that memory does
    not grow with their number. What is at `path` already is whole, and is taken as it is; the caller removes it.
    """
    import torch

    from .store import load_codec, load_images

    images, rows = load_images(study), np.asarray(rows, dtype=np.int64)
    if not path.is_file():
        start = 0
        with create_array(path, (len(rows), *images.shape[1:]), np.uint8) as back:
            for _, after in restored(load_codec(study), images, rows, device or torch.device("cpu")):
                back[start : start + len(after)] = to_uint8(after)
                start += len(after)
    return open_array(path)


def reconstruction(
    codec: Codec, images: np.ndarray, cohort: Cohort, *, seed: int, device: torch.device
) -> tuple[float, ReconstructionFigures]:
    """Figures of real -> codec -> real on at most 1000 images of val subjects.

    First the PSNR in dB over all pixels at once. Then `psnr_db` and `ssim`, each the mean over subjects (of a
    subject's mean over images) with `lower` and `upper` (95 %, bootstrap over subjects); `fid` between the real and
    the restored images and `fid_real` between as many train images and the same real ones (the size of a difference
    between people), both in the principal components, fitted on aux, of local-contrast maps; `subjects`, `images`.
    A figure for which there are too few images is None.
    """
    rows = cohort.rows("val")[:MOST_IMAGES]
    if len(rows) == 0:
        nothing = ReconstructionFigures(subjects=0, images=0, psnr_db=None, ssim=None, fid=None, fid_real=None)
        return 0.0, nothing
    errors, alike, after = [], [], []
    for original, back in restored(codec, images, rows, device):
        errors.append(((original.double() - back.double()) ** 2).mean((1, 2, 3)).numpy())
        alike.append(ssim(original, back).numpy())
        after.append(to_uint8(back))
    error, subjects = np.concatenate(errors), cohort.subjects[rows]
    fid, fid_real = _distances(images, cohort, rows, np.concatenate(after), seed)
    figures = ReconstructionFigures(
        subjects=len(set(subjects)),
        images=len(rows),
        psnr_db=over_subjects(_decibels(error), subjects, seed),
        ssim=over_subjects(np.concatenate(alike), subjects, seed),
        fid=fid,
        fid_real=fid_real,
    )
    return float(_decibels(error.mean())), figures


def _decibels(error: Any) -> Any:
    return -10 * np.log10(np.maximum(error, LEAST_ERROR))


def over_subjects(values: np.ndarray, subjects: np.ndarray, seed: int) -> IntervalFigures:
    """The mean over subjects of their mean `values` [n], with its 95 % interval."""
    names, groups = np.unique(np.asarray(subjects).astype(str), return_inverse=True)
    means = np.bincount(groups, weights=values) / np.bincount(groups)
    drawn = subject_bootstrap(names, lambda rows: float(means[rows].mean()), rng=numpy_rng(seed, "codec", "bootstrap"))
    lower, upper = percentile_interval(drawn)
    return IntervalFigures(value=float(means.mean()), lower=lower, upper=upper)


def _distances(
    images: np.ndarray, cohort: Cohort, rows: np.ndarray, after: np.ndarray, seed: int
) -> tuple[float | None, float | None]:
    """The distances `fid` and `fid_real`, see `reconstruction`; None where there are too few images."""
    rng = numpy_rng(seed, "codec", "fid")

    def some(subset: str, count: int) -> np.ndarray:
        there = cohort.rows(subset)
        return np.sort(rng.permutation(there)[:count])

    aux, train = some("aux", MOST_IMAGES), some("train", len(rows))
    components = min(COMPONENTS, len(aux) // 2, len(rows) // 2, len(train) // 2)
    if components < 2:
        return None, None
    fitted = contrast_maps(images[aux]).reshape(len(aux), -1).astype(np.float64)
    centre = fitted.mean(0)
    axes = np.linalg.svd(fitted - centre, full_matrices=False)[2][:components].T

    def project(pictures: np.ndarray) -> np.ndarray:
        return np.asarray((contrast_maps(pictures).reshape(len(pictures), -1) - centre) @ axes)

    real = project(images[rows])
    first, second = (frechet_distance(real, project(others)).fid for others in (after, images[train]))
    return max(first, 0.0), max(second, 0.0)
