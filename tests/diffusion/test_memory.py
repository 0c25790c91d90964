"""The memory that a training is said to need, against closed forms; benchmarks/memory.py measures it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from unpersonal.codec.vae import ASSUMED, shape_of
from unpersonal.core.training import flatten_state, load_checkpoint, save_checkpoint
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.copy_check import REFERENCE_BYTES
from unpersonal.diffusion.ema import PowerEMA
from unpersonal.diffusion.layers import MPConv
from unpersonal.diffusion.memory import Pictures, _Watch, training_memory
from unpersonal.diffusion.network import build_denoiser, fold_weights
from unpersonal.diffusion.private import TOGETHER
from unpersonal.diffusion.samples import AT_ONCE

CONFIG = DiffusionConfig(model_channels=16, channels_per_head=16, batch=8)
NETWORK = CONFIG.network((3, 16, 16), 5)


@pytest.mark.slow
def test_states_are_copies_of_the_parameters() -> None:
    memory = training_memory(NETWORK, CONFIG)
    count = sum(parameter.numel() for parameter in build_denoiser(NETWORK, 0).parameters())
    assert memory.parameters == count
    assert memory.states == 6 * 4 * count and memory.gradients == 4 * count
    more = training_memory(NETWORK, CONFIG.model_copy(update={"ema_profiles": (0.05, 0.1)}))
    assert more.states == 7 * 4 * count, "the profile that is measured is one of the two"
    assert training_memory(NETWORK, CONFIG, processes=2).states == 7 * 4 * count
    start = CONFIG.model_copy(update={"start_from": "file.safetensors"})
    assert training_memory(NETWORK, start).states == 7 * 4 * count
    assert training_memory(NETWORK, start, device=torch.device("cuda")).states == 6 * 4 * count


@pytest.mark.slow
def test_activations_follow_the_largest_part_of_a_batch() -> None:
    device = torch.device("cuda")
    whole = training_memory(NETWORK, CONFIG, device=device)
    half = training_memory(NETWORK, CONFIG.model_copy(update={"accumulation": 2}), device=device)
    shared = training_memory(NETWORK, CONFIG, device=device, processes=2)
    assert half.activations == shared.activations
    double = training_memory(NETWORK, CONFIG.model_copy(update={"batch": 16}), device=device)
    # what does not grow with the batch are the normalised weights
    assert double.activations - whole.activations == pytest.approx(2 * (whole.activations - half.activations), rel=0.01)
    assert whole.peak == whole.states + whole.kept + whole.activations


@pytest.mark.slow
@pytest.mark.parametrize("channels", [16, 64])
def test_kept_are_the_folded_weights_of_a_network_that_ran(channels: int) -> None:
    config = CONFIG.model_copy(update={"model_channels": channels, "channels_per_head": 16})
    shape = config.network((3, 8, 8), 5)
    folded = fold_weights(build_denoiser(shape, 0))
    with torch.no_grad():
        folded(torch.randn(2, 3, 8, 8), torch.ones(2, 1, 1, 1), torch.randn(2, 5))
        folded.logvar_linear.effective_weight()
    found = sum(
        kept[2].numel() * 4
        for module in folded.modules()
        if isinstance(module, MPConv)
        for kept in module._folded.values()
    )
    assert found == 4 * sum(module.weight.numel() for module in folded.modules() if isinstance(module, MPConv))
    assert training_memory(shape, config.model_copy(update={"batch": 256})).kept == found


@pytest.mark.slow
def test_a_measurement_of_more_images_than_a_step_counts() -> None:
    config = CONFIG.model_copy(update={"batch": 256, "accumulation": 256})
    memory = training_memory(NETWORK, config)
    fewer = training_memory(NETWORK, config.model_copy(update={"evaluation_images": 128}))
    weights = memory.gradients
    whole, half = (one.measuring - 2 * weights for one in (memory, fewer))
    assert memory.measuring > memory.activations and memory.peak == memory.states + memory.kept + memory.measuring
    assert whole == pytest.approx(2 * half, rel=0.15), "prepared weights do not grow with the images"
    profiles = training_memory(NETWORK, CONFIG.model_copy(update={"ema_profiles": (0.1,), "evaluation_images": 1}))
    assert profiles.measuring >= 3 * weights, "gradients, an average and the copy of it that is written"


@pytest.mark.slow
def test_samples_that_are_drawn_count_and_no_more_than_are_drawn_at_once() -> None:
    device, few = torch.device("cuda"), {"evaluation_images": 1, "monitor_samples": 0}
    said = {
        count: training_memory(NETWORK, CONFIG.model_copy(update=few | {"monitor_samples": count}), device=device)
        for count in (0, 1, AT_ONCE, 64)
    }
    assert said[0] == said[1] and said[1].measuring < said[AT_ONCE].measuring == said[64].measuring


@pytest.mark.slow
def test_the_autoencoder_of_the_codec_counts_with_its_weights_and_what_it_decodes_at_once() -> None:
    """Stable Diffusion's has 83.65 million parameters; a codec decodes 2^20 pixels at once, 4 images of 512."""
    network, device = CONFIG.network((4, 64, 64), 5), torch.device("cuda")
    without = training_memory(network, CONFIG, device=device)
    pictures = Pictures((3, 512, 512), 4096, shape_of(ASSUMED))
    said = training_memory(network, CONFIG, device=device, pictures=pictures)
    assert (said.kept - without.kept) / 4 == pytest.approx(83.65e6, rel=0.001)
    # the last level has 256 channels at full size where it upsamples: input, result and what lies before
    layer = 4 * 256 * 512**2 * 4
    assert 2 * layer < said.measuring < 4 * layer
    guide = CONFIG.model_copy(update={"monitor_samples": 0})
    idle = training_memory(network, guide, device=device, pictures=pictures)
    assert idle.kept == said.kept and idle.measuring < layer
    on_cpu = training_memory(network, CONFIG, pictures=pictures)
    bare = training_memory(network, CONFIG, pictures=Pictures((3, 512, 512), 0, shape_of(ASSUMED)))
    assert on_cpu.kept - bare.kept == 4096 * REFERENCE_BYTES, "what matchers hold lies in the CPU's memory"


def test_what_lives_at_once_is_counted() -> None:
    with torch.device("meta"):
        own, x = build_denoiser(NETWORK, 0), torch.empty(1000)
    with _Watch(own) as watch:
        a = x + 1
        assert watch.now == 4000
        b = a[:10].view(2, 5)
        del a
        assert watch.now == 4000, "a view keeps all of its storage"
        c = b.add_(1)
        assert watch.now == 4000 and watch.peak == 4000
        del b, c
        assert watch.now == 0
        for _ in range(3):
            x = x * 2
        own.unet.out_gain.detach()
    assert watch.peak == 8000


class Parts:
    """A state that holds one tensor twice, a view of it, a half of another, and nothing at all."""

    def __init__(self) -> None:
        base = torch.arange(12.0).reshape(3, 4)
        self.state = {"a": base, "again": base, "view": base[1:], "across": base.T, "none": torch.empty(0), "n": 3}

    def state_dict(self) -> dict[str, object]:
        return self.state

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.state = state


def test_a_checkpoint_is_written_from_the_states_themselves(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    tensors: dict[str, torch.Tensor] = {}
    flatten_state({"network": network.state_dict(), "average": PowerEMA(network, 0.1).state_dict()}, "all", tensors)
    assert tensors["all/network/weight"].data_ptr() == network.weight.data_ptr()
    assert len({value.data_ptr() for value in tensors.values()}) == 4
    parts, read = Parts(), Parts()
    save_checkpoint(tmp_path / "file.safetensors", {"parts": parts}, 5, [])
    read.state = {}
    assert load_checkpoint(tmp_path / "file.safetensors", {"parts": read}) == (5, [])
    for name, value in parts.state.items():
        other = read.state[name]
        assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other, name  # type: ignore[arg-type]


@pytest.mark.slow
def test_training_takes_the_memory_that_is_said() -> None:
    """The benchmark's first case, with fewer steps: measured and saved as a study's denoiser is."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "benchmarks.memory", "--measure", "cpu preset, 64 px", "--steps", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    found = json.loads(done.stdout.splitlines()[-1])
    assert 0.8 < found["estimate"] / found["measured"] < 1.25


@pytest.mark.slow
def test_half_precision_keeps_less() -> None:
    device = torch.device("cuda")
    full = training_memory(NETWORK, CONFIG, device=device)
    half = training_memory(NETWORK, CONFIG, device=device, precision="bf16")
    assert 0.45 * full.activations < half.activations < 0.75 * full.activations
    assert half.states == full.states


@pytest.mark.slow
def test_nothing_is_allocated_for_the_largest_network() -> None:
    import resource

    from unpersonal.presets import preset

    config = DiffusionConfig.model_validate(preset("edm2-img512-xxl")["diffusion"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = training_memory(config.network((4, 64, 64), 64), config, device=torch.device("cuda"))
    assert memory.parameters > 1.5e9 and memory.peak > 40 * 2**30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 2**10


@pytest.mark.slow
def test_a_private_training_holds_gradients_of_single_images() -> None:
    plain = training_memory(NETWORK, CONFIG)
    private = training_memory(NETWORK, CONFIG.model_copy(update={"dp_epsilon": 1.0}))
    assert private.activations > plain.activations + TOGETHER * 4 * plain.parameters
    assert private.states == plain.states
