"""Codecs that are networks: a normal distribution per image, scaled so that samples have standard deviation 0.5.

Legend: B batch, C image channels, H W pixels, c h w latent channels and cells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from ..core.errors import InputError
from .base import BLOCK, SIGMA_DATA, CodecState

PIXELS_AT_ONCE = 2**20
"""Pixels that a network sees at once, whatever batch it is handed: memory does not grow with the batch."""

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


class Autoencoder(Protocol):
    """What a codec needs of its network; `module` holds the weights."""

    module: torch.nn.Module
    channels: int
    factor: int

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [B,c,h,w] of the latents of `pixels` [B,channels,H,W] in [-1, 1]."""
        ...

    def restore(self, latents: Tensor) -> Tensor:
        """Pixels [B,channels,H,W], about [-1, 1], of latents [B,c,h,w]."""
        ...


class NetworkCodec:
    """A frozen `network` with `mean` [c] and `scale` [c] of its latents; `channels` = C, those of the images.

    Where C is 1 and the network wants 3, grey is repeated and comes back as luma. `facts` is plain JSON from which the
    network can be built again.
    """

    def __init__(self, network: Autoencoder, facts: dict[str, Any], channels: int, mean: Tensor, scale: Tensor) -> None:
        network.module.eval().requires_grad_(False)
        self._network, self._channels = network, channels
        self._facts = facts
        self.mean, self.scale = mean.float().reshape(-1, 1, 1), scale.float().reshape(-1, 1, 1)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [B,c,h,w] of the scaled latents of images [B,C,H,W] in [0, 1]."""
        mean, deviation = self.raw_posterior(images)
        stretch = SIGMA_DATA / self.scale.to(mean.device)
        return (mean - self.mean.to(mean.device)) * stretch, deviation * stretch

    def raw_posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """`posterior` before scaling, as the network gives it."""
        self._network.module.to(images.device)
        pairs = list(_chunked(images, self._moments, images.shape[-1] * images.shape[-2]))
        return torch.cat([mean for mean, _ in pairs]), torch.cat([deviation for _, deviation in pairs])

    def encode(self, images: Tensor) -> Tensor:
        """Means [B,c,h,w] of the scaled latents of images [B,C,H,W] in [0, 1]."""
        return self.posterior(images)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """Images [B,C,H,W], clipped to [0, 1], of latents [B,c,h,w]."""
        self._network.module.to(latents.device)
        raw = latents * (self.scale.to(latents.device) / SIGMA_DATA) + self.mean.to(latents.device)
        pixels = latents.shape[-1] * latents.shape[-2] * self._network.factor**2
        return torch.cat(list(_chunked(raw, self._pictures, pixels)))

    def scaled(self, mean: Tensor, scale: Tensor) -> NetworkCodec:
        """The same network with other statistics."""
        return NetworkCodec(self._network, self._facts, self._channels, mean, scale)

    def state(self) -> CodecState:
        """`mean`, `scale` and the weights, each as `network.<name>`; the facts, and the `channels` of the images."""
        weights = {f"network.{name}": value for name, value in self._network.module.state_dict().items()}
        tensors = {"mean": self.mean, "scale": self.scale, **weights}
        return CodecState(tensors, {**self._facts, "channels": self._channels})

    def _moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = images.expand(-1, self._network.channels, -1, -1)
        mean, deviation = self._network.moments(pixels * 2 - 1)
        return mean.float(), deviation.float()

    def _pictures(self, latents: Tensor) -> Tensor:
        pixels = ((self._network.restore(latents).float() + 1) / 2).clamp(0, 1)
        if self._channels == pixels.shape[1]:
            return pixels
        weights = torch.tensor(LUMA, device=pixels.device).reshape(1, 3, 1, 1)
        return (pixels * weights).sum(1, keepdim=True).clamp(0, 1)


def unscaled(network: Autoencoder, facts: dict[str, Any], channels: int) -> NetworkCodec:
    """The codec of a network whose latents have not been measured yet."""
    return NetworkCodec(network, facts, channels, torch.zeros(1), torch.ones(1))


def restored(network: Autoencoder, state: CodecState, where: str) -> NetworkCodec:
    """The codec that was saved as `state`, around `network`; what does not fit is an `InputError`."""
    saved = state.tensors.items()
    weights = {name.removeprefix("network."): value for name, value in saved if name.startswith("network.")}
    try:
        network.module.load_state_dict(weights, strict=True)
        channels, mean, scale = int(state.facts["channels"]), state.tensors["mean"], state.tensors["scale"]
    except (RuntimeError, KeyError) as error:
        raise InputError(
            f"The codec does not fit the facts beside it ({type(error).__name__})",
            where=where,
            how="delete the folder store and run again",
        ) from None
    facts = {name: value for name, value in state.facts.items() if name != "channels"}
    return NetworkCodec(network, facts, channels, mean, scale)


def _chunked(values: Tensor, function: Callable[[Tensor], Any], pixels: int) -> Any:
    """Results of `function` over chunks of `values` that bound the memory; inference only."""
    with torch.no_grad():
        for chunk in values.split(min(max(PIXELS_AT_ONCE // pixels, 1), BLOCK)):
            yield function(chunk)
