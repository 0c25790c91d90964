"""`resnet50`: ResNet-50 by MONAI (He et al., CVPR 2016), the paper's re-identifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.config import Config

if TYPE_CHECKING:
    from torch import nn


class ResNet50Network:
    """Trained from scratch; there is nothing to configure."""

    config = Config

    def build(self, channels: int, outputs: int, size: int, config: Config) -> nn.Module:
        """See `Network.build`."""
        from monai.networks.nets.resnet import resnet50

        return resnet50(pretrained=False, spatial_dims=2, n_input_channels=channels, num_classes=outputs)


NETWORK = ResNet50Network()
