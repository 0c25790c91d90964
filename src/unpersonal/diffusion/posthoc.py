"""Averages of other widths after training: snapshots on disk and reconstruction.

Post-hoc EMA of arXiv 2312.02696, section 3.2. A snapshot is a whole average of the weights: it stays in the study.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        path = self.folder / f"{self.name}-{images:012d}-{std!r}.safetensors"
        save_tensors(path, weights)

    def found(self, until: int) -> list[tuple[int, float, Path]]:
        """(images, std, file) of those after at most `until` images, in order."""
        files = []
        for path in sorted(self.folder.glob(f"{self.name}-*.safetensors")):
            images, std = path.stem.removeprefix(f"{self.name}-").split("-")
            if int(images) <= until:
                files.append((int(images), float(std), path))
        return files

    def average(self, std: float, images: int, buffers: Sequence[str]) -> dict[str, Tensor]:
        """The average of relative width `std` that would have been there after `images` images.

        `buffers` names entries that are no parameters; they never change and are taken as they are.
        """
        snapshots = self.found(images)
        if len(snapshots) < 2:
            raise InputError(
                f"{len(snapshots)} snapshots are too few to reconstruct an average from",
                where=str(self.folder),
                how="name two widths in [diffusion] ema_profiles and train again",
            )
        ends, stds, paths = zip(*snapshots, strict=True)
        coefficients = posthoc_coefficients(ends, stds, images, [std])[:, 0]
        combined = reconstruct((load_tensors(path)[0] for path in paths), coefficients.tolist())
        last = load_tensors(paths[-1])[0]
        return {**combined, **{name: last[name] for name in buffers}}
