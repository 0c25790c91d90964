"""The cross-dataset matrix (as in arXiv 2506.17975): classifiers of every side tested on every other.

Legend: n test images of a side, K labels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.seeds import numpy_rng
from ..images.preprocess import to_channels
from ..metrics.intervals import percentile_interval
from ..metrics.roc import auroc, macro_auroc
from .arms import Trainer, hold_out, train_arm
from .config import UtilityConfig
from .division import Division, Part
from .matrix_figures import Cell, GapFigures
from .paired import compare, mean_calibration_error
from .resampling import resampled_aurocs
from .seeds import Seeds

if TYPE_CHECKING:
    import torch

    from .figures import Interval

MOSTLY = 0.9
"""Share of the samples of people that must have a figure, or none is given."""
Said = dict[str, dict[str, list[np.ndarray]]]
"""By side that was trained on and side that was tested on: probabilities [n, K] of each classifier."""


def learn(
    division: Division, config: UtilityConfig, *, seed: int, device: torch.device, train: Trainer
) -> tuple[Said, dict[str, int]]:
    """Train the classifiers of every side that is learnt from, and let them look at every side that is tested on.

    Also the steps of each. Colour counts where a side shows it: grey pictures are then repeated.
    """
    parts = [*division.learnt.values(), *division.tested.values()]
    channels = max(part.side.images.shape[1] for part in parts)
    tests = np.concatenate([_in_channels(part.images, channels) for part in division.tested.values()])
    ends = np.cumsum([len(part.rows) for part in division.tested.values()])[:-1]
    said: Said = {}
    steps: dict[str, int] = {}
    for name, part in division.learnt.items():
        images = _in_channels(part.images, channels)
        rng = numpy_rng(seed, "utility", "hold out")
        kept, held = hold_out(part.targets, config.held_out, rng, part.groups)
        with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
            members = train_arm(
                name,
                (images[kept], part.targets[kept]),
                (images[held], part.targets[held]),
                tests,
                config,
                seed=seed,
                device=device,
                checkpoints=Path(folder),
                train=train,
            )
        columns = [np.split(member, ends) for member in members]
        said[name] = {other: [column[at] for column in columns] for at, other in enumerate(division.tested)}
        steps[name] = config.steps_for(len(kept))
    return said, steps


def _in_channels(images: np.ndarray, channels: int) -> np.ndarray:
    if images.shape[1] == channels:
        return images
    return np.stack([to_channels(image, channels) for image in images])


def cells_of(said: Said, division: Division, synthetic: Sequence[str], replicates: int, seed: int) -> tuple[Cell, ...]:
    """The cells of the matrix, row by row; in a column all are measured on the same samples of people."""
    found: dict[tuple[str, str], Cell] = {}
    for test, part in division.tested.items():
        rng = numpy_rng(seed, "utility", "bootstrap", test)
        arms = [columns[test] for columns in said.values()]
        drawn = resampled_aurocs(arms, part.targets, part.groups, replicates=replicates, rng=rng)
        for train, members, values in zip(said, arms, drawn, strict=True):
            seeds = Seeds.of([macro_auroc(member, part.targets) for member in members])
            value = float(np.mean([macro_auroc(member, part.targets) for member in members]))
            found[train, test] = Cell(
                train=train,
                test=test,
                synthetic=train in synthetic,
                auroc=value,
                auroc_interval=_interval(values, value, seeds),
                auroc_by_label=_by_label(members, part, division.classes),
                seed_spread=seeds.spread,
                calibration_error=mean_calibration_error(members, part.targets),
            )
    return tuple(found[train, test] for train in said for test in division.tested)


def _interval(values: np.ndarray, value: float, seeds: Seeds) -> Interval | None:
    if np.isfinite(values).mean() < MOSTLY:
        return None
    return seeds.widened(percentile_interval(values), value)


def _by_label(members: Sequence[np.ndarray], part: Part, classes: Sequence[str]) -> dict[str, float]:
    found = {}
    for column, name in enumerate(classes):
        positive = part.targets[:, column] > 0.5
        if positive.any() and not positive.all():
            found[name] = float(np.mean([auroc(member[:, column], positive) for member in members]))
    return found


def gaps_of(
    said: Said, division: Division, counterparts: Mapping[str, str], replicates: int, seed: int
) -> tuple[GapFigures, ...]:
    """Of every side and its synthetic counterpart what the latter loses, on every side that is tested on."""
    found = []
    for train, synthetic in counterparts.items():
        for test, part in division.tested.items():
            both = compare(
                said[train][test],
                said[synthetic][test],
                part.targets,
                part.groups,
                division.classes,
                replicates=replicates,
                rng=numpy_rng(seed, "utility", "bootstrap", test),
            )
            found.append(
                GapFigures(
                    train=train,
                    synthetic=synthetic,
                    test=test,
                    gap=both.gap,
                    gap_interval=both.gap_interval,
                    gap_upper=both.gap_upper,
                    note=both.note,
                )
            )
    return tuple(found)
