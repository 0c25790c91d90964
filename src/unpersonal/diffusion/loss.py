"""The uncertainty-weighted denoising loss of EDM2 (arXiv 2312.02696, equations 14 to 16 and 21)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .network import Denoiser


def sigma_from_normal(z: Tensor, P_mean: float, P_std: float) -> Tensor:
    """Noise levels `exp(P_mean + P_std z)` of standard-normal draws `z`, in their shape."""
    return (z * P_std + P_mean).exp()


def loss_weight(sigma: Tensor, sigma_data: float) -> Tensor:
    """`(sigma² + sigma_data²) / (sigma sigma_data)²`: makes the initial loss 1 at every noise level."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def edm2_loss(
    denoiser: nn.Module, latents: Tensor, sigma: Tensor, noise: Tensor, labels: Tensor | None = None
) -> Tensor:
    """The loss of each element, not reduced: [B, C, H, W].

    `latents` and the unit normal `noise` are [B, C, H, W], `sigma` is [B, 1, 1, 1], `labels` [B, L] or None. The value
    is `weight / exp(u) · (D(latents + sigma noise) - latents)² + u` with the network's own log variance u.
    """
    denoised, logvar = denoiser(latents + sigma * noise, sigma, labels, return_logvar=True)
    inner: Denoiser = getattr(denoiser, "module", denoiser)  # of a wrapper that shares gradients between processes
    return loss_weight(sigma, inner.config.sigma_data) / logvar.exp() * (denoised - latents) ** 2 + logvar
