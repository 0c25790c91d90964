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


def test_the_paper_is_as_its_method_says() -> None:
    config = StudyConfig.model_validate({"cohort": {"images": "x"}, **preset("paper")})
    drawn = config.synthesis
    assert config.images.size == 512 and config.codec.kind.startswith("vae:")
    assert config.features.condition == "feature" and config.diffusion.condition_noise == drawn.condition_noise == 0
    assert (config.judges.kind, config.judges.reidentifier, config.judges.classifier) == (
        "siamese",
        "resnet50",
        "densenet121",
    )
    assert (drawn.candidates, drawn.solver, drawn.steps, drawn.evaluations) == (32, "heun", 32, 63)
    strengths = [drawn.strength(attempt) for attempt in range(drawn.attempts)]
    assert strengths == pytest.approx([1.4 - 0.1 * i for i in range(15)]) and strengths[-1] == 0


def test_nothing_is_drawn_under_the_code_of_one_person() -> None:
    values = preset("paper")
    alone = {**values, "synthesis": {**values["synthesis"], "blend": 1}}
    with pytest.raises(ValueError, match="blend"):
        StudyConfig.model_validate({"cohort": {"images": "x"}, **alone})
