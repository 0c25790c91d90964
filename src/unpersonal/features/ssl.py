"""In-domain self-supervised encoder: contrastive learning of two views (arXiv 2002.05709), small enough for a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..core.pixels import to_float
from ..core.seeds import derive_seed
from ..core.training import rate_at, train_loop
from .base import EncoderInputs

if TYPE_CHECKING:
    from .encoders.ssl import SSLConfig


class SSLNetwork(nn.Module):
    """Images float32 [B,C,H,W] in [0, 1] to vectors [B,d]: four strided convolution stages, mean and max pooling."""

    def __init__(self, channels: int, width: int, dimensions: int) -> None:
        super().__init__()
        widths = [width, width * 2, width * 4, width * 4]
        layers: list[nn.Module] = []
        before = channels
        for i, after in enumerate(widths):
            layers += [nn.Conv2d(before, after, 5 if i == 0 else 3, stride=2, padding=2 if i == 0 else 1, bias=False)]
            layers += [nn.GroupNorm(4, after), nn.SiLU()]
            before = after
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * before, dimensions)
        self.projection = nn.Sequential(nn.SiLU(), nn.Linear(dimensions, dimensions))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Vectors [B,d], before normalisation."""
        maps = self.body((images - 0.5) * 4)
        return self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))


def build_encoder(channels: int, width: int, dimensions: int, seed: int) -> SSLNetwork:
    """An encoder with weights drawn from `seed`, without touching the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "features", "init"))
        return SSLNetwork(channels, width, dimensions)


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A view that keeps the anatomy: shift, scale and rotation by one affine grid, gamma, contrast, noise; no flips."""
    b = len(images)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(b, generator=generator) * (high - low) + low

    angle, scale = uniform(-0.15, 0.15), uniform(0.75, 1.05)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [torch.stack([cosine, -sine, uniform(-0.12, 0.12)], 1), torch.stack([sine, cosine, uniform(-0.12, 0.12)], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    views = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gamma = torch.exp(uniform(-0.4, 0.4))[:, None, None, None]
    contrast, shift = uniform(0.8, 1.2)[:, None, None, None], uniform(-0.1, 0.1)[:, None, None, None]
    views = (views.clamp(1e-4, 1) ** gamma - 0.5) * contrast + 0.5 + shift
    noise = torch.randn(views.shape, generator=generator) * uniform(0, 0.05)[:, None, None, None]
    return (views + noise).clamp(0, 1)


def contrastive_loss(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """NT-Xent (arXiv 2002.05709, equation 1) of paired projections [B,d]; returns the mean over 2B anchors."""
    z = F.normalize(torch.cat([first, second]), dim=1)
    logits = z @ z.T / temperature
    logits.fill_diagonal_(float("-inf"))
    b = len(first)
    return F.cross_entropy(logits, torch.arange(2 * b, device=z.device).roll(b))


def encode_all(encoder: SSLNetwork, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Unit-length features float32 [n,d] of uint8 images [n,C,H,W]; the encoder must be in eval mode."""
    assert not encoder.training
    rows = []
    with torch.no_grad():
        for start in range(0, len(images), 512):
            batch = to_float(images[start : start + 512]).to(device)
            rows.append(F.normalize(encoder(batch), dim=1).cpu().numpy())
    return np.concatenate(rows)


class SSLEncoder:
    """A trained `network` in eval mode, on `device`."""

    def __init__(self, network: SSLNetwork, device: torch.device) -> None:
        self.network, self._device = network, device

    def unit(self, images: np.ndarray) -> np.ndarray:
        """Unit-length features float32 [n,d] of uint8 images [n,C,H,W]."""
        return encode_all(self.network, images, self._device)


def train_ssl(config: SSLConfig, inputs: EncoderInputs) -> tuple[SSLEncoder, list[dict[str, float]]]:
    """Train on all of `inputs.images`; resumes from the checkpoint to the same bytes, and leaves it for the caller."""
    device, images = inputs.device, inputs.images
    network = build_encoder(images.shape[1], config.width, inputs.dimensions, inputs.seed).to(device).train()
    batch = min(config.batch, len(images))
    steps = max(config.images // batch, 1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=1e-4)
    pixels = torch.from_numpy(images)

    def body(step: int, generator: torch.Generator) -> dict[str, float]:
        rows = torch.randperm(len(pixels), generator=generator)[:batch]
        picked = to_float(pixels[rows])
        views = [network.projection(network(augment(picked, generator).to(device))) for _ in range(2)]
        loss = contrastive_loss(views[0], views[1], config.temperature)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, config.lr)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    history = train_loop(
        "features",
        states={"encoder": network, "optimizer": optimizer},
        steps=steps,
        body=body,
        checkpoint=inputs.checkpoint,
        seed=inputs.seed,
        save_every=200,
    )
    return SSLEncoder(network.eval(), device), history
