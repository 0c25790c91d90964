"""Drawing from a denoiser: Heun's method on the probability-flow equation, with guidance and optional churn.

Algorithms 1 and 2 of Karras et al., *Elucidating the Design Space of Diffusion-Based Generative Models* (arXiv
2206.00364); guidance by a second network as in arXiv 2406.02507, equation 3. Legend: x noisy latents [B, C, H, W],
t noise level (a scalar tensor), D denoised latents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..core.seeds import numpy_rng

if TYPE_CHECKING:
    from torch import Tensor

    Denoise = Callable[[Tensor, Tensor], Tensor]


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


def guided(
    denoiser: Callable[..., Tensor],
    labels: Tensor | None = None,
    *,
    guide: Callable[..., Tensor] | None = None,
    guidance: float | Tensor = 1.0,
    labels_to_guide: bool = False,
) -> Denoise:
    """The function D(x, t) = D_guide + guidance · (D_denoiser - D_guide).

    `labels` [B, L] or None go to the denoiser, and to the guide only with `labels_to_guide` (which matters only if
    the guide has a label layer). `guidance` is a number, or one per sample [B]; where it is 1 throughout, the guide
    is not evaluated.
    """
    if isinstance(guidance, torch.Tensor):
        strength: Any = guidance.float().reshape(-1, 1, 1, 1)
        plain = bool((strength == 1).all())
    else:
        strength, plain = float(guidance), float(guidance) == 1.0
    if plain:
        return lambda x, t: denoiser(x, t, labels)
    if guide is None:
        raise ValueError("guidance other than 1 needs a guide")
    other = guide

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        reference = other(x, t, labels if labels_to_guide else None)
        return reference + strength * (denoiser(x, t, labels) - reference)

    return denoise


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
    """Solve from `sigmas[0]` down to `sigmas[-1]` = 0 in `len(sigmas) - 1` steps; returns float32 [B, C, H, W].

    `noise` is a unit normal [B, C, H, W]; the solver starts at `start + noise · sigmas[0]`, with `start` 0 where it is
    None. Without churn there are 2n - 1 evaluations of `denoise(x, t)`; `observe(x, t)` sees each of them before it
    happens. Computes in the dtype of `sigmas`, on the device of `noise`.
    """

    def slope(x: Tensor, t: Tensor) -> Tensor:
        if observe is not None:
            observe(x, t)
        return (x - denoise(x, t).to(x.dtype)) / t

    sigmas = sigmas.to(noise.device)
    steps = len(sigmas) - 1
    x = noise.to(sigmas.dtype) * sigmas[0]
    if start is not None:
        x = x + start.to(x)
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


def sample(
    denoiser: Callable[..., Tensor],
    noise: Tensor,
    labels: Tensor | None = None,
    *,
    guide: Callable[..., Tensor] | None = None,
    guidance: float | Tensor = 1.0,
    labels_to_guide: bool = False,
    steps: int = 32,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
    rho: float = 7.0,
    churn: Churn | None = None,
) -> Tensor:
    """`heun` with `guided` on a `time_grid`: latents [B, C, H, W] drawn from unit-normal `noise` under `labels`."""
    denoise = guided(denoiser, labels, guide=guide, guidance=guidance, labels_to_guide=labels_to_guide)
    return heun(denoise, noise, time_grid(steps, sigma_min, sigma_max, rho), churn=churn)


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


class SeededNoise:
    """Unit normals per sample, each from its own CPU generator, so that they do not depend on the batch.

    As in EDM2, sample i's torch CPU generator is seeded with `seeds[i] mod 2^32`. That engine has a 32-bit seed
    anyway: two seeds that agree mod 2^32 give the same noise, so whoever needs distinct noise must keep seeds
    distinct mod 2^32 (or use `keyed_noise`).
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(int(seed) % 2**32) for seed in seeds]

    def draw(self, shape: Sequence[int]) -> Tensor:
        """The next unit normals, float32 [len(seeds), *shape] on the CPU."""
        return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in self._generators])


def seeded_noise(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """First draw of `SeededNoise(seeds)`: float32 [len(seeds), *shape] on the CPU."""
    return SeededNoise(seeds).draw(shape)


def keyed_noise(keys: Sequence[int | str | tuple[int | str, ...]], shape: Sequence[int]) -> Tensor:
    """Unit normals float32 [len(keys), *shape] on the CPU, one stream per key, distinct for all distinct keys.

    Keys go through `core.seeds.numpy_rng`, whose 63 bits do not collide where 32 would: among 100,000 candidates two
    32-bit seeds coincide more often than not.
    """
    parts = [key if isinstance(key, tuple) else (key,) for key in keys]
    draws = [numpy_rng("noise", *part).standard_normal(tuple(shape), dtype="float32") for part in parts]
    return torch.stack([torch.from_numpy(draw) for draw in draws])
