"""What solvers of the probability-flow equation share: how one begins and looks, and exact steps of multistep methods.

In lambda = -ln(sigma) (half the log-SNR of x = x0 + sigma · noise) the linear part of the equation is solved exactly,
and only the denoised latents D have to be integrated (arXiv 2211.01095, equation 9, with alpha = 1):

    x(sigma') = sigma'/sigma · x(sigma) + sigma' · integral of exp(lambda) D d lambda from lambda to lambda'.

Multistep solvers take one evaluation per step and use earlier ones again; they differ in the polynomial in lambda that
stands for D. A last step to sigma' = 0 has lambda' infinite, where no polynomial but a constant has a limit: it is
x = D, as in Heun's method. Legend: x noisy latents [B, C, H, W], t noise level (a scalar tensor), h a step in lambda.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..core.config import Config

if TYPE_CHECKING:
    from torch import Tensor

    from .guidance import Denoise

QUADRATURE = 32
"""Nodes of the Gauss-Legendre rule; exact to rounding for steps of lambda up to about 30."""


class UniPC:
    """UniPC with data prediction: one evaluation a step (arXiv 2302.04867, algorithm 1).

    The predictor UniP integrates the polynomial through the last `order` values of D; the corrector UniC does the step
    once more with the value found at its end, which the next step needs anyway. The conditions on the coefficients
    (equation 5 there) are solved exactly at any number of nodes, so the function B(h) cancels and steps may differ
    freely. Accuracy is of order `order` + 1 once enough values are known; the first steps, with fewer, limit a start at
    which D still moves to order 3.
    """

    config = Config

    def __init__(self, order: int) -> None:
        if order < 1:
            raise ValueError("a solver needs at least order 1")
        self.order = order
        self.summary = f"one evaluation a step, order {order + 1}"

    def evaluations(self, steps: int) -> int:
        """See `Solver`."""
        return steps

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
        import torch

        levels = falling(sigmas)
        nodes: list[float] = []
        values: list[Tensor] = []
        with torch.no_grad():
            x, times = begin(noise, sigmas, start)
            x_before = x
            for step in range(len(levels) - 1):
                sigma, sigma_next = levels[step], levels[step + 1]
                d = look(denoise, x, times[step], observe)
                if sigma_next == 0:
                    return d.float()
                nodes, values = [*nodes, -math.log(sigma)], [*values, d]
                if step > 0:
                    x = advance(x_before, levels[step - 1], sigma, nodes, values)
                nodes, values, x_before = nodes[-self.order :], values[-self.order :], x
                x = advance(x, sigma, sigma_next, nodes, values)
            return x.float()


def falling(sigmas: Tensor) -> list[float]:
    """The noise levels as numbers; `ValueError` unless they fall, and stay above 0 up to the last."""
    levels = [float(sigma) for sigma in sigmas.tolist()]
    if len(levels) < 2 or any(after >= before for before, after in pairwise(levels)) or levels[-1] < 0:
        raise ValueError("a solver needs noise levels that fall, at most to 0")
    return levels


def begin(noise: Tensor, sigmas: Tensor, start: Tensor | None) -> tuple[Tensor, Tensor]:
    """x at the first noise level, in the dtype of `sigmas`, and the noise levels on the device of `noise`."""
    times = sigmas.to(noise.device)
    x = noise.to(times.dtype) * times[0]
    return (x if start is None else x + start.to(x)), times


def look(denoise: Denoise, x: Tensor, t: Tensor, observe: Callable[[Tensor, Tensor], None] | None) -> Tensor:
    """D at (x, t) in the dtype of x, after `observe` has seen where."""
    if observe is not None:
        observe(x, t)
    return denoise(x, t).to(x.dtype)


def advance(x: Tensor, sigma: float, sigma_next: float, nodes: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    """One exact step under the polynomial in lambda with `values` D at `nodes`."""
    weights = step_weights(tuple(nodes), -math.log(sigma), -math.log(sigma_next))
    x = sigma_next / sigma * x
    for weight, value in zip(weights, values, strict=True):
        x = x + weight * value
    return x


@lru_cache(maxsize=4096)
def step_weights(nodes: tuple[float, ...], first: float, last: float) -> tuple[float, ...]:
    """Integrals of exp(lambda - last) l_j(lambda) from `first` to `last`, l_j Lagrange's polynomials on `nodes`.

    By quadrature: the recurrence of the phi functions cancels for short steps.
    """
    points, rule = _rule()
    u = first + (last - first) * points
    factor = (last - first) * rule * np.exp(u - last)
    weights = []
    for j, node in enumerate(nodes):
        others = np.array([other for k, other in enumerate(nodes) if k != j])
        weights.append(float(factor @ np.prod((u[:, None] - others) / (node - others), axis=1)))
    return tuple(weights)


@lru_cache(maxsize=1)
def _rule() -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of the Gauss-Legendre rule on [0, 1]."""
    points, rule = np.polynomial.legendre.leggauss(QUADRATURE)
    return (points + 1) / 2, rule / 2
