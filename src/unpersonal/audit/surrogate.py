"""Surrogates: small denoisers of points, one that learnt on the release and one that learnt on other people.

Legend: n points, k dimensions, L noise levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.seeds import derive_seed, torch_generator

WIDTH = 256
"""Units of each hidden layer."""
BATCH = 64
RATE = 3e-3
"""Largest learning rate (one cycle)."""
DECAY = 1e-3
DRAWS = 4
"""Draws of noise at each level with which losses are measured."""
ROWS = 4096
"""Points denoised at once."""


@dataclass(frozen=True)
class Denoiser:
    """A trained network and the standard deviation of the data (`sigma_data`) by which it is preconditioned."""

    layers: nn.ModuleDict
    sigma_data: float

    def __call__(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """What the points [n, k] were before noise of deviation `sigma` [n] (Karras et al., NeurIPS 2022, eq. 7)."""
        data, level = self.sigma_data, sigma[:, None]
        total = level**2 + data**2
        given = torch.cat([noisy / total.sqrt(), level.log() / 4], dim=1)
        hidden = F.silu(self.layers["first"](given))
        hidden = hidden + F.silu(self.layers["second"](hidden))
        hidden = hidden + F.silu(self.layers["third"](hidden))
        clean: Tensor = noisy * data**2 / total + self.layers["last"](hidden) * level * data / total.sqrt()
        return clean


def train_denoiser(points: np.ndarray, levels: Sequence[float], sigma_data: float, steps: int, seed: int) -> Denoiser:
    """A denoiser after `steps` steps on points [n, k], at noise between the first and the last of `levels`."""
    given, generator = torch.from_numpy(np.array(points)), torch_generator(seed, "noise")
    found = Denoiser(_layers(given.shape[1], seed), sigma_data)
    optimiser = torch.optim.AdamW(found.layers.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(steps):
        clean = given[torch.randint(len(given), (BATCH,), generator=generator)]
        sigma = levels[0] * (levels[-1] / levels[0]) ** torch.rand(BATCH, generator=generator)
        noisy = clean + sigma[:, None] * torch.randn(clean.shape, generator=generator)
        # the weight of Karras et al. (2022), table 1
        weight = (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2
        loss = (weight * (found(noisy, sigma) - clean).square().mean(dim=1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return found


def _layers(dimensions: int, seed: int) -> nn.ModuleDict:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        sizes = {"first": (dimensions + 1, WIDTH), "second": (WIDTH, WIDTH), "third": (WIDTH, WIDTH)}
        return nn.ModuleDict(
            {name: nn.Linear(*size) for name, size in sizes.items()} | {"last": nn.Linear(WIDTH, dimensions)}
        )


def log_losses(denoiser: Denoiser, points: np.ndarray, levels: Sequence[float], seed: int) -> np.ndarray:
    """Logarithm of the mean loss of each point [n, k] at each level, float64 [n, L].

    The noise follows from seed, level and draw alone, the same for every point and every denoiser.
    """
    given = torch.from_numpy(np.array(points))
    found = np.zeros((len(points), len(levels)))
    for column, level in enumerate(levels):
        noise = torch.randn(DRAWS, given.shape[1], generator=torch_generator(seed, "losses", column)) * level
        for start in range(0, len(given), ROWS):
            part = given[start : start + ROWS]
            with torch.no_grad():
                sigma = torch.full((len(part),), level)
                errors = [(denoiser(part + draw, sigma) - part).square().mean(dim=1) for draw in noise]
            found[start : start + ROWS, column] = torch.stack(errors).mean(dim=0).double().log().numpy()
    return found
