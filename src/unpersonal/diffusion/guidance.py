"""Guidance of a denoiser by a second network, at every noise level or within an interval of them.

arXiv 2406.02507, equation 3: the guide is an inferior model, either without the condition (classifier-free guidance) or
a smaller, earlier self under the same condition (autoguidance). arXiv 2404.07724: guidance hurts at high noise levels,
where it costs diversity, and does nothing at low ones. Legend: x noisy latents [B, C, H, W], t noise level (a scalar
tensor), D denoised latents.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    Denoise = Callable[[Tensor, Tensor], Tensor]


def guided(
    denoiser: Callable[..., Tensor],
    labels: Tensor | None = None,
    *,
    guide: Callable[..., Tensor] | None = None,
    guidance: float | Tensor = 1.0,
    labels_to_guide: bool = False,
    interval: tuple[float, float] | None = None,
) -> Denoise:
    """The function D(x, t) = D_guide + guidance · (D_denoiser - D_guide).

    `labels` [B, L] or None go to the denoiser, and to the guide only with `labels_to_guide` (autoguidance; it matters
    only if the guide has a label layer). `guidance` >= 0 is a number, or one per sample [B]. Outside `interval` =
    (lowest, highest noise level), both included, D is the denoiser alone. What does not count is not evaluated: the
    guide where guidance is 1 throughout or t lies outside the interval, the denoiser where guidance is 0 throughout.
    `ValueError` for negative or non-finite guidance, guidance other than 1 without a guide, and an empty interval.
    """
    strength, least, most = _strength(guidance)
    if interval is not None and not 0 <= interval[0] < interval[1]:
        raise ValueError(f"the guidance interval {interval} is not two rising noise levels")

    def plain(x: Tensor, t: Tensor) -> Tensor:
        return denoiser(x, t, labels)

    if least == most == 1.0:
        return plain
    if guide is None:
        raise ValueError("guidance other than 1 needs a guide")
    other = guide

    def steered(x: Tensor, t: Tensor) -> Tensor:
        reference = other(x, t, labels if labels_to_guide else None)
        return reference if most == 0.0 else reference + strength * (denoiser(x, t, labels) - reference)

    if interval is None:
        return steered
    lowest, highest = interval
    return lambda x, t: steered(x, t) if lowest <= float(t) <= highest else plain(x, t)


def _strength(guidance: float | Tensor) -> tuple[Any, float, float]:
    """Guidance ready to be multiplied with latents, its least and its greatest value."""
    if isinstance(guidance, torch.Tensor):
        strength: Any = guidance.float().reshape(-1, 1, 1, 1)
        least, most = (float(value) for value in torch.stack([strength.min(), strength.max()]).tolist())
    else:
        strength = least = most = float(guidance)
    if not (least >= 0 and math.isfinite(most)):
        raise ValueError(f"guidance must be a number >= 0, not {guidance}")
    return strength, least, most
