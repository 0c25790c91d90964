"""The network against everything recorded of it: outputs, inner values, the clip, one forward in train mode."""

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
from unpersonal.diffusion.layers import MPConv
from unpersonal.diffusion.network import Block, Denoiser, fold_weights

INPUTS = {"x", "sigma", "class_labels", "clean"}
ROUNDING = 1e-4
"""Of the limit of activations: what the tolerance of every other value is too."""


class Recorded:
    """The files of one network."""

    def __init__(self, folder: Path, name: str) -> None:
        self.config = json.loads((folder / f"{name}.config.json").read_text())
        self.after = json.loads((folder / f"{name}.after_train_forward.json").read_text())
        self.weights = load_file(folder / f"{name}.weights.safetensors")
        self.io = load_file(folder / f"{name}.io.safetensors")
        self.after_tensors = load_file(folder / f"{name}.after_train_forward.safetensors")

    def build(self) -> Denoiser:
        """The network with the recorded weights, in eval mode."""
        network = Denoiser(config_of(self.config["constructor"]))
        network.load_state_dict(self.weights, strict=True)
        return network.eval()


@pytest.fixture(scope="module")
def recorded(reference: Path, net_name: str) -> Recorded:
    return Recorded(reference / "edm2_net", net_name)


def rms(x: Tensor) -> Tensor:
    return x.square().mean(dim=(1, 2, 3)).sqrt()


def watch(network: Denoiser, values: dict[str, Tensor]) -> None:
    """Store the inner values under the names of the records, as the modules compute them."""
    unet = network.unet

    def keep(name: str, of: Callable[[Tensor], Tensor] = lambda y: y) -> Callable[..., None]:
        return lambda module, args, output: values.__setitem__(name, of(output).clone())

    def keep_inputs(module: Any, args: tuple[Tensor, ...], output: Tensor) -> None:
        values["mid.unet_in_x_scaled"], values["mid.c_noise"] = args[0].clone(), args[1].clone()

    unet.register_forward_hook(keep_inputs)
    unet.register_forward_hook(keep("mid.unet_out_F_x"))
    for part in ("emb_fourier", "emb_noise", "emb_label"):
        if getattr(unet, part) is not None:
            getattr(unet, part).register_forward_hook(keep(f"mid.{part}"))
    for side in ("enc", "dec"):
        for name, layer in getattr(unet, side).items():
            layer.register_forward_hook(keep(f"mid.block_rms.{side}.{name}", rms))


@torch.no_grad()
def measure_outputs(recorded: Recorded) -> dict[str, Tensor]:
    """Everything that `io` holds except its inputs, from our network."""
    io, values = recorded.io, {}
    network, labels = recorded.build(), recorded.io.get("class_labels")
    watched = recorded.build()
    watch(watched, values)
    values["D_x"], values["logvar"] = watched(io["x"], io["sigma"], labels, return_logvar=True)
    for name in io:
        if name == "D_x_labels_none":
            values[name] = network(io["x"], io["sigma"])
        elif name.startswith("D_x_sigma_scalar_"):
            values[name] = network(io["x"], float(name.rsplit("_", 1)[1]), labels)
    return values | measure_clip(recorded)


@torch.no_grad()
def measure_clip(recorded: Recorded) -> dict[str, Tensor]:
    """The case that reaches the activation clip, and the least and largest share that may have been clipped."""
    io, case = recorded.io, recorded.after["clip_case"]
    network = recorded.build()
    network.get_parameter(case["parameter"]).fill_(case["value"])
    block = network.get_submodule(case["block"])
    values: dict[str, Tensor] = {}
    block.register_forward_hook(lambda module, args, output: values.__setitem__("block", output.clone()))
    inputs = io["x"], io["sigma"], io.get("class_labels")
    found = {"clip.D_x": network(*inputs), "clip.block_out_first2": values["block"][:2]}
    limit, block.config = block.config.clip_act, block.config.model_copy(update={"clip_act": None})
    network(*inputs)
    # rounding moves a value on the limit to either side of it, so that the share lies between two
    for name, reached in (("least_clipped", limit * (1 + ROUNDING)), ("most_clipped", limit * (1 - ROUNDING))):
        found[name] = (values["block"].abs() >= reached).double().mean()
    return found


@pytest.fixture(scope="module")
def outputs(recorded: Recorded) -> dict[str, Tensor]:
    return measure_outputs(recorded)


def test_the_recorded_state_has_our_names_in_our_order(recorded: Recorded) -> None:
    network = Denoiser(config_of(recorded.config["constructor"]))
    assert [name for name, _ in network.named_parameters()] == recorded.config["parameter_names"]
    assert sorted(name for name, _ in network.named_buffers()) == sorted(recorded.config["buffer_names"])
    assert sum(parameter.numel() for parameter in network.parameters()) == recorded.config["num_parameters"]
    assert set(network.state_dict()) == set(recorded.weights)


def test_every_block_has_the_recorded_attention_heads(recorded: Recorded) -> None:
    unet = recorded.build().unet
    heads = {
        f"{side}.{name}": layer.heads
        for side in ("enc", "dec")
        for name, layer in getattr(unet, side).items()
        if isinstance(layer, Block)
    }
    assert heads == recorded.config["attention_heads"]


def compare_outputs(recorded: dict[str, Tensor], outputs: dict[str, Tensor], close: Callable[..., None]) -> None:
    compared = [name for name in recorded if name not in INPUTS]
    unknown = [name for name in compared if name not in outputs]
    assert compared and not unknown, f"recorded, but not measured: {unknown}"
    for name in compared:
        close(outputs[name], recorded[name], name)


def test_outputs_and_inner_values(recorded: Recorded, outputs: dict[str, Tensor], close: Callable[..., None]) -> None:
    compare_outputs(recorded.io, outputs, close)


def agrees(share: float, outputs: dict[str, Tensor]) -> bool:
    return float(outputs["least_clipped"]) - 1e-9 <= share <= float(outputs["most_clipped"]) + 1e-9


def test_share_of_clipped_activations(recorded: Recorded, outputs: dict[str, Tensor]) -> None:
    case = recorded.after["clip_case"]
    # the share is one of the whole recorded batch; a subset with fewer samples leaves it out
    if "fraction_clipped" in case:
        share = case["fraction_clipped"]
        assert agrees(share, outputs)
        assert not agrees(share + 1e-3, outputs) and not agrees(share - 1e-3, outputs)


def test_the_noisy_input_is_the_clean_one_plus_noise(recorded: Recorded) -> None:
    if "clean" in recorded.io:
        noise = (recorded.io["x"] - recorded.io["clean"]) / recorded.io["sigma"].reshape(-1, 1, 1, 1)
        assert noise.abs().max() < 6 and abs(float(noise.std()) - 1) < 0.1


def test_folded_weights_give_the_recorded_outputs(recorded: Recorded, close: Callable[..., None]) -> None:
    io, network = recorded.io, fold_weights(recorded.build())
    with torch.no_grad():
        for _ in range(2):
            denoised, logvar = network(io["x"], io["sigma"], io.get("class_labels"), return_logvar=True)
            close(denoised, io["D_x"], "D_x")
            close(logvar, io["logvar"], "logvar")


def test_one_forward_in_train_mode(
    recorded: Recorded, close: Callable[..., None], each_close: Callable[..., None]
) -> None:
    io, after, tensors = recorded.io, recorded.after, recorded.after_tensors
    network = recorded.build().train()
    with torch.no_grad():
        denoised, logvar = network(io["x"], io["sigma"], io.get("class_labels"), return_logvar=True)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    network.eval()
    with torch.no_grad():
        again = network(io["x"], io["sigma"], io.get("class_labels"))
    measured = {"D_x_train": denoised, "logvar_train": logvar, "D_x_eval_after_train_forward": again}
    expected = set(measured) | set(after["recorded_full"])
    assert set(tensors) == expected
    for name in sorted(expected):
        close(measured.get(name, state.get(name)), tensors[name], name)

    changed = {name for name, value in state.items() if not torch.equal(value, recorded.weights[name])}
    assert changed == set(after["changed_keys"])
    assert set(state) - changed == set(after["unchanged_keys"])
    for when, values in (("before", recorded.weights), ("after", state)):
        norms, sums = after[f"weight_l2_{when}"], after[f"weight_sum_{when}"]
        assert set(norms) == set(sums) == changed
        for name in sorted(changed):
            weight = values[name].double()
            each_close(float(weight.norm()), norms[name], f"norm of {name} {when}")
            # a sum of signed numbers is as exact as its largest partial sums
            assert float(weight.sum()) == pytest.approx(sums[name], rel=1e-5, abs=1e-7 * float(weight.abs().sum()))


def test_only_convolutions_and_linear_maps_are_normalised(recorded: Recorded) -> None:
    weights = {f"{name}.weight" for name, module in recorded.build().named_modules() if isinstance(module, MPConv)}
    assert weights == set(recorded.after["changed_keys"])


def test_an_altered_record_is_noticed(
    recorded: Recorded, outputs: dict[str, Tensor], close: Callable[..., None]
) -> None:
    compared = [name for name in recorded.io if name not in INPUTS]
    for name in compared:
        altered = {key: value.clone() for key, value in recorded.io.items()}
        flat = altered[name].reshape(-1)
        place = int(flat.abs().argmax())
        flat[place] *= 1.001
        with pytest.raises(AssertionError):
            compare_outputs(altered, outputs, close)


def test_an_altered_weight_is_noticed(recorded: Recorded, close: Callable[..., None]) -> None:
    io, network = recorded.io, recorded.build()
    with torch.no_grad():
        network.unet.out_gain.mul_(1.01)
        denoised = network(io["x"], io["sigma"], io.get("class_labels"))
    with pytest.raises(AssertionError):
        close(denoised, io["D_x"])
