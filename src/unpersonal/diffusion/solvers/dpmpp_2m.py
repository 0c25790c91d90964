"""DPM-Solver++(2M): order 2 in one evaluation a step (arXiv 2211.01095, algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.config import Config
from ..multistep import begin, falling, look

if TYPE_CHECKING:
    from torch import Tensor

    from ..guidance import Denoise


class DPMSolverPP2M:
    """Steps may differ: with r = h_before / h the slope of D is (D - D_before) / (2 r), as in the algorithm."""

    summary = "one evaluation a step, order 2"
    config = Config

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
        d_before: Tensor | None = None
        h_before = 0.0
        with torch.no_grad():
            x, times = begin(noise, sigmas, start)
            for step in range(len(levels) - 1):
                sigma, sigma_next = levels[step], levels[step + 1]
                d = look(denoise, x, times[step], observe)
                if sigma_next == 0:
                    return d.float()
                h = math.log(sigma / sigma_next)
                ahead = d if d_before is None else d + (d - d_before) * (h / (2 * h_before))
                x = sigma_next / sigma * x - math.expm1(-h) * ahead
                d_before, h_before = d, h
            return x.float()


SOLVER = DPMSolverPP2M()
