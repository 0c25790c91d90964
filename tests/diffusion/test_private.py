from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from unpersonal.diffusion import private
from unpersonal.diffusion.config import AUGMENT_DIM, DiffusionConfig, NetworkConfig
from unpersonal.diffusion.layers import SWITCHES, normalize_weights_
from unpersonal.diffusion.loss import edm2_loss
from unpersonal.diffusion.network import Denoiser, build_denoiser
from unpersonal.diffusion.private import Privacy, PrivateBatches, PrivateStep, Secret, clipped_gradients
from unpersonal.diffusion.rows import Batch
from unpersonal.diffusion.trainer import Training, train_denoiser

CPU = torch.device("cpu")
SHAPE = {"model_channels": 8, "channel_mult": (1, 2), "attn_resolutions": (4,), "channels_per_head": 8}
SETTINGS = DiffusionConfig(**SHAPE, images=108, batch=4, dp_epsilon=1.0, monitor_samples=0).as_private()


def network(told: bool = True) -> Denoiser:
    """A network of which every parameter matters; `told` labels and what views were made of images."""
    shape = NetworkConfig(resolution=8, channels=2, label_dim=3 * told, augment_dim=AUGMENT_DIM * told, **SHAPE)
    found = build_denoiser(shape, 0).train()
    with torch.no_grad():
        for name, value in found.named_parameters():
            if name.endswith("gain"):
                value.fill_(0.7)
    normalize_weights_(found)
    return found


def batch(count: int, told: bool = True) -> Batch:
    generator = torch.Generator().manual_seed(1)
    latents, noise = (torch.randn(count, 2, 8, 8, generator=generator) for _ in range(2))
    sigma = torch.rand(count, 1, 1, 1, generator=generator) + 0.05
    labels = torch.eye(3)[torch.arange(count) % 3] if told else None
    views = torch.randn(count, AUGMENT_DIM, generator=generator) if told else None
    return Batch(0.5 * latents, sigma, noise, labels, views)


def one_by_one(model: Denoiser, given: Batch, clip: float) -> tuple[dict[str, Tensor], list[float]]:
    """The same sum, an image at a time; and the lengths before clipping."""
    summed = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    lengths = []
    for row in range(len(given.latents)):
        model.zero_grad()
        some = given.rows(slice(row, row + 1))
        edm2_loss(model, **{name: part for name, part in vars(some).items() if part is not None}).sum().backward()
        gradients = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
        lengths.append(float(torch.cat([value.flatten() for value in gradients.values()]).norm()))
        for name, value in gradients.items():
            summed[name] += value * min(1.0, clip / lengths[-1])
    return summed, lengths


@pytest.mark.parametrize("told", [True, False])
def test_clipped_gradients_are_those_of_a_loop_over_images(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "TOGETHER", 3)
    model, given = network(told), batch(5, told)
    clip = float(np.median(one_by_one(model, given, 1.0)[1]))
    expected, lengths = one_by_one(model, given, clip)
    assert min(lengths) < clip < max(lengths), "some are clipped and some are not"
    found, loss = clipped_gradients(model, given, clip)
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-3, atol=1e-4 * float(value.abs().max()) + 1e-9), name
    whole = edm2_loss(model, given.latents, given.sigma, given.noise, given.labels, given.augment).sum().detach()
    assert float(loss) == pytest.approx(float(whole), rel=1e-4)
    assert SWITCHES.one_pass_norm and SWITCHES.fused_attention


def test_nobody_adds_more_than_the_clip_and_what_is_not_finite_adds_nothing() -> None:
    model, given = network(), batch(2)
    given.latents[1, 0, 0, 0] = float("nan")
    both, _ = clipped_gradients(model, given, 0.01)
    alone, _ = clipped_gradients(model, given.rows(slice(0, 1)), 0.01)
    assert all(torch.allclose(both[name], value, atol=1e-9) for name, value in alone.items())
    assert float(torch.cat([value.flatten() for value in both.values()]).norm()) == pytest.approx(0.01, rel=1e-4)


def test_the_noise_has_its_deviation_whoever_was_taken() -> None:
    privacy = Privacy(multiplier=1.5, rate=0.5, clip=0.2, subjects=np.array(list("aabcdefg")))
    step = PrivateStep(network(), SETTINGS, CPU, privacy=privacy, name="denoiser", betas=(0.9, 0.99))
    empty = batch(2).rows(slice(0, 0))
    found = []
    for _ in range(2):
        assert float(step(empty, 0.0)) == 0.0
        gradients = [p.grad.flatten() for p in step.network.parameters() if p.grad is not None]
        found.append(torch.cat(gradients))
    # 7 people, half of them expected
    assert float(found[0].std()) == pytest.approx(1.5 * 0.2 / 3.5, rel=0.03)
    assert abs(float(torch.corrcoef(torch.stack(found))[0, 1])) < 0.05


def batches(subjects: list[str], rate: float, secret: Secret) -> PrivateBatches:
    latents = np.arange(len(subjects), dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 8, 8), np.float32)
    privacy = Privacy(1.0, rate, 1.0, np.array(subjects))
    return PrivateBatches(latents, None, SETTINGS, seed=0, name="denoiser", privacy=privacy, secret=secret)


def test_everybody_is_taken_as_often_and_with_one_image() -> None:
    subjects = ["a"] * 5 + list("bcdefgh")
    drawn = batches(subjects, 0.25, Secret())
    counts, images = dict.fromkeys("abcdefgh", 0), set()
    for step in range(2000):
        rows = drawn.rows(step)
        taken = [subjects[row] for row in rows]
        assert len(set(taken)) == len(taken)
        images |= set(rows.tolist())
        for name in taken:
            counts[name] += 1
    assert all(abs(count - 500) < 100 for count in counts.values()) and images == set(range(len(subjects)))


def test_who_is_taken_follows_from_the_secret_and_not_from_the_seed() -> None:
    subjects = [str(i) for i in range(50)]
    first, second = Secret(), Secret()
    same = Secret()
    same.load_state_dict(first.state_dict())
    rows = [batches(subjects, 0.3, secret).rows(4).tolist() for secret in (first, second, same)]
    assert rows[0] != rows[1] and rows[0] == rows[2]


def test_a_batch_of_nobody_is_one() -> None:
    empty = batches(["a", "b"], 0.0, Secret()).at(0, torch.Generator().manual_seed(0), slice(0, 4), CPU)
    assert empty.latents.shape == (0, 2, 8, 8) and len(empty.sigma) == 0


def test_nobody_is_pushed_out_of_a_batch_by_others() -> None:
    subjects = [str(i) for i in range(40)]
    drawn = batches(subjects, 0.2, Secret())
    for step in range(20):
        rows = drawn.rows(step)
        shown = drawn.at(step, torch.Generator().manual_seed(step), slice(0, SETTINGS.batch), CPU)
        assert shown.latents[:, 0, 0, 0].tolist() == rows.tolist()
        assert len(shown.sigma) == len(shown.noise) == len(rows)
    assert max(len(drawn.rows(step)) for step in range(20)) > SETTINGS.batch


def test_how_people_are_shown_follows_from_the_secret_and_not_from_the_seed() -> None:
    def shown(secret: Secret, seed: int) -> Batch:
        drawn = batches(list("abcd"), 1.0, secret)
        return drawn.at(0, torch.Generator().manual_seed(seed), slice(0, 4), CPU)

    secret = Secret()
    first, same, other = shown(secret, 0), shown(secret, 1), shown(Secret(), 0)
    assert torch.equal(first.sigma, same.sigma) and torch.equal(first.noise, same.noise)
    assert not torch.equal(first.sigma, other.sigma) and not torch.equal(first.noise, other.noise)


class Killed(Exception):
    """In place of SIGKILL."""


@pytest.mark.slow
def test_a_resumed_private_training_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = np.random.default_rng(0).normal(0, 0.5, (12, 2, 8, 8)).astype(np.float32)
    privacy = Privacy(1.0, 0.4, 1.0, np.array(list("aabbcdefghij")))

    def trained(place: str, secret: str) -> dict[str, Tensor]:
        monkeypatch.setattr(private.secrets, "token_hex", lambda _: secret)
        found = train_denoiser(
            *("denoiser", latents, None, SETTINGS),
            seed=0,
            device=CPU,
            checkpoint=tmp_path / place,
            save_every=25,
            training=Training(privacy=privacy),
        )
        return found.weights

    whole = trained("whole.safetensors", "first")
    before = private.PrivateStep.__call__

    def killed(step: PrivateStep, *given: object) -> Tensor:
        if step.steps == 26:
            raise Killed
        return before(step, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(private.PrivateStep, "__call__", killed)
    with pytest.raises(Killed):
        trained("part.safetensors", "first")
    monkeypatch.setattr(private.PrivateStep, "__call__", before)
    # a secret of its own would give other noise from here on
    resumed = trained("part.safetensors", "second")
    assert all(torch.equal(whole[name], value) for name, value in resumed.items())
    other = trained("other.safetensors", "second")
    assert not all(torch.equal(whole[name], value) for name, value in other.items())
