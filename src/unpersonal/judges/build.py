"""Build a network by its name, with initial weights that follow from its name and a seed alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.config import part_config
from ..core.seeds import derive_seed
from .config import JudgesConfig
from .registry import NETWORKS

SMALLEST_SIZE = 16
"""Pixels below which the networks have nothing left to look at."""


class Standardise(nn.Module):
    """Each image to mean 0 and deviation 1 over its own pixels, so that exposure carries no identity."""

    def forward(self, images: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape; a constant image becomes zero."""
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        deviation = (images - mean).pow(2).mean(dim=(1, 2, 3), keepdim=True).add(1e-4).sqrt()
        return (images - mean) / deviation


def build_network(name: str, table: JudgesConfig, *, channels: int, outputs: int, size: int, seed: int) -> nn.Module:
    """The network `name` of the registry from float images [B, channels, size, size] in [0, 1] to [B, outputs].

    It is configured by `table`. The initial weights depend on the arguments alone, not on global random state, which is
    left as it was. Sizes under 16 px are a `ValueError`, an unknown name is an `InputError`.
    """
    if size < SMALLEST_SIZE:
        raise ValueError(f"the judges' networks need images of at least {SMALLEST_SIZE} px")
    network, config = NETWORKS.get(name), part_config(NETWORKS, name, table, table.options_of(name))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "network", name))
        return nn.Sequential(Standardise(), network.build(channels, outputs, size, config))
