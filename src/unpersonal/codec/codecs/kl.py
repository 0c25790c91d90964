"""The codec `kl`: an autoencoder trained on the study's own train images (see `codec.kl`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from ...core.config import Config, build_config
from ...core.files import write_json
from ..base import CodecPart, CodecState, FitInputs, FittedCodec, Plan

if TYPE_CHECKING:
    from ..autoencoder import Autoencoder, NetworkCodec


class KLConfig(Config):
    """Keys of the kl codec."""

    latent_channels: int = Field(4, ge=1, le=64, description="channels of the latents (kl codec)")
    width: int = Field(16, ge=4, multiple_of=4, description="channels at full size (kl codec)")
    levels: int = Field(2, ge=1, le=5, description="how often the edge is halved (kl codec)")
    kl_weight: float = Field(1e-6, ge=0, description="weight of the divergence, in nats per pixel value (kl codec)")
    edge_weight: float = Field(0.5, ge=0, description="weight of the error of the image gradients (kl codec)")
    images: int = Field(50_000, ge=1, description="images the autoencoder is trained on, with repetition (kl codec)")
    batch: int = Field(16, ge=1, description="images per step (kl codec)")
    lr: float = Field(1e-3, gt=0, description="peak learning rate (kl codec)")
    evaluations: int = Field(20, ge=1, description="how often the held-out error is measured (kl codec)")
    patience: int = Field(5, ge=0, description="measurements without a better one that end it; 0: never (kl codec)")


class KLPart(CodecPart):
    """The codec `kl`."""

    config = KLConfig
    summary = "autoencoder trained on train"

    def check(self, config: KLConfig, size: int) -> None:
        """The edge is halved `levels` times."""
        if size % 2**config.levels:
            raise ValueError(f"size {size} cannot be halved {config.levels} times (levels)")

    def latent_shape(self, config: KLConfig, plan: Plan) -> tuple[int, int, int]:
        """The edge halved `levels` times."""
        return config.latent_channels, plan.size >> config.levels, plan.size >> config.levels

    def network(self, config: KLConfig, plan: Plan) -> Autoencoder:
        """The autoencoder without values."""
        import torch

        from ..kl import KLNetwork

        with torch.device("meta"):
            return KLNetwork(config, plan.channels)

    def fit(self, config: KLConfig, inputs: FitInputs) -> FittedCodec:
        """Train, or go on from a checkpoint; writes codec-history.json. The figures say which weights were kept."""
        from ..autoencoder import unscaled
        from ..kl import train_kl

        checkpoint = inputs.store / f"checkpoint-codec-{inputs.key}.safetensors"
        network, history = train_kl(
            inputs.images,
            inputs.train,
            inputs.held_out,
            config,
            seed=inputs.seed,
            device=inputs.device,
            checkpoint=checkpoint,
        )
        write_json(inputs.store / "codec-history.json", history)
        looks = [row for row in history if "held_out_error" in row]
        best = min(looks, key=lambda row: row["held_out_error"], default=history[-1])
        figures = {
            "steps": int(history[-1]["step"]),
            "kept_step": int(best["step"]),
            "held_out_error": best.get("held_out_error"),
        }
        return FittedCodec(unscaled(network, shape_of(config), int(inputs.images.shape[1])), figures)

    def save(self, codec: NetworkCodec) -> CodecState:
        """The weights, and what fixes the shape of the network."""
        return codec.state()

    def load(self, state: CodecState, where: str) -> NetworkCodec:
        """The codec of `save`; wrong facts are an `InputError`."""
        from ..autoencoder import restored
        from ..kl import KLNetwork

        shape = {name: value for name, value in state.facts.items() if name != "channels"}
        config = build_config(KLConfig, shape, where=where)
        return restored(KLNetwork(config, int(state.facts.get("channels", 1))), state, where)


def shape_of(config: KLConfig) -> dict[str, Any]:
    """What fixes the shape of the network, but for the channels of the images, as plain JSON."""
    return {name: getattr(config, name) for name in ("latent_channels", "width", "levels")}


CODEC = KLPart()
