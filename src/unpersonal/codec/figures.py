"""Figures of the encode stage: what the codec is, and what it changes in real images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.figures import Figures, absent


@dataclass(frozen=True, kw_only=True)
class PretrainedFigures(Figures):
    """Where a network that was trained elsewhere comes from; `source` is a hub name, or the last name of a folder."""

    source: str
    sha256: str
    known_people: Literal[False]


@dataclass(frozen=True, kw_only=True)
class IntervalFigures(Figures):
    """A mean over subjects with its two-sided 95 % interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class ReconstructionFigures(Figures):
    """Real images of val after one way through the codec; see `ceiling.reconstruction`. None: too few images."""

    subjects: int
    images: int
    psnr_db: IntervalFigures | None
    ssim: IntervalFigures | None
    fid: float | None
    fid_real: float | None


@dataclass(frozen=True, kw_only=True)
class EncodeFigures(Figures):
    """Edge (pixels) and channels of the images, kind of the codec, shape of the latents, and what the codec costs.

    A codec that is trained here adds `steps`, `kept_step` and `held_out_error`; one trained elsewhere `pretrained`.
    """

    size: int
    channels: int
    codec: str
    latent: str
    psnr_db: float
    reconstruction: ReconstructionFigures
    steps: int | None = absent()
    kept_step: int | None = absent()
    held_out_error: float | None = absent(unless="steps")
    pretrained: PretrainedFigures | None = absent()
