"""`small`: a compact residual network for 32 to 256 px that costs about the same at every size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ...core.config import Config

if TYPE_CHECKING:
    from torch import nn


class SmallConfig(Config):
    """How wide the network is."""

    width: int = Field(32, ge=4, le=512)
    """Channels of the first stage; later stages have 2× and 4×."""


class Small:
    """Trained from scratch."""

    config = SmallConfig

    def build(self, channels: int, outputs: int, size: int, config: SmallConfig) -> nn.Module:
        """See `Network.build`."""
        from ._residual import SmallNetwork

        return SmallNetwork(channels, outputs, config.width, size)


NETWORK = Small()
