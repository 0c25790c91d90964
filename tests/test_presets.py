"""Every preset is a whole configuration; EDM2's have the sizes that its paper states."""

from __future__ import annotations

import pytest
import torch

from unpersonal.diffusion.network import Denoiser
from unpersonal.presets import EDM2, PRESETS, preset
from unpersonal.study import StudyConfig

MILLIONS = {"xs": 124.7, "s": 280.2, "m": 497.8, "l": 777.5, "xl": 1119.3, "xxl": 1523.2}
"""Parameters, arXiv 2312.02696, table 2, with the 1,000 classes of ImageNet."""


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_configuration(name: str) -> None:
    config = StudyConfig.model_validate({"cohort": {"images": "x"}, **preset(name)})
    assert config.diffusion.for_guide().images == config.diffusion.guide_images


@pytest.mark.parametrize("name", EDM2)
def test_the_networks_of_edm2_have_their_published_size(name: str) -> None:
    config = StudyConfig.model_validate({"cohort": {"images": "x"}, **preset(f"edm2-{name}")}).diffusion
    channels = 3 if name.startswith("img64") else 4
    with torch.device("meta"):
        network = Denoiser(config.network((channels, 64, 64), 1000))
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert millions == pytest.approx(MILLIONS[name.split("-")[1]], rel=0.005)
