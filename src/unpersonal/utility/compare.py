"""Generative metrics of anyone's synthetic folder against anyone's real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.seeds import derive_seed, numpy_rng

if TYPE_CHECKING:
    from ..metrics.figures import MetricFigures

SMALLEST_FOLDER = 12
"""Fewer images than this on a side carry no figure: every neighbourhood would be the whole set."""
COMPONENTS = 64


def read_images(path: Path, size: int) -> tuple[np.ndarray, bool]:
    """(images uint8 [n,3,size,size] in the order of their names, whether most carry colour) of a folder or zip.

    An image that cannot be read, and too few images, are an `InputError`.
    """
    from ..images.archives import open_archive
    from ..images.decode import decode, is_grey
    from ..images.picture import ImageError
    from ..images.preprocess import preprocess

    archive = open_archive(path)
    images, coloured = [], 0
    for name in archive.image_names():
        try:
            pixels = decode(archive.open_bytes(name))
        except ImageError as error:
            raise InputError(f"An image cannot be read ({error})", where=f"{path}: {name}", how="remove it") from None
        coloured += not is_grey(pixels)
        images.append(preprocess(pixels, size=size, fit="crop", colour=True))
    if len(images) < SMALLEST_FOLDER:
        raise InputError(
            f"Only {len(images)} images; at least {SMALLEST_FOLDER} are needed for a figure",
            where=str(path),
            how="name a folder or zip with more images",
        )
    return np.stack(images), coloured * 2 > len(images)


def compare_folders(
    real: Path, synthetic: Path, *, features: str = "pca", size: int = 64, seed: int = 0
) -> MetricFigures:
    """Every figure of `metrics.evaluate` for two folders or zips, images brought to `size` px.

    Half of the real images, drawn by `seed`, is the reference (train) and the other half stands for unseen images
    (test). The space is PCA of all real images: closed form, and it treats both halves alike.
    """
    if features != "pca":
        raise InputError(f"There is no feature space {features!r}", where="--features", how="use pca")
    if size < 8:
        raise InputError(f"Images of {size} pixels are too small", where="--size", how="use at least 8")
    from ..features.pca import fit_pca
    from ..metrics.evaluate import evaluate

    genuine, colour = read_images(Path(real), size)
    drawn, _ = read_images(Path(synthetic), size)
    if not colour:
        genuine, drawn = genuine[:, :1], drawn[:, :1]
    space = fit_pca(genuine, COMPONENTS)
    points = space.transform(genuine)
    order = numpy_rng(seed, "metrics", "halves").permutation(len(points))
    reference, unseen = points[order[: len(order) // 2]], points[order[len(order) // 2 :]]
    return evaluate(reference, unseen, space.transform(drawn), seed=derive_seed(seed, "metrics"))
