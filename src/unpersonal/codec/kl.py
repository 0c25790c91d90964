"""The `kl` codec: a small autoencoder with a normal latent distribution, trained on the study's own train images.

MONAI's AutoencoderKL (arXiv 2112.10752, 2209.07162) without attention, so that memory grows with the pixels only. The
loss is the mean absolute error of pixels, plus `edge_weight` times that of their differences, plus `kl_weight` times
the divergence from the standard normal per pixel value. No discriminator and no perceptual network: both would need
weights from elsewhere, or a training that a CPU cannot afford.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.pixels import to_float
from ..core.seeds import derive_seed
from ..core.training import BestWeights, Hooks, rate_at, train_loop
from .base import RowView, blocks

if TYPE_CHECKING:
    from .codecs.kl import KLConfig

LOG_EVERY = 25
SAVE_EVERY = 200
HELD_OUT_IMAGES = 256
WIDEST = 4
"""Channels never exceed this multiple of the width."""


class KLNetwork:
    """MONAI's AutoencoderKL for images of `channels`, with the shape that the configuration names."""

    def __init__(self, config: KLConfig, channels: int, seed: int = 0) -> None:
        from monai.networks.nets import AutoencoderKL

        widths = [config.width * min(2**level, WIDEST) for level in range(config.levels + 1)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "codec", "weights"))
            self.module: torch.nn.Module = AutoencoderKL(
                spatial_dims=2,
                in_channels=channels,
                out_channels=channels,
                num_res_blocks=1,
                channels=widths,
                attention_levels=[False] * len(widths),
                latent_channels=config.latent_channels,
                norm_num_groups=math.gcd(config.width, 32),
                with_encoder_nonlocal_attn=False,
                with_decoder_nonlocal_attn=False,
            )
        self.channels, self.factor = channels, 2**config.levels

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [B,c,h,w] of pixels [B,C,H,W] in [-1, 1]."""
        mean, deviation = self.module.encode(pixels)
        return mean, deviation

    def restore(self, latents: Tensor) -> Tensor:
        """Pixels [B,C,H,W] of latents [B,c,h,w]."""
        return self.module.decode(latents)


def divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """Sum of KL(N(mean, deviation²) || N(0, 1)) over all elements, in nats (arXiv 1312.6114, appendix B)."""
    variance = deviation**2
    return 0.5 * (mean**2 + variance - 1 - variance.clamp_min(1e-30).log()).sum()


def edge_error(restored: Tensor, images: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbours, down plus across."""
    error = restored - images
    return error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


def looks_since(best: BestWeights) -> int:
    """How many looks were taken after the best one."""
    return sum(look["step"] > best.step for look in best.looks)  # type: ignore[operator]


def train_kl(
    images: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    config: KLConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path,
) -> tuple[KLNetwork, list[dict[str, float]]]:
    """Train on the rows `train` of uint8 images [n,C,H,W]; the rows `held_out` choose the weights and end it early.

    Returns the network, and its history: rows with `step`, `loss`, `pixels` (mean absolute error), `nats` (divergence
    per pixel value), some with `held_out_error` (mean absolute error in [0, 1] of decoded means). Resumes from
    `checkpoint` to the same bytes; the caller removes it. No train images, or a loss that is not finite: `InputError`.
    """
    if len(train) == 0:
        raise InputError("There are no images to train the codec on", where="cohort split")
    network = KLNetwork(config, images.shape[1], seed)
    module = network.module.to(device).train()
    pictures = RowView(images, train)
    spread = np.linspace(0, len(held_out) - 1, min(len(held_out), HELD_OUT_IMAGES)).round().astype(np.int64)
    stopping = RowView(images, np.asarray(held_out)[spread])
    batch = min(config.batch, len(train))
    steps = max(config.images // batch, 1)
    interval = max(round(steps / config.evaluations / LOG_EVERY), 1) * LOG_EVERY
    optimizer = torch.optim.Adam(module.parameters(), lr=config.lr)
    best = BestWeights(module)

    def body(step: int, generator: torch.Generator) -> dict[str, float]:
        rows = torch.randint(len(pictures), (batch,), generator=generator).numpy()
        pixels = to_float(pictures[rows]).to(device) * 2 - 1
        mean, deviation = network.moments(pixels)
        noise = torch.randn(mean.shape, generator=generator).to(device)
        restored = network.restore(mean + deviation * noise)
        error, nats = (restored - pixels).abs().mean(), divergence(mean, deviation) / pixels.numel()
        loss = error + config.edge_weight * edge_error(restored, pixels) + config.kl_weight * nats
        optimizer.param_groups[0]["lr"] = rate_at(step, steps, config.lr)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % interval == 0 or step + 1 == steps:
            measured = held_out_error(network, stopping, config.batch, device)
            # without held-out images the last weights are kept
            best.offer(math.nan if measured is None else -measured, step + 1)
        return {"loss": float(loss.detach()), "pixels": float(error.detach()) / 2, "nats": float(nats.detach())}

    states = {"network": module, "optimizer": optimizer, "best": best}
    history = train_loop(
        "codec",
        states=states,
        steps=steps,
        body=body,
        checkpoint=checkpoint,
        seed=seed,
        save_every=SAVE_EVERY,
        log_every=LOG_EVERY,
        hooks=Hooks(stop=lambda: 0 < config.patience <= looks_since(best)),
    )
    if len(stopping) and not math.isfinite(best.score):
        raise InputError(
            "The codec's held-out error was never a finite number", where="[codec] lr", how="lower the learning rate"
        )
    best.restore()
    module.requires_grad_(False)
    errors = {look["step"]: {"held_out_error": -look["score"]} for look in best.looks if look["score"] is not None}
    return network, [{**row, **errors.get(row["step"], {})} for row in history]


def held_out_error(network: KLNetwork, images: RowView, batch: int, device: torch.device) -> float | None:
    """Mean absolute error in [0, 1] of decoded means over `images`; None where there are none."""
    if len(images) == 0:
        return None
    network.module.eval()
    total = 0.0
    with torch.no_grad():
        for block in blocks(len(images), batch):
            pixels = to_float(images[block]).to(device) * 2 - 1
            restored = network.restore(network.moments(pixels)[0]).clamp(-1, 1)
            total += float((restored - pixels).abs().double().sum()) / 2
    network.module.train()
    return total / math.prod(images.shape)
