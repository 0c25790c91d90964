"""The door for networks: what a network is, and where they are found. To add one, add a module to `networks/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..core.config import Config
from ..core.registry import Registry

if TYPE_CHECKING:
    from torch import nn


class Network(Protocol):
    """An architecture for the re-identifier, the label classifier and the recipient's classifier."""

    @property
    def config(self) -> type[Config]:
        """The class of its own configuration."""

    def build(self, channels: int, outputs: int, size: int, config: Any) -> nn.Module:
        """A network from float images [B, channels, size, size] to [B, outputs], with fresh initial weights.

        The images come standardised, each to mean 0 and deviation 1 over its own pixels. In eval mode the outputs of an
        image must not depend on the rest of the batch. `config` is an instance of this part's own class.
        """


NETWORKS: Registry[Network] = Registry("network", package="unpersonal.judges.networks", attribute="NETWORK")
