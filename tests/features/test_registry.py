"""Conditions and encoders of another package are used by their names, alone and joined with ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, write_study
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import load_tensors
from unpersonal.features.config import FeaturesConfig, nouns_of
from unpersonal.features.registry import CONDITIONS, ENCODERS
from unpersonal.features.stage import run_stage
from unpersonal.features.store import load_components, load_conditions
from unpersonal.plugins import used_by

BRIGHTNESS = """
import numpy as np
from pydantic import Field
from unpersonal.core.config import Config
from unpersonal.features.base import ConditionPart, Made

class BrightnessConfig(Config):
    turns: float = Field(0.25, gt=0)

class BrightnessPart(ConditionPart):
    config = BrightnessConfig
    noisy = False
    noun = "brightness"

    def length(self, config, cohort, assumed):
        return 2

    def make(self, config, inputs):
        angle = inputs.images.mean((1, 2, 3)) / 255 * config.turns * 2 * np.pi
        return Made(np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32))

PART = BrightnessPart()
"""
CORNERS = """
import numpy as np
import torch
from unpersonal.core.config import Config
from unpersonal.features.base import EncoderPart

class CornersConfig(Config):
    edge: int = 2

class Corners:
    def __init__(self, edge):
        self.edge = edge

    def unit(self, images):
        rows = images[:, 0, :self.edge, :self.edge].reshape(len(images), -1).astype(np.float32) + 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

class CornersPart(EncoderPart):
    config = CornersConfig

    def fit(self, config, inputs):
        return Corners(config.edge), []

    def save(self, encoder):
        return {"edge": torch.tensor(encoder.edge)}

    def load(self, tensors):
        return Corners(int(tensors["edge"]))

PART = CornersPart()
"""


@pytest.fixture
def study(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8), dtype=np.uint8)
    cohort = cohort_of(
        [f"s{i}" for i in range(12)], [["a"] if i % 2 else ["b"] for i in range(12)], ["train"] * 8 + ["val"] * 4
    )
    write_study(tmp_path, cohort, images)
    return tmp_path, images


@pytest.fixture(autouse=True)
def theirs(offer):
    offer("condition", "brightness", BRIGHTNESS)
    offer("encoder", "corners", CORNERS)


def run(study, **values):
    config = build_config(FeaturesConfig, values, where="study.toml")
    return config, run_stage(study, config, seed=0, device=torch.device("cpu"))


def test_a_condition_of_another_package_is_joined_with_labels(study):
    folder, images = study
    config, figures = run(folder, condition="brightness+label", options={"brightness": {"turns": 0.5}})
    assert figures.to_json() == {"condition": "brightness+label", "condition_length": 4}
    angle = images.mean((1, 2, 3)) / 255 * np.pi
    wanted = np.stack([np.cos(angle), np.sin(angle)], 1) * np.sqrt(0.5)
    np.testing.assert_allclose(load_conditions(folder)[:, :2], wanted, atol=1e-6)
    first, second = load_components(folder)
    assert (first.kind, first.noisy, first.from_labels) == ("brightness", False, False)
    assert (second.kind, second.noisy, second.from_labels) == ("label", False, True)
    assert CONDITIONS.get("brightness").length(config.part_config("brightness"), None, []) == 2
    assert [(plugin.kind, plugin.name) for plugin in used_by(config)] == [("condition", "brightness")]
    assert nouns_of("label+brightness") == "brightness and labels" and nouns_of("uncond") == "nothing"
    assert nouns_of("gone+text") == "gone and texts"


def test_an_encoder_and_a_condition_of_other_packages(study):
    folder, images = study
    config, figures = run(
        folder,
        condition="feature+brightness",
        kind="corners",
        options={"corners": {"edge": 3}, "brightness": {"turns": 1.0}},
    )
    assert (figures.kind, figures.dimensions, figures.loss, figures.condition_length) == ("corners", 9, None, 11)
    tensors, metadata = load_tensors(folder / "features" / "encoder.safetensors")
    assert metadata["kind"] == "corners"
    back = ENCODERS.get("corners").load(tensors).unit(images)
    np.testing.assert_array_equal(back, np.load(folder / "features" / "features.npy"))
    assert {(plugin.kind, plugin.name) for plugin in used_by(config)} == {
        ("condition", "brightness"),
        ("encoder", "corners"),
    }
    assert not used_by(FeaturesConfig(condition="label", kind="corners")), "an encoder that nothing asks is not used"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"condition": "darkness"},
            "'darkness' is no component of a condition; use uncond alone, or centroid, feature, label",
        ),
        (
            {"condition": "brightness", "options": {"brightness": {"turn": 1.0}}},
            r"options.brightness.turn: unknown key \(did you mean turns",
        ),
        (
            {"condition": "brightness", "options": {"brightness": {"turns": 0}}},
            "options.brightness.turns: .*greater than 0",
        ),
        ({"condition": "label", "options": {"brightness": {}}}, "options: nothing here names brightness"),
        ({"condition": "label", "options": {"label": {"turns": 1.0}}}, "'label' is no plug-in"),
        ({"kind": "resnet"}, "there is no encoder 'resnet'; use one of pca, ssl, corners"),
        ({"text_encoder": "bert"}, "text_encoder: 'bert' is neither bow nor hf:MODEL"),
    ],
)
def test_what_does_not_fit_is_told_by_its_key(values, said):
    with pytest.raises(InputError, match=said):
        build_config(FeaturesConfig, values, where="study.toml")
