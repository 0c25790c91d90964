"""What must read nobody where training is private: the settings of a study that break its guarantee."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codec.registry import CODECS

if TYPE_CHECKING:
    from .study import StudyConfig

SAFE = ("label",)
"""Components of a condition that are made of labels alone."""


def problems(config: StudyConfig) -> list[str]:
    """Why a training with these settings would not be differentially private; nothing where none is asked for.

    Whatever is fitted on people before the denoiser is in its latents or conditions, whatever its noise.
    """
    diffusion = config.diffusion
    if not diffusion.dp_epsilon:
        return []
    found = []
    if not diffusion.start_from:
        found.append(
            "diffusion.start_from: a private training from nothing learns noise; start from phantoms or public weights"
        )
    if config.codec.fitted_on == "train":
        found.append('codec.fitted_on: a codec fitted on train people tells of them; use "phantom-cxr", -ct or -mri')
    if not CODECS.is_ours(config.codec.name):
        found.append(
            f"codec.kind: nobody here knows what {config.codec.name!r} of another package reads; use one of ours"
        )
    if personal := [name for name in config.features.components if name not in SAFE]:
        found.append(f'features.condition: {", ".join(personal)} is made of images or texts; use "label" or "uncond"')
    if config.audit.canaries:
        found.append("audit.canaries: a canary is made of two train people; use 0")
    if diffusion.dropout:
        found.append("diffusion.dropout: masks of single images are not drawn alike when resumed; use 0")
    if diffusion.ambient_sigma:
        found.append("diffusion.ambient_sigma: it shows some people in the place of others; use 0")
    if diffusion.shards > 1:
        found.append("diffusion.shards: the accountant knows of one denoiser; use 1")
    return found
