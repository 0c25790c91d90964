"""The Siamese network of the re-identifier. Legend: B batch, q queries, g gallery images, d embedding dimensions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .build import build_network
from .config import JudgesConfig
from .member import Member


class Siamese(Member):
    """s(a, b) = bias - sum_k w_k |f_k(a) - f_k(b)|, the |Δ| head of a Siamese network (Koch et al. 2015).

    f is a network with `d` outputs, brought to unit root mean square. w is non-negative unless `signed`. Because the
    head is a weighted L1 distance, all pairs of q and g images cost q + g passes of the network, not q · g.
    """

    def __init__(self, network: nn.Module, dimensions: int, *, signed: bool = False) -> None:
        super().__init__(network, dimensions)
        self.signed = signed
        # two independent embeddings are about 10 apart under these weights; half of that is a fair first boundary
        self.bias = nn.Parameter(torch.tensor(5.0))
        start = 10.0 / dimensions
        self.weight = nn.Parameter(torch.full((dimensions,), start if signed else start**0.5))

    @property
    def head_weights(self) -> Tensor:
        """w, float32 [d]; squares where the head is not signed."""
        return self.weight if self.signed else self.weight.square()

    def embed(self, images: Tensor) -> Tensor:
        """f of float images [B, C, H, W] in [0, 1]: float32 [B, d]."""
        features = self.network(images).float()
        return features * features.square().mean(dim=1, keepdim=True).add(1e-8).rsqrt()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [B] of B pairs of images, as the definition says; `pair_logits` gives all pairs faster."""
        difference = (self.embed(a) - self.embed(b)).abs()
        return self.bias - (difference * self.head_weights).sum(dim=1)

    def own_logits(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [n, V] between embeddings a [n, d] and b [n, V, d]."""
        return self.bias - (b - a[:, None]).abs() @ self.head_weights

    def loss(self, first: Tensor, second: Tensor, ignored: Tensor) -> tuple[Tensor, float]:
        """See `Member.loss` and `contrastive_loss`."""
        return contrastive_loss(self, first, second, ignored)

    def pair_logits(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [q, g] between embeddings a [q, d] and b [g, d]: w |x - y| = |w x - w y| for w >= 0."""
        weights = self.head_weights
        positive = weights.clamp(min=0)
        logits = self.bias - torch.cdist(a * positive, b * positive, p=1.0)
        if self.signed:
            negative = (-weights).clamp(min=0)
            logits = logits + torch.cdist(a * negative, b * negative, p=1.0)
        return logits


def build_siamese(config: JudgesConfig, *, channels: int, size: int, seed: int) -> Siamese:
    """An untrained member; its weights depend on the arguments alone."""
    network = build_network(
        config.reidentifier, config, channels=channels, outputs=config.embedding, size=size, seed=seed
    )
    return Siamese(network, config.embedding, signed=config.signed_head)


def contrastive_loss(
    model: Siamese, first: Tensor, second: Tensor, ignored: Tensor | None = None
) -> tuple[Tensor, float]:
    """InfoNCE over the logits of two views [B, d] of B subjects, and the share of views whose partner ranks first.

    Every one of the 2 B - 2 views of other subjects is a negative (NT-Xent, Chen et al. 2020, with -L1 in place of
    the cosine), so that the hardest weigh most; pairs `ignored` bool [2 B, 2 B] are none. The bias, which InfoNCE
    cannot see, is fitted by logistic regression on the detached distances, with positives and negatives weighted
    equally.
    """
    count = len(first)
    both = torch.cat([first, second])
    logits = model.pair_logits(both, both)
    itself = torch.eye(2 * count, dtype=torch.bool, device=logits.device)
    partner = torch.arange(2 * count, device=logits.device).roll(count)
    matched = itself.roll(count, dims=1)
    others = ~(matched | itself)
    if ignored is not None:
        others = others & ~ignored
    logits = logits.masked_fill(~(matched | others), float("-inf"))
    contrast = F.cross_entropy(logits, partner)
    distances = (logits - model.bias).detach()
    calibration = (
        F.softplus(-(distances[matched] + model.bias)).mean()
        + F.softplus(distances[others] + model.bias).sum() / others.sum().clamp(min=1)
    ) / 2
    return contrast + calibration, float((logits.argmax(dim=1) == partner).float().mean())
