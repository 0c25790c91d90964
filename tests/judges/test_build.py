"""Networks of the registry: shapes, determinism, plug-ins."""

import pytest
import torch

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.judges.build import build_network
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.registry import NETWORKS

NARROW = JudgesConfig(width=8)
PLUGIN = """
from torch import nn
from unpersonal.core.config import Config

class TheirConfig(Config):
    hidden: int = 3

class Theirs:
    config = TheirConfig
    def build(self, channels, outputs, size, config):
        first = nn.Linear(channels * size * size, config.hidden)
        return nn.Sequential(nn.Flatten(), first, nn.Linear(config.hidden, outputs))

PART = Theirs()
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS.names())
@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 64)])
def test_every_kind_gives_the_shape_and_follows_its_seed(kind, channels, size):
    state = torch.random.get_rng_state()
    first, again, other = (
        build_network(kind, NARROW, channels=channels, outputs=5, size=size, seed=seed).eval() for seed in (1, 1, 2)
    )
    images = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = first(images)
        assert out.shape == (2, 5) and torch.isfinite(out).all()
        assert torch.equal(out, again(images)) and not torch.equal(out, other(images))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("size", [16, 32, 48, 64, 128])
def test_small_network_takes_any_size(size):
    network = build_network("small", NARROW, channels=1, outputs=3, size=size, seed=0)
    assert network(torch.rand(2, 1, size, size)).shape == (2, 3)


def test_exposure_does_not_reach_the_network():
    network = build_network("small", NARROW, channels=1, outputs=3, size=32, seed=0).eval()
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(images), network(0.5 * images + 0.2), atol=2e-2, rtol=1e-2)


def test_unknown_names_and_tiny_images_are_refused():
    with pytest.raises(InputError, match="vgg"):
        build_network("vgg", NARROW, channels=1, outputs=2, size=32, seed=0)
    with pytest.raises(
        InputError, match="reidentifier: there is no network 'vgg'; use one of densenet121, resnet50, small"
    ):
        build_config(JudgesConfig, {"reidentifier": "vgg"}, where="study.toml")
    with pytest.raises(ValueError, match="16"):
        build_network("small", NARROW, channels=1, outputs=2, size=8, seed=0)


def test_initial_weights_are_those_of_earlier_versions():
    weight = build_network("small", NARROW, channels=1, outputs=5, size=32, seed=3)[1].head.weight
    assert weight[0, :3].tolist() == pytest.approx([-0.0434322, -0.0582834, 0.0142972], abs=1e-7)


def test_a_plugin_is_built_as_its_options_say(offer):
    offer("network", "theirs", PLUGIN)
    config = JudgesConfig(reidentifier="theirs", options={"theirs": {"hidden": 7}})
    first, again = (build_network("theirs", config, channels=1, outputs=4, size=16, seed=0) for _ in range(2))
    assert first[1][1].weight.shape == (7, 256) and torch.equal(first[1][1].weight, again[1][1].weight)
    with pytest.raises(InputError, match=r"options.theirs.hiden: unknown key \(did you mean hidden\?\)"):
        values = {"classifier": "theirs", "options": {"theirs": {"hiden": 7}}}
        build_config(JudgesConfig, values, where="study.toml")
    with pytest.raises(InputError, match="nothing here names theirs"):
        build_config(JudgesConfig, {"options": {"theirs": {}}}, where="study.toml")
