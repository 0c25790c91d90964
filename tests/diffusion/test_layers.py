"""The fast paths give what the paper written out gives, value by value and gradient by gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.edm2_plain import PlainDenoiser, PlainTrainer, plain_sample
from unpersonal.diffusion import layers as fast
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.ema import PowerEMA, std_to_exponent
from unpersonal.diffusion.layers import MPConv, normalize_weights_
from unpersonal.diffusion.loss import edm2_loss
from unpersonal.diffusion.network import Denoiser, build_denoiser, fold_weights
from unpersonal.diffusion.sampling import sample

WIDE = NetworkConfig(resolution=8, channels=3, label_dim=5, model_channels=64, attn_resolutions=(8, 4))
NARROW = NetworkConfig(
    resolution=16, channels=2, model_channels=16, channel_mult=(1, 2, 2), attn_resolutions=(8,), channels_per_head=16
)


def pair(config: NetworkConfig) -> tuple[Denoiser, PlainDenoiser]:
    """The same weights in both, none of them zero or of unit magnitude."""
    ours, plain = build_denoiser(config, 4), PlainDenoiser(config)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            parameter.fill_(0.6) if name.endswith("gain") else parameter.mul_(1.7)
    plain.load_state_dict(ours.state_dict(), strict=True)
    return ours, plain


def batch(config: NetworkConfig, count: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(8)
    shape = (count, config.channels, config.resolution, config.resolution)
    clean, noise = (torch.randn(shape, generator=generator) for _ in range(2))
    sigma = (torch.randn(count, 1, 1, 1, generator=generator) - 0.4).exp()
    labels = torch.randn(count, config.label_dim, generator=generator) if config.label_dim else None
    return 0.5 * clean, sigma, noise, labels


def difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).detach().abs().max() / b.detach().abs().max())


def test_the_gradient_of_the_norm_in_closed_form() -> None:
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(fast._Normalized.apply, (x,))
    zero = torch.zeros(2, 3, requires_grad=True)
    fast.normalize_inner(zero).sum().backward()
    assert zero.grad is not None and torch.isfinite(zero.grad).all()


@pytest.mark.slow
@pytest.mark.parametrize("config", [WIDE, NARROW])
def test_a_training_step_is_that_of_the_paper_written_out(config: NetworkConfig) -> None:
    ours, plain = pair(config)
    clean, sigma, noise, labels = batch(config)
    trainer = PlainTrainer(plain, 0.01, std_to_exponent(0.1))
    optimizer = torch.optim.Adam(ours.parameters(), lr=0.01, betas=(0.9, 0.99), fused=True)
    ema = PowerEMA(ours, 0.1)
    for step in range(2):
        expected = trainer.step(clean, sigma, noise, labels)
        optimizer.zero_grad(set_to_none=True)
        loss = edm2_loss(ours.train(), clean + 0, sigma, noise, labels)
        (loss.sum() / len(clean)).backward()
        if step == 0:
            for (name, a), (_, b) in zip(ours.named_parameters(), plain.named_parameters(), strict=True):
                assert a.grad is not None and b.grad is not None
                assert difference(a.grad, b.grad) < 1e-4, name
        optimizer.step()
        ema.update((step + 1) * len(clean), len(clean))
        assert float(loss.detach().mean()) == pytest.approx(float(expected), rel=1e-4)
    averages = ema.state_dict()
    for name, average in trainer.average.items():
        # Adam's first steps are signs of gradients: where one is almost zero, rounding decides, so most values count
        apart = (averages[name] - average).abs()
        assert float((apart > 1e-3 * average.abs().max()).double().mean()) < 0.01, name


@pytest.mark.slow
@pytest.mark.parametrize("config", [WIDE, NARROW])
def test_sampling_is_that_of_the_paper_written_out(config: NetworkConfig) -> None:
    ours, plain = pair(config)
    guide, plain_guide = pair(config.model_copy(update={"label_dim": 0, "model_channels": 32}))
    _, _, noise, labels = batch(config)
    drawn = sample(
        fold_weights(ours), noise, labels, guide=fold_weights(guide), guidance=1.4, steps=5, labels_to_guide=False
    )
    assert difference(drawn, plain_sample(plain.eval(), plain_guide.eval(), noise, labels, 1.4, 5)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(vars(fast.SWITCHES)))
def test_no_switch_changes_a_result(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, sigma, noise, labels = batch(WIDE)

    def run() -> tuple[Tensor, Tensor]:
        network = pair(WIDE)[0].train()
        edm2_loss(network, clean, sigma, noise, labels).sum().backward()
        gradient = network.unet.out_conv.weight.grad
        assert gradient is not None
        with torch.no_grad():
            return fold_weights(network)(clean + sigma * noise, sigma, labels), gradient

    on = run()
    monkeypatch.setattr(fast.SWITCHES, name, False)
    off = run()
    assert difference(on[0], off[0]) < 1e-5 and difference(on[1], off[1]) < 1e-4


def test_folded_weights_of_the_wide_network_are_never_stale() -> None:
    folded, other = fold_weights(pair(WIDE)[0]), build_denoiser(WIDE, 9)
    clean, sigma, _, labels = batch(WIDE)
    with torch.no_grad():
        before = folded(clean, sigma, labels)
        folded.load_state_dict(pair(WIDE)[0].state_dict() | {"unet.out_gain": torch.tensor(0.3)})
        assert difference(folded(clean, sigma, labels), before) > 1e-3
        other.unet.out_gain.fill_(0.5)
        folded.load_state_dict(other.state_dict())
        assert difference(folded(clean, sigma, labels), other.eval()(clean, sigma, labels)) < 1e-6
        folded.unet.dec["8x8_up"].conv_res0.weight.mul_(-1)
        other.unet.dec["8x8_up"].conv_res0.weight.mul_(-1)
        assert difference(folded(clean, sigma, labels), other(clean, sigma, labels)) < 1e-6


@pytest.mark.parametrize("config", [WIDE, NARROW])
def test_weights_folded_in_inference_mode_serve_a_later_gradient(config: NetworkConfig) -> None:
    network = pair(config)[0]
    folded, fresh = fold_weights(network), fold_weights(network)
    clean, sigma, _, labels = batch(config)
    with torch.inference_mode():
        folded(clean, sigma, labels)
    pulls = []
    for one in (folded, fresh):
        x = clean.clone().requires_grad_()
        one(x, sigma, labels).square().sum().backward()
        assert x.grad is not None
        pulls.append(x.grad)
    assert torch.equal(*pulls)


def test_normalising_once_per_step_is_forced_normalisation() -> None:
    clean, sigma, noise, labels = batch(WIDE)
    forced, once = pair(WIDE)[0].train(), pair(WIDE)[0].train()
    normalize_weights_(once)
    losses = [edm2_loss(network, clean, sigma, noise, labels) for network in (forced, once)]
    assert torch.equal(*losses)
    assert all(torch.equal(a, b) for a, b in zip(forced.parameters(), once.parameters(), strict=True))
    weight = once.unet.out_conv.weight
    version = weight._version
    edm2_loss(once, clean, sigma, noise, labels)
    assert weight._version == version
    normalize_weights_(once, forced=True)
    assert all(module.forced for module in once.modules() if isinstance(module, MPConv))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_is_close_and_stays_inside(precision: str) -> None:
    clean, sigma, noise, labels = batch(WIDE)
    network = pair(WIDE)[0].eval()
    with torch.no_grad():
        exact = network(clean + sigma * noise, sigma, labels)
        network.precision = precision  # type: ignore[assignment]
        rough = network(clean + sigma * noise, sigma, labels)
    assert rough.dtype == torch.float32 and 1e-6 < difference(rough, exact) < 0.05
    network.train()
    edm2_loss(network, clean, sigma, noise, labels).mean().backward()
    gradients = [p.grad for name, p in network.named_parameters()]
    assert all(g is not None and g.dtype == torch.float32 and torch.isfinite(g).all() for g in gradients)


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_one_graph_for_the_compiler(training: bool) -> None:
    """A break in the graph would cost a compiled network on a GPU most of what compiling gives."""
    config = NetworkConfig(
        resolution=8, channels=4, label_dim=6, model_channels=32, attn_resolutions=(8, 4), channels_per_head=32
    )
    network = build_denoiser(config, 0).train(training)
    normalize_weights_(network)
    network = network if training else fold_weights(network)
    x, c_noise, labels = torch.randn(2, 4, 8, 8), torch.rand(2), torch.randn(2, 6)
    whole = torch.compile(network.unet.forward, backend="eager", fullgraph=True, dynamic=False)
    with torch.set_grad_enabled(training):
        assert torch.allclose(whole(x, c_noise, labels), network.unet(x, c_noise, labels), atol=1e-5)
