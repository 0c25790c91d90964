"""Drawing from a denoiser: every solver of the probability-flow equation under one signature, and Heun's method.

Algorithms 1 and 2 of Karras et al., *Elucidating the Design Space of Diffusion-Based Generative Models* (arXiv
2206.00364); the multistep solvers are in `multistep`, guidance in `guidance`, noise in `noise`. Legend: x noisy latents
[B, C, H, W], t noise level (a scalar tensor), D denoised latents.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import torch

from .budget import SOLVER_NAMES, SolverName, evaluations, steps_within
from .guidance import guided
from .multistep import begin, dpmpp_2m, look, unipc
from .noise import SeededNoise, keyed_noise, seeded_noise

if TYPE_CHECKING:
    from torch import Tensor

    from .guidance import Denoise

__all__ = [
    "SOLVERS",
    "SOLVER_NAMES",
    "Churn",
    "SeededNoise",
    "Solver",
    "SolverName",
    "dpmpp_2m",
    "euler",
    "evaluations",
    "guided",
    "heun",
    "keyed_noise",
    "renoise_and_denoise",
    "sample",
    "seeded_noise",
    "steps_within",
    "time_grid",
    "unipc",
]


class Solver(Protocol):
    """What every solver offers; see `heun` for the meaning of the parameters."""

    def __call__(
        self,
        denoise: Denoise,
        noise: Tensor,
        sigmas: Tensor,
        *,
        start: Tensor | None = None,
        observe: Callable[[Tensor, Tensor], None] | None = None,
    ) -> Tensor:
        """Latents float32 [B, C, H, W] at the last of `sigmas`."""
        ...


@dataclass(frozen=True)
class Churn:
    """Stochasticity of algorithm 2: fresh noise is added at steps with `t_min <= t <= t_max`."""

    amount: float
    """S_churn; divided by the number of steps, capped at sqrt(2) - 1, it is the relative rise of t."""
    draw: Callable[[int, Tensor], Tensor]
    """`draw(step, x)` gives the unit normal of that step, in the shape of x."""
    t_min: float = 0.0
    t_max: float = math.inf
    scale: float = 1.0
    """S_noise: standard deviation of the fresh noise."""

    def gamma(self, t: float, steps: int) -> float:
        """Relative rise of t at noise level `t`; 0 outside the interval."""
        inside = self.amount > 0 and self.t_min <= t <= self.t_max
        return min(self.amount / steps, math.sqrt(2) - 1) if inside else 0.0


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


@torch.no_grad()
def heun(
    denoise: Denoise,
    noise: Tensor,
    sigmas: Tensor,
    *,
    churn: Churn | None = None,
    start: Tensor | None = None,
    observe: Callable[[Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Heun's method, order 2: from `sigmas[0]` down to `sigmas[-1]` in `len(sigmas) - 1` steps; float32 [B, C, H, W].

    `noise` is a unit normal [B, C, H, W]; the solver starts at `start + noise · sigmas[0]`, with `start` 0 where it is
    None. Without churn there are 2n - 1 evaluations of `denoise(x, t)`; `observe(x, t)` sees each of them before it
    happens. Computes in the dtype of `sigmas`, on the device of `noise`.
    """

    def slope(x: Tensor, t: Tensor) -> Tensor:
        return (x - look(denoise, x, t, observe)) / t

    x, sigmas = begin(noise, sigmas, start)
    steps = len(sigmas) - 1
    for step in range(steps):
        t, t_next = sigmas[step], sigmas[step + 1]
        gamma = churn.gamma(float(t), steps) if churn is not None else 0.0
        if churn is not None and gamma > 0:
            raised = t * (1 + gamma)
            x = x + (raised**2 - t**2).sqrt() * churn.scale * churn.draw(step, x).to(x)
            t = raised
        d = slope(x, t)
        x_euler = x + (t_next - t) * d
        # the slope is not defined at t = 0, so the last step stays Euler's
        x = x_euler if step == steps - 1 else x + (t_next - t) * (d + slope(x_euler, t_next)) / 2
    return x.float()


@torch.no_grad()
def euler(
    denoise: Denoise,
    noise: Tensor,
    sigmas: Tensor,
    *,
    start: Tensor | None = None,
    observe: Callable[[Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Euler's method, order 1: what the others are measured against, and no choice of `[synthesis] solver`."""
    x, sigmas = begin(noise, sigmas, start)
    for t, t_next in pairwise(sigmas):
        x = x + (t_next - t) * (x - look(denoise, x, t, observe)) / t
    return x.float()


SOLVERS: dict[str, Solver] = {
    "heun": heun,
    "dpmpp-2m": dpmpp_2m,
    "unipc-2": partial(unipc, order=2),
    "unipc-3": partial(unipc, order=3),
}
"""The solvers by the names of `[synthesis] solver`."""


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
) -> Tensor:
    """`solver` with `guided` on a `time_grid`: latents [B, C, H, W] drawn from unit-normal `noise` under `labels`.

    `ValueError` for an unknown solver, and for churn with another than Heun's.
    """
    if solver not in SOLVERS:
        raise ValueError(f"no solver {solver!r}; solvers are {', '.join(SOLVERS)}")
    denoise = guided(
        denoiser, labels, guide=guide, guidance=guidance, labels_to_guide=labels_to_guide, interval=interval
    )
    sigmas = time_grid(steps, sigma_min, sigma_max, rho)
    if churn is None:
        return SOLVERS[solver](denoise, noise, sigmas)
    if solver != "heun":
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
