"""The loss, its gradients and one Adam step against what was recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.edm2_plain import config_of
from unpersonal.diffusion.loss import edm2_loss, loss_weight, sigma_from_normal
from unpersonal.diffusion.network import Denoiser

INPUTS = {"images", "rnd_normal", "noise_unit", "class_labels"}
# gradients accumulate rounding over the whole network; the recorded program moves by 3e-5 between thread counts
GRADIENT_NORMS = 2e-4


class Recorded:
    """The files of one loss, with its network."""

    def __init__(self, folder: Path, name: str) -> None:
        self.tensors = load_file(folder / "edm2_loss" / f"{name}.loss.safetensors")
        self.facts = json.loads((folder / "edm2_loss" / "loss.json").read_text())["nets"][name]
        self._config = json.loads((folder / "edm2_net" / f"{name}.config.json").read_text())["constructor"]
        self._weights = load_file(folder / "edm2_net" / f"{name}.weights.safetensors")

    def build(self) -> Denoiser:
        """The network with the recorded weights, in eval mode."""
        network = Denoiser(config_of(self._config))
        network.load_state_dict(self._weights, strict=True)
        return network.eval()


@pytest.fixture(scope="module")
def recorded(reference: Path, loss_name: str) -> Recorded:
    return Recorded(reference, loss_name)


@torch.no_grad()
def measure_eval(recorded: Recorded) -> dict[str, Any]:
    """What was recorded of the network in eval mode."""
    given, facts, network = recorded.tensors, recorded.facts, recorded.build()
    labels, images = given.get("class_labels"), given["images"]
    sigma = sigma_from_normal(given["rnd_normal"], facts["P_mean"], facts["P_std"])
    noisy = images + sigma * given["noise_unit"]
    denoised, logvar = network(noisy, sigma, labels, return_logvar=True)
    loss = edm2_loss(network, images, sigma, given["noise_unit"], labels)
    other = sigma_from_normal(given["rnd_normal"], facts["alt"]["P_mean"], facts["alt"]["P_std"])
    return {
        "sigma": sigma,
        "noisy": noisy,
        "weight": loss_weight(sigma, facts["sigma_data"]),
        "denoised": denoised,
        "logvar": logvar,
        "loss": loss,
        "alt.sigma": other,
        "alt.loss": edm2_loss(network, images, other, given["noise_unit"], labels),
        "mean_loss": float(loss.double().mean()),
        "sum_over_batch_eval": float(loss.double().sum()) / len(loss),
    }


def measure_train(recorded: Recorded) -> dict[str, Any]:
    """Loss, gradients and one Adam step in train mode."""
    given, facts = recorded.tensors, recorded.facts
    network = recorded.build().train()
    sigma = sigma_from_normal(given["rnd_normal"], facts["P_mean"], facts["P_std"])
    adam = facts.get("adam", {})
    optimizer = torch.optim.Adam(network.parameters(), **{**adam, "betas": tuple(adam.get("betas", (0.9, 0.99)))})
    loss = edm2_loss(network, given["images"], sigma, given["noise_unit"], given.get("class_labels"))
    total = loss.sum() / len(loss)
    total.backward()
    values: dict[str, Any] = {"train.loss": loss.detach(), "train_total": float(total.detach())}
    values["grad_l2"] = {
        name: float(p.grad.double().norm()) for name, p in network.named_parameters() if p.grad is not None
    }
    values |= {f"train.grad.{name}": p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    optimizer.step()
    return values | {f"train.after_adam.{name}": p.detach().clone() for name, p in network.named_parameters()}


@pytest.fixture(scope="module")
def measured(recorded: Recorded) -> dict[str, Any]:
    return measure_eval(recorded) | measure_train(recorded)


def compare(tensors: dict[str, Tensor], measured: dict[str, Any], close: Callable[..., None]) -> int:
    compared = [name for name in tensors if name not in INPUTS]
    unknown = [name for name in compared if name not in measured]
    assert compared and not unknown, f"recorded, but not measured: {unknown}"
    for name in compared:
        close(measured[name], tensors[name], name)
    return len(compared)


@pytest.mark.slow
def test_losses_gradients_and_adam_step(
    recorded: Recorded, measured: dict[str, Any], close: Callable[..., None]
) -> None:
    assert compare(recorded.tensors, measured, close) >= 3


def test_scalar_summaries(recorded: Recorded, measured: dict[str, Any], each_close: Callable[..., None]) -> None:
    facts = recorded.facts
    assert facts["batch"] == len(recorded.tensors["images"])
    assert facts["sigma_data"] == recorded.build().config.sigma_data
    for name in ("mean_loss", "sum_over_batch_eval", "train_total"):
        if name in facts:
            each_close(measured[name], facts[name], name, tolerance=1e-4)


def test_gradient_norms_of_every_parameter(
    recorded: Recorded, measured: dict[str, Any], each_close: Callable[..., None]
) -> None:
    norms = recorded.facts.get("grad_l2", {})
    if norms:
        assert set(norms) == set(measured["grad_l2"])
        each_close([measured["grad_l2"][name] for name in norms], list(norms.values()), tolerance=GRADIENT_NORMS)


def test_the_recorded_parameters_are_those_named(recorded: Recorded) -> None:
    for prefix in ("train.grad.", "train.after_adam."):
        found = {name[len(prefix) :] for name in recorded.tensors if name.startswith(prefix)}
        assert found == set(recorded.facts.get("recorded_params", []))


def test_noise_levels_of_normal_draws(reference: Path, each_close: Callable[..., None]) -> None:
    grid = json.loads((reference / "edm2_loss" / "loss.json").read_text())["sigma_from_normal"]
    z = torch.tensor(grid["z"], dtype=torch.float32)
    assert grid["sigma_by_Pmean_Pstd"]
    for key, expected in grid["sigma_by_Pmean_Pstd"].items():
        P_mean, P_std = (float(part) for part in key.split("_"))
        each_close(sigma_from_normal(z, P_mean, P_std), expected, key, tolerance=1e-5)


def test_an_altered_record_is_noticed(recorded: Recorded, measured: dict[str, Any], close: Callable[..., None]) -> None:
    for name in (name for name in recorded.tensors if name not in INPUTS):
        altered = {key: value.clone() for key, value in recorded.tensors.items()}
        flat = altered[name].reshape(-1)
        flat[int(flat.abs().argmax())] *= 1.001
        with pytest.raises(AssertionError):
            compare(altered, measured, close)
