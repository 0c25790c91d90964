"""The codec `vae:…`: a pretrained diffusers AutoencoderKL, from a folder or by its hub name (see `codec.vae`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ...core.config import Config
from ...core.errors import InputError
from ...core.files import read_json
from ..base import CodecPart, CodecState, FitInputs, FittedCodec, Plan

if TYPE_CHECKING:
    from ..autoencoder import Autoencoder, NetworkCodec


class VAEConfig(Config):
    """What is told behind the name."""

    source: str = Field("", examples=["FOLDER", "OWNER/NAME"], description="a folder, or a name on the hub")


class VAEPart(CodecPart):
    """The codec `vae`."""

    config = VAEConfig
    argument = "source"
    summary = "a diffusers AutoencoderKL"

    def latent_shape(self, config: VAEConfig, plan: Plan) -> tuple[int, int, int]:
        """As the autoencoder's configuration says, see `autoencoder_config`."""
        from ..vae import latent_size

        return latent_size(autoencoder_config(config, plan), plan.size)

    def network(self, config: VAEConfig, plan: Plan) -> Autoencoder | None:
        """The autoencoder without values; None, and why, where there is none."""
        from ..vae import shape_of

        try:
            return shape_of(autoencoder_config(config, plan))
        except InputError as error:
            plan.assumed.append(f"no memory for the autoencoder: {error.what}")
            return None

    def fingerprint(self, config: VAEConfig, study: Path) -> str:
        """The hash of the folder, so that other weights under its name are noticed."""
        from ..vae import source_hash

        return source_hash(config.source, study)

    def fit(self, config: VAEConfig, inputs: FitInputs) -> FittedCodec:
        """The weights as they are; the figures say where they come from."""
        from ..autoencoder import unscaled
        from ..vae import check_fit, open_vae, provenance

        channels = int(inputs.images.shape[1])
        network, facts = open_vae(config.source, inputs.study)
        check_fit(network, size=int(inputs.images.shape[-1]), channels=channels)
        pretrained = provenance(config.source, inputs.study, facts["source"])
        return FittedCodec(unscaled(network, facts, channels), {"pretrained": pretrained})

    def save(self, codec: NetworkCodec) -> CodecState:
        """The weights, and the configuration of the autoencoder: the study needs the folder no more."""
        return codec.state()

    def load(self, state: CodecState, where: str) -> NetworkCodec:
        """The codec of `save`; wrong facts are an `InputError`."""
        from ..autoencoder import restored
        from ..vae import network_of

        return restored(network_of(state.facts, where), state, where)


def autoencoder_config(config: VAEConfig, plan: Plan) -> dict[str, Any]:
    """The autoencoder's configuration: the study's copy, the folder's or the hub cache's, else the usual one.

    Nothing is fetched. That the usual one stands in, and why, is added to what the plan assumes.
    """
    from ..vae import ASSUMED, config_at_hand

    copied = plan.study / "store" / "codec.json"
    facts = read_json(copied) if copied.is_file() else {}
    if "config" in facts:
        return dict(facts["config"])
    reason = "it is not on this disk yet"
    try:
        found = config_at_hand(config.source, plan.study)
        if found is not None:
            return found
    except InputError as error:
        reason = error.what
    plan.assumed.append(
        f"latents of 4 channels and an eighth of the edge, as Stable Diffusion's: of vae:{config.source} {reason}"
    )
    return ASSUMED


CODEC = VAEPart()
