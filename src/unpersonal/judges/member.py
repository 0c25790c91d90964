"""What a member of the re-identifier is. Legend: B batch, C H W image, d dimensions, V views of an image."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Member(nn.Module, ABC):
    """A network that embeds images, and says of two embeddings how surely they show one subject.

    An image costs one pass of `network`, however many pairs it is part of.
    """

    def __init__(self, network: nn.Module, dimensions: int) -> None:
        super().__init__()
        self.network, self.dimensions = network, dimensions

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Embeddings float32 [B, d] of float images [B, C, H, W] in [0, 1]."""

    @abstractmethod
    def pair_logits(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [q, g] of all pairs of embeddings a [q, d] and b [g, d]; the higher, the more surely one subject."""

    @abstractmethod
    def own_logits(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [n, V] of embeddings a [n, d], each with the views b [n, V, d] of its own row."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits [B] of B pairs of images [B, C, H, W]; `pair_logits` gives all pairs faster."""
        return self.own_logits(self.embed(a), self.embed(b)[:, None])[:, 0]

    @abstractmethod
    def loss(self, first: Tensor, second: Tensor, ignored: Tensor) -> tuple[Tensor, float]:
        """The loss of two views [B, d] of B subjects, and the share of the 2 B views whose partner ranks first.

        Pairs of views `ignored` (bool [2 B, 2 B]; the first views, then the second) count neither as one subject nor
        as two: they show a person in part.
        """

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters beside those of `network`."""
        inside = {id(parameter) for parameter in self.network.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in inside]
