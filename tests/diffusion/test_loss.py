"""The loss against its closed forms."""

from __future__ import annotations

import pytest
import torch

from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.loss import edm2_loss, loss_weight
from unpersonal.diffusion.network import build_denoiser


def test_loss_is_elementwise_and_the_uncertainty_is_learned() -> None:
    network = build_denoiser(NetworkConfig(resolution=4, channels=2, model_channels=8), 0).eval()
    generator = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(6, 2, 4, 4, generator=generator) for _ in range(2))
    sigma = torch.rand(6, 1, 1, 1, generator=generator) + 0.1
    with torch.no_grad():
        loss = edm2_loss(network, x, sigma, noise)
        denoised, logvar = network(x + sigma * noise, sigma, return_logvar=True)
        weight = loss_weight(sigma, 0.5)
        assert loss.shape == x.shape
        assert torch.allclose(loss, weight * (denoised - x) ** 2 / logvar.exp() + logvar)
    # with sigma_data the true spread, the untrained network has weighted error 1 at every level
    x = 0.5 * torch.randn(20_000, 2, 4, 4, generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    for level in (0.05, 0.5, 5.0):
        sigma = torch.full((1, 1, 1, 1), level)
        scale = 0.25 / (level**2 + 0.25)
        error = loss_weight(sigma, 0.5) * (scale * (x + sigma * noise) - x) ** 2
        assert float(error.mean()) == pytest.approx(1.0, abs=0.01)
