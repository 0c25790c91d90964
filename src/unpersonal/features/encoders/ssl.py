"""The encoder `ssl`: trained on train without labels, two views of an image against all others (see `features.ssl`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ...core.config import Config
from ..base import EncoderInputs, EncoderPart

if TYPE_CHECKING:
    import torch

    from ..ssl import SSLEncoder


class SSLConfig(Config):
    """Keys of the encoder `ssl`."""

    width: int = Field(24, ge=4, description="channels of the first convolution (ssl)")
    images: int = Field(120_000, ge=1, description="training budget: image pairs seen (ssl)")
    batch: int = Field(256, ge=4, description="image pairs per step (ssl)")
    lr: float = Field(2e-3, gt=0, description="peak learning rate (ssl)")
    temperature: float = Field(0.2, gt=0, description="temperature of the contrastive loss (ssl)")


class SSLPart(EncoderPart):
    """The encoder `ssl`."""

    config = SSLConfig
    summary = "self-supervised, trained on train"

    def fit(self, config: SSLConfig, inputs: EncoderInputs) -> tuple[SSLEncoder, list[dict[str, float]]]:
        """Train, or go on from a checkpoint."""
        from ..ssl import train_ssl

        return train_ssl(config, inputs)

    def save(self, encoder: SSLEncoder) -> dict[str, torch.Tensor]:
        """The weights."""
        return dict(encoder.network.state_dict())

    def load(self, tensors: dict[str, torch.Tensor]) -> SSLEncoder:
        """The encoder of the weights, whose shapes say how it is built; on the CPU."""
        import torch

        from ..ssl import SSLEncoder, SSLNetwork

        width, channels = tensors["body.0.weight"].shape[:2]
        with torch.random.fork_rng(devices=[]):
            network = SSLNetwork(int(channels), int(width), int(tensors["head.weight"].shape[0]))
        network.load_state_dict(tensors)
        return SSLEncoder(network.eval(), torch.device("cpu"))


ENCODER = SSLPart()
