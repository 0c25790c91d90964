"""The uncertainty-weighted denoising loss of EDM2 (arXiv 2312.02696, equations 14 to 16, 21), and its ambient form."""

from __future__ import annotations

from collections.abc import Callable
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
    denoiser: nn.Module,
    latents: Tensor,
    sigma: Tensor,
    noise: Tensor,
    labels: Tensor | None = None,
    augment: Tensor | None = None,
    noised: Tensor | None = None,
) -> Tensor:
    """The loss of each element, not reduced: [B, C, H, W].

    `latents` and the unit normal `noise` are [B, C, H, W], `sigma` is [B, 1, 1, 1], `labels` [B, L] or None, `augment`
    [B, a] the values of augmented views or None. The value is `weight / exp(u) · (D(latents + sigma noise) - latents)²
    + u` with the network's own log variance u. `noised` [B, 1, 1, 1]: see `ambient_loss`.
    """
    told = {} if augment is None else {"augment_labels": augment}
    inner: Denoiser = getattr(denoiser, "module", denoiser)  # of a wrapper that shares gradients between processes
    if noised is not None:
        return ambient_loss(
            lambda x: denoiser(x, sigma, labels, return_logvar=True, **told),
            latents,
            sigma,
            noise,
            noised,
            inner.config.sigma_data,
        )
    denoised, logvar = denoiser(latents + sigma * noise, sigma, labels, return_logvar=True, **told)
    return loss_weight(sigma, inner.config.sigma_data) / logvar.exp() * (denoised - latents) ** 2 + logvar


def ambient_loss(
    denoise: Callable[[Tensor], tuple[Tensor, Tensor]],
    latents: Tensor,
    sigma: Tensor,
    noise: Tensor,
    noised: Tensor,
    sigma_data: float,
) -> Tensor:
    """The loss where `latents` y were noised once, to the level `noised` s [B, 1, 1, 1] below `sigma`: [B, C, H, W].

    Ambient denoising (Daras, Dimakis & Daskalakis, arXiv 2404.10177; 2502.21278). With clean latents x₀ it is y = x₀ +
    s n₀, with n₀ the same for ever, and the network sees x = y + sqrt(sigma² - s²) n. Given x and x₀, y is normal with
    mean x₀ + (s²/sigma²) (x - x₀) = a x₀ + (1 - a) x, where a = 1 - s²/sigma². So E[y | x] = a E[x₀ | x] + (1 - a) x,
    and the error `(a D(x) + (1 - a) x - y)²` is least where D(x) = E[x₀ | x]: the network learns what the clean latents
    are and never sees them. `denoise` gives D and the log variance u of x; the value is `weight / exp(u) · error + u`.
    The error has the expectation a² E(D - x₀)² + a s², and the weight makes the initial loss 1 at every level, as
    `loss_weight` does; for s = 0 both losses are one.
    """
    share = 1 - noised**2 / sigma**2
    x = latents + (sigma**2 - noised**2).clamp_min(0).sqrt() * noise
    denoised, logvar = denoise(x)
    error = share * denoised + (1 - share) * x - latents
    initial = share**2 / loss_weight(sigma, sigma_data) + share * noised**2
    return error**2 / (initial.clamp_min(1e-12) * logvar.exp()) + logvar
