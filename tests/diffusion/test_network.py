"""Properties of the network: magnitudes, folding that never goes stale, seeded initialisation, configurations."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from benchmarks.edm2_plain import config_of
from unpersonal.core.errors import InputError
from unpersonal.diffusion.config import DiffusionConfig, NetworkConfig
from unpersonal.diffusion.layers import MPConv, mp_cat, mp_sum, normalize
from unpersonal.diffusion.network import Denoiser, build_denoiser, fold_weights

CONFIG = NetworkConfig(
    resolution=8, channels=3, label_dim=5, model_channels=16, attn_resolutions=(4,), channels_per_head=16
)


def trained_looking(seed: int, config: NetworkConfig = CONFIG) -> Denoiser:
    """A network whose gains are not zero, so that every weight reaches the output."""
    network = build_denoiser(config, seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("gain"):
                parameter.fill_(0.7)
            else:
                parameter.mul_(2.5)
    return network.eval()


def inputs(batch: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(batch, 3, 8, 8, generator=generator)
    return x, torch.rand(batch, generator=generator) + 0.1, torch.randn(batch, 5, generator=generator)


def run(network: Denoiser) -> Tensor:
    with torch.no_grad():
        return network(*inputs())


def close(a: Tensor, b: Tensor) -> bool:
    return float((a - b).abs().max()) <= 1e-6 * float(b.abs().max())


def test_folded_equals_unfolded() -> None:
    plain = run(trained_looking(1))
    folded = fold_weights(trained_looking(1))
    assert close(run(folded), plain)
    kept = [{**module._folded} for module in folded.unet.modules() if isinstance(module, MPConv)]
    assert all(kept), "every weight is prepared once"
    assert close(run(folded), plain)
    again = [module._folded for module in folded.unet.modules() if isinstance(module, MPConv)]
    for first, second in zip(kept, again, strict=True):
        assert all(second[name][2] is first[name][2] for name in first), "and not prepared again"


def test_folded_weights_follow_load_state_dict() -> None:
    for assign in (False, True):
        folded = fold_weights(trained_looking(1))
        run(folded)
        folded.load_state_dict(trained_looking(2).state_dict(), assign=assign)
        assert close(run(folded), run(trained_looking(2)))


@pytest.mark.slow
def test_folded_weights_follow_in_place_changes() -> None:
    folded, plain = fold_weights(trained_looking(1)), trained_looking(1)
    run(folded)
    for network in (folded, plain):
        with torch.no_grad():
            network.unet.out_conv.weight[0].mul_(-1)
    assert close(run(folded), run(plain))


def test_folding_leaves_the_original_alone_and_does_not_follow_it() -> None:
    original = trained_looking(1)
    folded, before = fold_weights(original), run(original)
    original.train()
    optimizer = torch.optim.Adam(original.parameters(), lr=0.1, fused=True)
    original(*inputs()).square().sum().backward()
    optimizer.step()
    assert close(run(folded), before) and not close(run(original.eval()), before)


@pytest.mark.parametrize("fused", [False, True])
def test_folded_weights_that_are_trained_after_all_are_not_stale(fused: bool) -> None:
    folded, plain = fold_weights(trained_looking(1)), trained_looking(1)
    run(folded)
    for network in (folded, plain):
        network.requires_grad_(True)
        # a fused step writes without counting a version
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=fused)
        loss = network(*inputs()).square().sum()
        run(network)
        loss.backward()
        run(network)
        optimizer.step()
        optimizer.zero_grad()
    assert close(run(folded), run(plain))


def test_folded_weights_follow_a_replaced_parameter() -> None:
    folded, plain = fold_weights(trained_looking(1)), trained_looking(1)
    run(folded)
    for network in (folded, plain):
        old = network.unet.out_conv.weight.detach().clone()
        del network.unet.out_conv.weight
        network.unet.out_conv.weight = nn.Parameter(old.flip(0))
    assert close(run(folded), run(plain))


def test_train_mode_ends_folding_and_a_later_eval_sees_the_new_weights() -> None:
    folded, plain = fold_weights(trained_looking(1)), trained_looking(1)
    before = run(folded)
    for network in (folded, plain):
        network.train()
        run(network)
        with torch.no_grad():
            network.unet.out_conv.weight.copy_(network.unet.out_conv.weight.flip(0))
        network.eval()
    assert close(run(folded), run(plain)) and not close(run(folded), before)


def test_folded_weights_follow_casts_and_copies() -> None:
    folded = fold_weights(trained_looking(1))
    run(folded)
    copied = copy.deepcopy(folded)
    with torch.no_grad():
        copied.unet.out_conv.weight.mul_(-1)
    assert not close(run(copied), run(folded))
    assert close(run(folded.double().float()), run(trained_looking(1)))
    assert close(run(folded.bfloat16().float()), run(trained_looking(1).bfloat16().float()))


def test_gradients_of_a_folded_network_are_those_of_the_plain_one() -> None:
    folded, plain = fold_weights(trained_looking(1)), trained_looking(1)
    run(folded)
    for network in (folded, plain):
        network.requires_grad_(True)(*inputs()).square().sum().backward()
    for (name, a), (_, b) in zip(folded.named_parameters(), plain.named_parameters(), strict=True):
        if b.grad is not None:
            assert close(a.grad, b.grad), name


def test_train_mode_keeps_the_stored_weights_at_unit_magnitude() -> None:
    network = trained_looking(1).train()
    network(*inputs(), return_logvar=True)
    for module in network.modules():
        if isinstance(module, MPConv):
            rms = module.weight.detach().flatten(1).square().mean(dim=1).sqrt()
            assert torch.allclose(rms, torch.ones_like(rms), atol=2e-4)


def test_magnitudes_are_preserved() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(64, 30, 16, 16, generator=generator) for _ in range(2))
    assert abs(float(mp_sum(a, b, 0.3).std()) - 1) < 0.01
    assert abs(float(mp_cat(a, b[:, :7], 0.5).square().mean()) - 1) < 0.01
    assert abs(float(normalize(5 * a).square().mean()) - 1) < 0.01
    with torch.no_grad():
        assert abs(float(MPConv(30, 40, 3).eval()(a)[:, :, 1:-1, 1:-1].std()) - 1) < 0.05


def test_an_untrained_network_returns_the_skip_connection() -> None:
    # out_gain starts at 0, so D(x) = sigma_data² / (sigma² + sigma_data²) x
    x, sigma, labels = inputs()
    scale = 0.25 / (sigma**2 + 0.25)
    with torch.no_grad():
        assert close(build_denoiser(CONFIG, 0)(x, sigma, labels), x * scale.reshape(-1, 1, 1, 1))


def test_labels_scalars_and_shapes() -> None:
    network = trained_looking(1)
    x, sigma, labels = inputs()
    with torch.no_grad():
        assert close(network(x, sigma), network(x, sigma, torch.zeros(4, 5)))
        assert close(network(x, 0.3, labels), network(x, torch.full((4,), 0.3), labels))
        assert network(x, sigma, labels, return_logvar=True)[1].shape == (4, 1, 1, 1)
        assert network(x, 0.3, labels, return_logvar=True)[1].shape == (1, 1, 1, 1)
        unconditional = trained_looking(1, CONFIG.model_copy(update={"label_dim": 0}))
        assert torch.equal(unconditional(x, sigma, labels), unconditional(x, sigma))
        # each sample is denoised on its own
        assert close(network(x, sigma, labels)[2:3], network(x[2:3], sigma[2:3], labels[2:3]))


def test_initial_weights_depend_on_the_seed_only() -> None:
    before = torch.random.get_rng_state()
    first, again, other = build_denoiser(CONFIG, 5), build_denoiser(CONFIG, 5), build_denoiser(CONFIG, 6)
    assert torch.equal(torch.random.get_rng_state(), before)
    name = "unet.out_conv.weight"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_configurations_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(InputError, match="levels"):
        DiffusionConfig(channel_mult=(1, 2, 2)).network((4, 6, 6), 0)
    with pytest.raises(InputError, match="levels"):
        DiffusionConfig().network((4, 8, 6), 0)
    with pytest.raises(ValueError, match="halved"):
        NetworkConfig(resolution=6, channels=1, channel_mult=(1, 1, 1))
    with pytest.raises(ValueError, match="resample_filter"):
        config_of({"img_resolution": 8, "img_channels": 1, "block": {"resample_filter": [1, 3]}})
    with pytest.raises(ValueError, match="mystery"):
        config_of({"img_resolution": 8, "img_channels": 1, "mystery": 1})
