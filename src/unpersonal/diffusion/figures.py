"""Figures of the diffusion stage: how denoiser and guide were trained, and whether they memorised."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures, absent


@dataclass(frozen=True, kw_only=True)
class StartFigures(Figures):
    """The checkpoint that training started from: its file, the share of the parameters that it gave, its subjects.

    `known_people` says that its train subjects are train subjects of this study, or that it has none: `invented` is the
    phantom, and `invented_images` the images of it, that training began with. `why_unknown` says what is in doubt.
    """

    source: str
    sha256: str
    share: float
    note: str
    known_people: bool
    why_unknown: str | None = absent()
    invented: str | None = absent()
    invented_images: int | None = absent()


OUTSIDE = (
    "the model that training started from, where it knows any of these people",
    "how many train people there are and the counts of their labels",
    "the gate, its thresholds and its training",
    "which candidate is chosen",
    "what the audit drops",
    "every figure that is measured on people",
)
"""What may tell of people beside a private training, and is outside its guarantee."""


@dataclass(frozen=True, kw_only=True)
class PrivacyFigures(Figures):
    """A private training: `steps` of denoiser and guide, each of which took a subject with probability `sampling_rate`,
    clipped its gradient to `clip` and added noise of deviation `noise_multiplier` times that.

    `epsilon` at `delta` is what the steps done have spent, by the accountant of opacus. `outside` names what the
    guarantee does not cover.
    """

    epsilon: float
    delta: float
    clip: float
    noise_multiplier: float
    sampling_rate: float
    steps: int
    outside: tuple[str, ...] = OUTSIDE


@dataclass(frozen=True, kw_only=True)
class DiffusionFigures(Figures):
    """Training of the denoiser, and of a guide of its own: without one (`earlier`) it has parameters and images only.

    Of either: `*_images` (seen) and `*_kept_images` (seen by the weights that are kept, at `*_kept_step`); `*_loss`,
    the last one; `*_memorised` (None: nobody looked); `*_ended_early`, why, or None; errors on train and on held-out
    subjects, their `*_gap` with its 95 % interval, and `*_match_rate`, the share of samples like train images, as far
    as they were measured. `*_gap_told` says whether that interval is narrow enough to hold the gap against its margin.
    `denoiser_match_power` is the probability of noticing a match rate of `[diffusion] max_match_rate`, or of 5 % where
    that is more.
    `epsilon` and `delta` are those of a training that is differentially private per person, see `privacy`.
    With `shards` each has a denoiser and a guide: sizes and images are those of all, other figures those of the worst.
    `horizontal_flip` says whether a model also saw mirrored images; None where nobody knows.
    """

    denoiser_parameters: int
    denoiser_images: int
    denoiser_loss: float
    denoiser_kept_step: int
    denoiser_kept_images: int
    denoiser_memorised: bool | None
    denoiser_ended_early: str | None
    horizontal_flip: bool | None
    guide_parameters: int
    guide_images: int
    denoiser_train_error: float | None = absent()
    denoiser_held_out_error: float | None = absent()
    denoiser_gap: float | None = absent()
    denoiser_gap_lower: float | None = absent()
    denoiser_gap_upper: float | None = absent()
    denoiser_gap_told: bool | None = absent()
    denoiser_match_rate: float | None = absent()
    denoiser_match_rate_lower: float | None = absent()
    denoiser_match_rate_upper: float | None = absent()
    denoiser_match_power: float | None = absent()
    denoiser_ema_std: float | None = absent()
    start: StartFigures | None = absent()
    shards: int | None = absent()
    guide_loss: float | None = absent()
    guide_kept_step: int | None = absent()
    guide_kept_images: int | None = absent()
    guide_memorised: bool | None = absent(unless="guide_kept_step")
    guide_ended_early: str | None = absent(unless="guide_kept_step")
    guide_train_error: float | None = absent()
    guide_held_out_error: float | None = absent()
    guide_gap: float | None = absent()
    guide_gap_lower: float | None = absent()
    guide_gap_upper: float | None = absent()
    guide_gap_told: bool | None = absent()
    guide_match_rate: float | None = absent()
    guide_match_rate_lower: float | None = absent()
    guide_match_rate_upper: float | None = absent()
    guide_ema_std: float | None = absent()
    epsilon: float | None = absent()
    delta: float | None = absent()
    privacy: PrivacyFigures | None = absent()
