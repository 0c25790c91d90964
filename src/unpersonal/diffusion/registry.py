"""Where solvers are found: the modules of `diffusion.solvers`, and the entry points `unpersonal.solvers` of packages.

A solver integrates the probability-flow equation from noise to latents. Legend: x noisy latents [B, C, H, W], t noise
level (a scalar tensor), D denoised latents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ..core.config import Config
from ..core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from .guidance import Denoise


class Solver(Protocol):
    """What every solver offers; it keeps no state."""

    summary: str
    """What it is, in a few words, for the description of `[synthesis] solver`."""
    config: type[Config]
    """Its own configuration."""

    def evaluations(self, steps: int) -> int:
        """Evaluations of D in a run of `steps` >= 1 steps that ends at noise level 0."""
        ...

    def run(
        self,
        denoise: Denoise,
        noise: Tensor,
        sigmas: Tensor,
        *,
        config: Config,
        start: Tensor | None = None,
        observe: Callable[[Tensor, Tensor], None] | None = None,
    ) -> Tensor:
        """Latents float32 [B, C, H, W] at the last of the falling noise levels `sigmas` [steps + 1].

        `noise` is a unit normal [B, C, H, W]; x starts at `start + noise · sigmas[0]`, with `start` 0 where it is None.
        `observe(x, t)` sees each evaluation of `denoise(x, t)` before it happens. Computes in the dtype of `sigmas`, on
        the device of `noise`, and keeps no gradients.
        """
        ...


SOLVERS: Registry[Solver] = Registry("solver", package="unpersonal.diffusion.solvers", attribute="SOLVER")
