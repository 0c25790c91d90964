"""The solver on a density whose denoiser and flow are known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unpersonal.diffusion.guidance import guided
from unpersonal.diffusion.sampling import renoise_and_denoise, sample, time_grid
from unpersonal.diffusion.solvers.heun import Churn, heun

MEAN, SPREAD = 0.3, 0.5


def gaussian(x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
    """The exact denoiser of N(MEAN, SPREAD²)."""
    return (SPREAD**2 * x + t**2 * MEAN) / (SPREAD**2 + t**2)


def flow(x: Tensor, start: float, end: float) -> Tensor:
    """Where the probability flow takes `x` from noise level `start` to `end`."""
    return MEAN + (x - MEAN) * math.sqrt((SPREAD**2 + end**2) / (SPREAD**2 + start**2))


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_second_order_convergence_to_the_exact_flow() -> None:
    unit = noise(50, 1, 2, 2).double()
    errors = []
    for steps in (16, 32, 64, 128):
        sigmas = time_grid(steps, 1e-5, 20.0, dtype=torch.float64)
        exact = flow(unit * sigmas[0], float(sigmas[0]), 0.0)
        errors.append(float((heun(gaussian, unit, sigmas).double() - exact).abs().max()))
    orders = [math.log2(errors[i] / errors[i + 1]) for i in range(3)]
    assert all(1.7 < order < 2.5 for order in orders), (errors, orders)
    assert errors[-1] < 2e-3


def test_samples_have_the_moments_of_the_density() -> None:
    drawn = sample(gaussian, noise(4000, 1, 2, 2), steps=32)
    assert drawn.dtype == torch.float32
    assert abs(float(drawn.mean()) - MEAN) < 0.02 and abs(float(drawn.std()) - SPREAD) < 0.02


def test_churn_keeps_the_density() -> None:
    generator = torch.Generator().manual_seed(1)
    churn = Churn(30.0, lambda step, x: torch.randn(x.shape, generator=generator), t_min=0.01, t_max=50.0)
    drawn = sample(gaussian, noise(4000, 1, 2, 2), steps=64, churn=churn)
    assert abs(float(drawn.mean()) - MEAN) < 0.02 and abs(float(drawn.std()) - SPREAD) < 0.02


def test_guidance_one_is_unguided_and_leaves_the_guide_alone() -> None:
    def refuse(*arguments: object) -> Tensor:
        raise AssertionError("the guide was evaluated")

    unit = noise(3, 1, 2, 2)
    plain = sample(gaussian, unit, steps=5)
    assert torch.equal(sample(gaussian, unit, guide=refuse, guidance=1.0, steps=5), plain)
    assert torch.equal(sample(gaussian, unit, guide=refuse, guidance=torch.ones(3), steps=5), plain)
    with pytest.raises(ValueError, match="guide"):
        guided(gaussian, guidance=1.4)


def test_guidance_extrapolates_and_may_differ_per_sample() -> None:
    def guide(x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x)

    x, t = noise(3, 1, 2, 2), torch.tensor(0.7)
    assert torch.allclose(guided(gaussian, guide=guide, guidance=1.4)(x, t), 1.4 * gaussian(x, t))
    strengths = torch.tensor([1.0, 1.2, 1.4])
    mixed = sample(gaussian, x, guide=guide, guidance=strengths, steps=6)
    for row, strength in enumerate(strengths.tolist()):
        alone = sample(gaussian, x[row : row + 1], guide=guide, guidance=strength, steps=6)
        assert torch.allclose(mixed[row : row + 1], alone, atol=1e-5)


def test_labels_reach_the_guide_only_when_asked() -> None:
    seen: list[Tensor | None] = []

    def guide(x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        seen.append(labels)
        return torch.zeros_like(x)

    labels = torch.ones(2, 4)
    for passed in (False, True):
        guided(gaussian, labels, guide=guide, guidance=1.2, labels_to_guide=passed)(
            noise(2, 1, 2, 2), torch.tensor(1.0)
        )
    assert seen[0] is None and seen[1] is labels


def test_observer_sees_every_evaluation() -> None:
    seen: list[float] = []
    sigmas = time_grid(7)
    heun(gaussian, noise(1, 1, 2, 2), sigmas, observe=lambda x, t: seen.append(float(t)))
    expected = [float(sigmas[0])]
    for level in sigmas[1:-1]:
        # the end of one step, then the start of the next
        expected += [float(level), float(level)]
    assert seen == expected


def test_time_grid_ends_at_zero_and_takes_one_step() -> None:
    assert time_grid(1).tolist() == pytest.approx([80.0, 0.0], rel=1e-5)
    with pytest.raises(ValueError):
        time_grid(0)


def test_near_duplicates_follow_the_flow_and_stay_near_for_little_noise() -> None:
    latents, unit = MEAN + SPREAD * noise(40, 1, 2, 2), noise(41, 1, 2, 2)[1:]
    for sigma in (0.05, 0.3, 2.0):
        moved = renoise_and_denoise(gaussian, latents, sigma, unit, None, 64)
        assert torch.allclose(moved, flow(latents + sigma * unit, sigma, 0.0), atol=5e-3)
    near, far = ((renoise_and_denoise(gaussian, latents, s, unit, None, 8) - latents).abs().mean() for s in (0.01, 1.0))
    assert float(near) < 0.02 < float(far)
    with pytest.raises(ValueError, match="sigma_min"):
        renoise_and_denoise(gaussian, latents, 1e-4, unit, None, 8)
