"""Heun's method, order 2: algorithms 1 and 2 of Karras et al. (arXiv 2206.00364)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.config import Config
from ..multistep import begin, look

if TYPE_CHECKING:
    from torch import Tensor

    from ..guidance import Denoise


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


def heun(
    denoise: Denoise,
    noise: Tensor,
    sigmas: Tensor,
    *,
    churn: Churn | None = None,
    start: Tensor | None = None,
    observe: Callable[[Tensor, Tensor], None] | None = None,
) -> Tensor:
    """The method from `sigmas[0]` down to `sigmas[-1]`; parameters and result as of `Solver.run`."""
    import torch

    def slope(x: Tensor, t: Tensor) -> Tensor:
        return (x - look(denoise, x, t, observe)) / t

    with torch.no_grad():
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


class Heun:
    """Two evaluations a step, but for the last; the one solver that can churn (for reproductions of EDM)."""

    summary = "two evaluations a step"
    config = Config

    def evaluations(self, steps: int) -> int:
        """See `Solver`."""
        return 2 * steps - 1

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
        """See `Solver`."""
        return heun(denoise, noise, sigmas, start=start, observe=observe)


SOLVER = Heun()
