"""The tests of recorded runs on records of other settings, made with the plain networks of `benchmarks`."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.edm2_plain import PlainDenoiser, config_of, plain_sample
from tests.conformance.test_edm2_sampler import Recorded

STEPS, STRONGEST, OWN = 4, 2.2, 1.7
GRID = {"sigma_min": 0.01, "sigma_max": 40.0, "rho": 5.0}
CONSTRUCTOR = {"img_resolution": 8, "img_channels": 2, "model_channels": 8, "channel_mult": [1, 2], "num_blocks": 1}


def network(folder: Path, name: str, label_dim: int) -> PlainDenoiser:
    """A network whose files are recorded in `folder`."""
    constructor = {**CONSTRUCTOR, "attn_resolutions": [4], "channels_per_head": 8, "label_dim": label_dim}
    plain = PlainDenoiser(config_of(constructor)).eval().requires_grad_(False)
    for gain in (value for key, value in plain.named_parameters() if key.endswith("gain")):
        gain.fill_(1.0)
    (folder / f"{name}.config.json").write_text(json.dumps({"constructor": constructor}))
    save_file(plain.state_dict(), folder / f"{name}.weights.safetensors")
    return plain


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Recorded]:
    """A record of a network that guided itself at `OWN`, beside runs at `STRONGEST`; other facts and prose as given."""

    def made(facts: dict[str, object], prose: str = "") -> Recorded:
        torch.manual_seed(3)
        nets, sampler = tmp_path / "edm2_net", tmp_path / "edm2_sampler"
        nets.mkdir()
        sampler.mkdir()
        main, _ = network(nets, "main", 3), network(nets, "guide", 0)
        noise, labels = torch.randn(2, 2, 8, 8), torch.eye(3)[:2]
        unlabelled = deepcopy(main)
        unlabelled.forward = lambda x, sigma, _: main(x, sigma, torch.zeros(1, 3))
        dropped = plain_sample(main, unlabelled, noise, labels, OWN, STEPS, **GRID)
        tensors = {"noise": noise, "class_labels": labels, "selfguide_labels_dropped": dropped}
        save_file(tensors, sampler / "sampler.safetensors")
        runs = [{"key": "a", "num_steps": STEPS, "guidance": STRONGEST}]
        (sampler / "sampler.json").write_text(
            json.dumps({"main": "main", "guide": "guide", "runs": runs, **GRID, **facts})
        )
        (tmp_path / "README.md").write_text(prose)
        return Recorded(tmp_path)

    return made


@pytest.mark.parametrize(
    ("facts", "prose"),
    [
        ({"selfguide": {"guidance": OWN}}, ""),
        ({"selfguide_guidance": OWN}, ""),
        ({}, f"with the main net guiding itself, guidance {OWN}, the smallest step count"),
        ({"trajectory": {"num_steps": STEPS, "guidance": OWN}}, ""),
    ],
)
def test_the_guidance_of_a_network_that_guides_itself_is_the_recorded_one(
    record: Callable[..., Recorded], close: Callable[..., None], facts: dict[str, object], prose: str
) -> None:
    recorded = record(facts, prose)
    close(recorded.self_guided(STEPS, False), recorded.tensors["selfguide_labels_dropped"])


@pytest.mark.parametrize("facts", [{"selfguide": {"guidance": 1.4}}, {"trajectory": {"guidance": 1.4}}])
def test_a_run_at_a_guidance_that_nothing_names_is_noticed(
    record: Callable[..., Recorded], close: Callable[..., None], facts: dict[str, object]
) -> None:
    recorded = record(facts)
    with pytest.raises(AssertionError):
        close(recorded.self_guided(STEPS, False), recorded.tensors["selfguide_labels_dropped"])
