"""The compact residual network. Shapes: B batch, C channels, H W pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3×3 convolutions with batch normalisation around a shortcut (He et al. 2016, pre-activation form)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        hidden = self.conv1(torch.relu(self.norm1(x)))
        return self.shortcut(self.pool(x)) + self.conv2(torch.relu(self.norm2(hidden)))


class SmallNetwork(nn.Module):
    """A compact residual network for 32 to 256 px that costs about the same at every size.

    A strided stem brings the image to about 16 px, three stages follow (`width`, 2 `width`, 4 `width` channels). The
    head reads the global mean, the global maximum, and a 4×4 map of `width` channels: where something lies is part
    of anatomy, and a global mean would forget it.
    """

    def __init__(self, channels: int, outputs: int, width: int, size: int) -> None:
        super().__init__()
        stem: list[nn.Module] = []
        inputs, side = channels, size
        strides = max(1, (size // 16).bit_length() - 1)
        for index in range(strides):
            stem_width = max(width >> (strides - 1 - index), 8)
            stem += [nn.Conv2d(inputs, stem_width, 3, 2, 1, bias=False)]
            if index < strides - 1:
                stem += [nn.BatchNorm2d(stem_width), nn.ReLU()]
            inputs, side = stem_width, (side + 1) // 2
        self.stem = nn.Sequential(*stem)
        self.stages = nn.Sequential(
            Residual(inputs, width, 1), Residual(width, 2 * width, 2), Residual(2 * width, 4 * width, 2)
        )
        self.norm = nn.BatchNorm2d(4 * width)
        self.map = nn.Sequential(nn.Conv2d(4 * width, width, 1), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Linear(2 * 4 * width + 16 * width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """[B, C, H, W] to [B, outputs]."""
        x = torch.relu(self.norm(self.stages(self.stem(images))))
        return self.head(torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), self.map(x)], dim=1))
