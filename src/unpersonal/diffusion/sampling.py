"""Drawing from a denoiser: a solver of the probability-flow equation on a grid of noise levels (arXiv 2206.00364).

Solvers are parts, see `registry`; guidance is in `guidance`, noise in `noise`. Legend: x noisy latents [B, C, H, W], t
noise level (a scalar tensor).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from ..core.config import Config
from .guidance import guided
from .registry import SOLVERS
from .solvers.heun import Churn, Heun, heun

if TYPE_CHECKING:
    from torch import Tensor


def time_grid(
    steps: int,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
    rho: float = 7.0,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """`steps` noise levels from `sigma_max` down to `sigma_min`, then 0 (equation 5): [steps + 1]."""
    if steps < 1:
        raise ValueError("a solver needs at least one step")
    top, bottom = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    index = torch.arange(steps, dtype=dtype)
    levels = (top + index / max(steps - 1, 1) * (bottom - top)) ** rho
    return torch.cat([levels, torch.zeros(1, dtype=dtype)]).to(device)


def sample(
    denoiser: Callable[..., Tensor],
    noise: Tensor,
    labels: Tensor | None = None,
    *,
    guide: Callable[..., Tensor] | None = None,
    guidance: float | Tensor = 1.0,
    labels_to_guide: bool = False,
    interval: tuple[float, float] | None = None,
    solver: str = "heun",
    steps: int = 32,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
    rho: float = 7.0,
    churn: Churn | None = None,
    solver_config: Config | None = None,
) -> Tensor:
    """`solver` with `guided` on a `time_grid`: latents [B, C, H, W] drawn from unit-normal `noise` under `labels`.

    `solver_config` is the solver's own configuration, by default the one without keys. `InputError` for an unknown
    solver, `ValueError` for churn with another than Heun's.
    """
    part = SOLVERS.get(solver)
    denoise = guided(
        denoiser, labels, guide=guide, guidance=guidance, labels_to_guide=labels_to_guide, interval=interval
    )
    sigmas = time_grid(steps, sigma_min, sigma_max, rho)
    if churn is None:
        return part.run(denoise, noise, sigmas, config=part.config() if solver_config is None else solver_config)
    if not isinstance(part, Heun):
        raise ValueError("only Heun's method takes churn")
    return heun(denoise, noise, sigmas, churn=churn)


def renoise_and_denoise(
    denoiser: Callable[..., Tensor],
    latents: Tensor,
    sigma: float,
    noise: Tensor,
    condition: Tensor | None,
    steps: int,
    *,
    sigma_min: float = 0.002,
    rho: float = 7.0,
) -> Tensor:
    """Generated near-duplicates: add noise of level `sigma` to `latents` [B, C, H, W] and denoise them again.

    The smaller `sigma`, the closer the result; at `sigma` = `sigma_min` almost nothing changes. `noise` is a unit
    normal in the shape of `latents`. `ValueError` if `sigma` < `sigma_min`.
    """
    if sigma < sigma_min:
        raise ValueError(f"sigma {sigma} is below sigma_min {sigma_min}")
    return heun(guided(denoiser, condition), noise, time_grid(steps, sigma_min, sigma, rho), start=latents)
