"""The loss against its closed forms."""

from __future__ import annotations

import pytest
import torch

from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.loss import ambient_loss, edm2_loss, loss_weight
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


def mean_of(x: torch.Tensor, spread: float, sigma: float) -> torch.Tensor:
    """E[clean | x] of clean latents that are normal with mean 0.3."""
    return 0.3 + spread**2 / (spread**2 + sigma**2) * (x - 0.3)


@pytest.mark.parametrize("sigma", [0.45, 0.8, 3.0])
def test_the_ambient_loss_is_least_at_the_clean_posterior_mean(sigma: float) -> None:
    """Of all D(x) = a + b x: where latents are normal with another spread than the network takes them to have."""
    generator, spread, once, count = torch.Generator().manual_seed(1), 0.7, 0.4, 400_000
    clean = 0.3 + spread * torch.randn(count, 1, 1, 1, generator=generator, dtype=torch.float64)
    known = clean + once * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    level, noised = (torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (sigma, once))
    seen = []

    def loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        def denoise(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            seen.append(x.detach())
            return a + b * x, torch.zeros_like(level)

        return ambient_loss(denoise, known, level, noise, noised, 0.5).mean()

    values = [torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2)]
    gradient = torch.autograd.grad(loss(*values), values, create_graph=True)
    hessian = torch.stack([torch.stack(torch.autograd.grad(g, values, retain_graph=True)) for g in gradient])
    a, b = -torch.linalg.solve(hessian, torch.stack(gradient)).detach()
    x = torch.linspace(-1, 1.5, 6, dtype=torch.float64)
    assert torch.allclose(a + b * x, mean_of(x, spread, sigma), atol=0.03 * max(1.0, (once / (sigma - 0.3)) ** 2))
    # the plain loss on what was noised once would learn the noised latents
    assert float(seen[0].std()) == pytest.approx((spread**2 + sigma**2) ** 0.5, rel=0.01)
    noisy = 0.3 + (spread**2 + once**2) / (spread**2 + sigma**2)
    assert abs(float(b) - noisy) > 0.1 or sigma > 2


def test_the_ambient_loss_begins_at_one_and_is_the_plain_one_without_noise() -> None:
    generator = torch.Generator().manual_seed(2)
    network = build_denoiser(NetworkConfig(resolution=4, channels=2, model_channels=8), 0).eval()
    clean = 0.5 * torch.randn(20_000, 2, 4, 4, generator=generator)
    noise, once = (torch.randn(clean.shape, generator=generator) for _ in range(2))
    for level in (0.31, 0.5, 5.0):
        sigma = torch.full((len(clean), 1, 1, 1), level)
        noised = torch.full_like(sigma, 0.3)

        def first_guess(x: torch.Tensor, total: float = level**2 + 0.25) -> tuple[torch.Tensor, torch.Tensor]:
            return 0.25 / total * x, torch.zeros(1, 1, 1, 1)

        found = ambient_loss(first_guess, clean + 0.3 * once, sigma, noise, noised, 0.5)
        assert float(found.mean()) == pytest.approx(1.0, abs=0.02)
    some = slice(0, 6)
    with torch.no_grad():
        sigma = torch.rand(6, 1, 1, 1, generator=generator) + 0.1
        plain = edm2_loss(network, clean[some], sigma, noise[some])
        none = edm2_loss(network, clean[some], sigma, noise[some], noised=torch.zeros_like(sigma))
        assert torch.allclose(plain, none, rtol=1e-5, atol=1e-6)
        exact = edm2_loss(network, clean[some], sigma, noise[some], noised=sigma.clone())
        assert torch.isfinite(exact).all()
