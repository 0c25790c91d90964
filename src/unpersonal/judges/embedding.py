"""The metric-learned embedding of the re-identifier. Legend: B batch, q queries, g gallery images, d dimensions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .build import build_network
from .config import JudgesConfig
from .member import Member


class Embedding(Member):
    """s(a, b) = f(a) · f(b): the cosine of two unit vectors, f a network with `dimensions` outputs.

    All pairs of q and g images cost q + g passes of the network and one matrix product. Nothing beside the network is
    trained; `temperature` divides the cosines in the loss.
    """

    def __init__(self, network: nn.Module, dimensions: int, *, temperature: float) -> None:
        super().__init__(network, dimensions)
        self.temperature = temperature

    def embed(self, images: Tensor) -> Tensor:
        """f of float images [B, C, H, W] in [0, 1]: unit vectors float32 [B, d]."""
        return F.normalize(self.network(images).float(), dim=1)

    def pair_logits(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosines [q, g] of embeddings a [q, d] and b [g, d]."""
        return a @ b.T

    def own_logits(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosines [n, V] of embeddings a [n, d] with b [n, V, d]."""
        return (b @ a[:, :, None])[:, :, 0]

    def loss(self, first: Tensor, second: Tensor, ignored: Tensor) -> tuple[Tensor, float]:
        """See `Member.loss` and `supervised_contrastive`."""
        owners = torch.arange(len(first), device=first.device).repeat(2)
        return supervised_contrastive(torch.cat([first, second]), owners, ignored, self.temperature)


def supervised_contrastive(
    features: Tensor, owners: Tensor, ignored: Tensor, temperature: float
) -> tuple[Tensor, float]:
    """The loss L_out of Khosla et al. (arXiv 2004.11362, equation 2), and the share of views whose nearest is its own.

    Of unit vectors [B, d] of the subjects `owners` int64 [B]; pairs `ignored` bool [B, B] of different subjects are no
    negatives. A view without a partner adds nothing; with one partner for each this is NT-Xent (Chen et al., ICML
    2020).
    """
    itself = torch.eye(len(features), dtype=torch.bool, device=features.device)
    partners = (owners[:, None] == owners[None, :]) & ~itself
    logits = (features @ features.T / temperature).masked_fill(itself | (ignored & ~partners), float("-inf"))
    log_share = logits - logits.logsumexp(dim=1, keepdim=True)
    counts = partners.sum(dim=1)
    has = counts > 0
    own = log_share.masked_fill(~partners, 0).sum(dim=1)[has] / counts[has]
    first = partners.gather(1, logits.argmax(dim=1, keepdim=True))[has, 0]
    return -own.mean(), float(first.float().mean())


def build_embedding(config: JudgesConfig, *, channels: int, size: int, seed: int) -> Embedding:
    """An untrained member; its weights depend on the arguments alone."""
    network = build_network(
        config.reidentifier, config, channels=channels, outputs=config.embedding, size=size, seed=seed
    )
    return Embedding(network, config.embedding, temperature=config.temperature)
