"""Averages of other widths after training: snapshots on disk, reconstruction, and the choice of a width.

Post-hoc EMA of arXiv 2312.02696, section 3.2. A snapshot is a whole average of the weights: it stays in the study.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..core.errors import InputError
from ..core.tensors import load_tensors, save_tensors
from .ema import posthoc_coefficients, reconstruct


@dataclass(frozen=True)
class Snapshots:
    """The snapshots of one training in `folder`: `NAME-IMAGES-STD.safetensors`."""

    folder: Path
    name: str

    def save(self, images: int, std: float, weights: dict[str, Tensor]) -> None:
        """Keep an average of relative width `std` after `images` images; what lies there already is the same."""
        path = self.folder / f"{self.name}-{images:012d}-{std:.4f}.safetensors"
        save_tensors(path, weights, {"images": str(images), "std": repr(std)})

    def load(self, until: int) -> list[tuple[int, float, dict[str, Tensor]]]:
        """(images, std, weights) of those after at most `until` images, in order."""
        found = []
        for path in sorted(self.folder.glob(f"{self.name}-*.safetensors")):
            weights, facts = load_tensors(path)
            if int(facts["images"]) <= until:
                found.append((int(facts["images"]), float(facts["std"]), weights))
        return found

    def average(self, std: float, images: int, buffers: Sequence[str]) -> dict[str, Tensor]:
        """The average of relative width `std` that would have been there after `images` images.

        `buffers` names entries that are no parameters; they never change and are taken as they are.
        """
        snapshots = self.load(images)
        if len(snapshots) < 2:
            raise InputError(
                f"{len(snapshots)} snapshots are too few to reconstruct an average from",
                where=str(self.folder),
                how="name two widths in [diffusion] ema_profiles and train again",
            )
        ends, stds, weights = zip(*snapshots, strict=True)
        coefficients = posthoc_coefficients(ends, stds, images, [std])[:, 0]
        combined = reconstruct(weights, coefficients.tolist())
        return {**combined, **{name: weights[-1][name] for name in buffers}}


def search(
    snapshots: Snapshots,
    stds: Sequence[float],
    images: int,
    buffers: Sequence[str],
    error: Callable[[dict[str, Tensor]], float],
) -> tuple[float, dict[str, Tensor], dict[str, float]]:
    """The width of least `error`, its weights, and the error of every width (by its text)."""
    errors: dict[str, float] = {}
    best: tuple[float, float, dict[str, Tensor]] | None = None
    for std in stds:
        weights = snapshots.average(std, images, buffers)
        found = errors[f"{std:g}"] = error(weights)
        if best is None or found < best[0]:
            best = (found, std, weights)
    assert best is not None
    return best[1], best[2], errors
