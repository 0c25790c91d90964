"""`densenet121`: DenseNet-121 by MONAI (Huang et al., CVPR 2017), the paper's classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.config import Config

if TYPE_CHECKING:
    from torch import nn


class DenseNet121Network:
    """Trained from scratch; there is nothing to configure."""

    config = Config

    def build(self, channels: int, outputs: int, size: int, config: Config) -> nn.Module:
        """See `Network.build`."""
        from monai.networks.nets.densenet import DenseNet121

        return DenseNet121(spatial_dims=2, in_channels=channels, out_channels=outputs, pretrained=False)


NETWORK = DenseNet121Network()
