"""The memory that a training is said to need, against closed forms; benchmarks/memory.py measures it."""

from __future__ import annotations

import pytest
import torch

from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.memory import training_memory
from unpersonal.diffusion.network import build_denoiser

CONFIG = DiffusionConfig(model_channels=16, channels_per_head=16, batch=8)
NETWORK = CONFIG.network((3, 16, 16), 5)


def test_states_are_copies_of_the_parameters() -> None:
    memory = training_memory(NETWORK, CONFIG)
    count = sum(parameter.numel() for parameter in build_denoiser(NETWORK, 0).parameters())
    assert memory.parameters == count
    assert memory.states == 6 * 4 * count and memory.gradients == 4 * count
    more = training_memory(NETWORK, CONFIG.model_copy(update={"ema_profiles": (0.05, 0.1)}))
    assert more.states == 7 * 4 * count, "the profile that is measured is one of the two"
    assert training_memory(NETWORK, CONFIG, processes=2).states == 7 * 4 * count


def test_activations_follow_the_largest_part_of_a_batch() -> None:
    device = torch.device("cuda")
    whole = training_memory(NETWORK, CONFIG, device=device)
    half = training_memory(NETWORK, CONFIG.model_copy(update={"accumulation": 2}), device=device)
    shared = training_memory(NETWORK, CONFIG, device=device, processes=2)
    assert half.activations == shared.activations
    double = training_memory(NETWORK, CONFIG.model_copy(update={"batch": 16}), device=device)
    # what does not grow with the batch are the normalised weights
    assert double.activations - whole.activations == pytest.approx(2 * (whole.activations - half.activations), rel=0.01)
    assert whole.peak == whole.states + whole.activations


def test_half_precision_keeps_less() -> None:
    device = torch.device("cuda")
    full = training_memory(NETWORK, CONFIG, device=device)
    half = training_memory(NETWORK, CONFIG, device=device, precision="bf16")
    assert 0.45 * full.activations < half.activations < 0.75 * full.activations
    assert half.states == full.states


def test_nothing_is_allocated_for_the_largest_network() -> None:
    import resource

    from unpersonal.presets import preset

    config = DiffusionConfig.model_validate(preset("edm2-img512-xxl")["diffusion"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = training_memory(config.network((4, 64, 64), 64), config, device=torch.device("cuda"))
    assert memory.parameters > 1.5e9 and memory.peak > 40 * 2**30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 2**10
