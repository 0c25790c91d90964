"""Generative metrics of anyone's synthetic folder against anyone's real one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audit.reading import CONVERT, SideRead, read_side, side_read, unread_remarks
from ..audit.shapes import LONG, MOST_CUT, elongation, one_shape
from ..core.errors import InputError
from ..core.seeds import derive_seed, numpy_rng
from ..images.preprocess import ViewConfig, to_channels
from ..layouts.pictures import Pictures
from ..metrics.figures import MetricFigures
from .extractor import OPTION, Fitting, SpaceFigures, find_extractor, told_of

SMALLEST_FOLDER = 12
"""Fewer images than this on a side carry no figure: every neighbourhood would be the whole set."""
SMALLEST, LARGEST = 8, 1024
SAME = 1e-6
"""Spread of features, beside the largest of them, that rounding alone gives to images that a network cannot tell apart.
"""


@dataclass(frozen=True, kw_only=True)
class FolderFigures(MetricFigures):
    """Figures of two folders; `sides` says what was read of each, `reading` holds what a reader should know of it."""

    size: int
    space: SpaceFigures
    """The space in which all distances are taken: figures of two spaces cannot be compared."""
    sides: tuple[SideRead, ...]
    reading: tuple[str, ...]


def read_folders(real: Path, synthetic: Path, size: int) -> dict[str, Pictures]:
    """The pictures of both sides as squares of `size` pixels, by side.

    Pictures of one shape are squashed; of several, their middles are compared. A synthetic picture that is not read, a
    real side of which more than 1 % is not, and too few pictures are an `InputError`.
    """
    sides = {name: read_side(path, name, "file", size) for name, path in (("synthetic", synthetic), ("real", real))}
    paths = {"synthetic": synthetic, "real": real}
    shortfalls, _ = unread_remarks({"real": sides["real"]})
    if shortfalls:
        raise InputError(shortfalls[0], where=f"--real {real}", how=CONVERT)
    for name, side in sides.items():
        if len(side.names) < SMALLEST_FOLDER:
            raise InputError(
                f"Only {len(side.names)} images; at least {SMALLEST_FOLDER} are needed for a figure",
                where=f"--{name} {paths[name]}",
                how="name a folder or zip with more images",
            )
    if one_shape(sides):
        return sides
    return {name: side.again(ViewConfig(size=size)) for name, side in sides.items()}


def compare_folders(
    real: Path,
    synthetic: Path,
    *,
    features: str = "closed-form",
    size: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> FolderFigures:
    """Every figure of `metrics.evaluate` for two folders, zips or saved data sets, images brought to `size` px.

    Half of the real images, drawn by `seed`, is the reference (train) and the other half stands for unseen images
    (test). `features` names the space (see `extractor`); one that is fitted is fitted on all real images, and treats
    both halves alike. `size` None: as the space wants it. Colour counts where most real images have it.
    """
    extractor, argument = find_extractor(features)
    from ..core.device import pick_device

    where = pick_device(device)
    size = extractor.size(argument) if size is None else size
    if not SMALLEST <= size <= LARGEST:
        raise InputError(
            f"Images of {size} pixels cannot be compared", where="--size", how=f"use {SMALLEST} to {LARGEST}"
        )
    from ..metrics.evaluate import evaluate

    sides = read_folders(Path(real), Path(synthetic), size)
    channels = 3 if sides["real"].coloured.mean() > 0.5 else 1
    genuine, drawn = (
        np.stack([to_channels(view, channels) for view in sides[name].views]) for name in ("real", "synthetic")
    )
    space = extractor.open(argument, Fitting(genuine, seed, where))
    points, others = space.rows(genuine), space.rows(drawn)
    _refuse_blind(points)
    order = numpy_rng(seed, "metrics", "halves").permutation(len(points))
    reference, unseen = points[order[: len(order) // 2]], points[order[len(order) // 2 :]]
    figures = evaluate(reference, unseen, others, seed=derive_seed(seed, "metrics"))
    return FolderFigures(
        **vars(figures),
        size=size,
        space=told_of(features, space, points.shape[1]),
        sides=tuple(side_read(name, sides[name], len(sides[name].views)) for name in ("real", "synthetic")),
        reading=tuple(_remarks(sides)),
    )


def _refuse_blind(points: np.ndarray) -> None:
    """`InputError` for rows [n, d] of real images that all are one: any set would look like them, and perfect."""
    largest = float(np.abs(points).max(initial=0.0))
    if float(np.ptp(points, axis=0).max(initial=0.0)) <= SAME * largest:
        raise InputError(
            "The feature space gives the same numbers for every real image, so that any image would look real in it",
            where=OPTION,
            how="use other weights, or another space; where the images are all the same, give others",
        )


def _remarks(sides: Mapping[str, Pictures]) -> Iterator[str]:
    """What was left out of the sides, and what was cut away."""
    yield from unread_remarks({"real": sides["real"]})[1]
    if one_shape(sides):
        return
    yield "the pictures have different shapes: the square in the middle of each was compared"
    for name, side in sides.items():
        cut = float((elongation(side) > LONG).mean())
        if cut > MOST_CUT:
            yield f"of {cut:.0%} of the pictures of {name} more than a fifth was cut away, of which no figure tells"
