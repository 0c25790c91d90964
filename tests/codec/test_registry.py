"""A codec of another package is used by its name, from the configuration to the images that come back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.codec.base import Plan
from unpersonal.codec.config import CodecConfig, is_lossless
from unpersonal.codec.registry import CODECS
from unpersonal.codec.stage import run_stage
from unpersonal.codec.store import load_codec, load_images, load_latents
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float
from unpersonal.study import StudyConfig

MEANS = """
import torch
from pydantic import Field
from unpersonal.codec.base import CodecPart, CodecState, FittedCodec
from unpersonal.core.config import Config
from unpersonal.core.pixels import to_float
from unpersonal.study import StudyConfig

class MeansConfig(Config):
    edge: int = Field(2, ge=1)
    shift: str = ""

class Means:
    def __init__(self, mean, scale, edge):
        self.mean, self.scale, self.edge = mean, scale, edge

    def encode(self, images):
        cells = torch.nn.functional.avg_pool2d(images, self.edge)
        return (cells - self.mean) / (2 * self.scale)

    def decode(self, latents):
        cells = (latents * 2 * self.scale + self.mean).clamp(0, 1)
        return cells.repeat_interleave(self.edge, 2).repeat_interleave(self.edge, 3)

class MeansPart(CodecPart):
    config = MeansConfig
    argument = "shift"

    def check(self, config, size):
        if size % config.edge:
            raise ValueError(f"size {size} is no multiple of edge {config.edge}")

    def latent_shape(self, config, plan):
        return plan.channels, plan.size // config.edge, plan.size // config.edge

    def fingerprint(self, config, study):
        return f"{config.shift}{len(str(study)) > 0}"

    def fit(self, config, inputs):
        cells = torch.nn.functional.avg_pool2d(to_float(inputs.images[inputs.train]), config.edge)
        return FittedCodec(Means(cells.mean(), cells.std(correction=0), config.edge), {"steps": 7, "kept_step": 7})

    def save(self, codec):
        return CodecState({"mean": codec.mean, "scale": codec.scale}, {"edge": codec.edge})

    def load(self, state, where):
        return Means(state.tensors["mean"], state.tensors["scale"], state.facts["edge"])

PART = MeansPart()
"""


@pytest.fixture
def means(offer):
    offer("codec", "means", MEANS)


def test_a_codec_of_another_package_from_its_name_to_images(means, make_study, tmp_path):
    config = CodecConfig(kind="means:dark", options={"edge": 4})
    assert config.named_parts() == (("codec", "means"),) and config.fingerprint(tmp_path) == "darkTrue"
    part, plan = CODECS.get("means"), Plan(tmp_path, 32, None)
    assert part.latent_shape(config.part_config(), plan) == (1, 8, 8) and len(plan.assumed) == 1
    assert part.network(config.part_config(), plan) is None
    study = make_study()
    figures = run_stage(study, config, seed=1).to_json()
    assert (figures["codec"], figures["latent"], figures["steps"]) == ("means", "1x8x8", 7)
    images, codec = load_images(study), load_codec(study)
    assert (study / "store" / "codec.json").is_file()
    back = codec.decode(codec.encode(to_float(images[:3])))
    cells = to_float(images[:3]).reshape(3, 1, 8, 4, 8, 4).mean((3, 5))
    assert torch.allclose(back[:, :, ::4, ::4], cells, atol=1e-6)
    assert np.allclose(load_latents(study)[:3], codec.encode(to_float(images[:3])).numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "means"}, "kind is kl, patch, pixel, vae:FOLDER, vae:OWNER/NAME or means, not 'means'"),
        ({"kind": "means:x", "options": {"egde": 2}}, r"options.egde: unknown key \(did you mean edge"),
        ({"kind": "patch:x"}, "not 'patch:x'"),
        ({"kind": "pixel", "options": {"edge": 2}}, "'pixel' is no plug-in"),
    ],
)
def test_what_does_not_fit_is_told_when_the_table_is_read(means, values, said):
    with pytest.raises(InputError, match=said):
        build_config(CodecConfig, values, where="study.toml")


def test_images_that_do_not_fit_are_told_when_the_study_is_read(means):
    values = {"cohort": {"images": "x"}, "images": {"size": 33}, "codec": {"kind": "means:x"}}
    with pytest.raises(InputError, match="size 33 is no multiple of edge 2"):
        build_config(StudyConfig, values, where="study.toml")


def test_only_the_pixel_codec_gives_an_image_back_as_it_was(means):
    assert [name for name in CODECS.names() if is_lossless(name)] == ["pixel"] and not is_lossless("gone")


def test_the_keys_of_our_codecs_are_those_of_the_table():
    for name in CODECS.own_names():
        part = CODECS.get(name)
        keys = set(part.config.model_fields) - {part.argument}
        assert keys <= set(CodecConfig.model_fields)
        assert CodecConfig(kind=name if not part.argument else f"{name}:x").part_config() is not None
    assert CodecConfig(kind="patch", patch=4).part_config().model_dump() == {"patch": 4, "components": 16}
    assert "source" not in CodecConfig.model_fields
