"""The self-supervised encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.features.base import EncoderInputs
from unpersonal.features.encoders.ssl import ENCODER, SSLConfig
from unpersonal.features.ssl import augment, build_encoder, contrastive_loss, encode_all


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 1, 32, 32), dtype=np.uint8)


def test_contrastive_loss_against_loops():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(5, 3, generator=generator), torch.randn(5, 3, generator=generator)
    z = torch.nn.functional.normalize(torch.cat([a, b]), dim=1).double()
    total = 0.0
    for i in range(10):
        positive = torch.exp(z[i] @ z[(i + 5) % 10] / 0.3)
        others = sum(torch.exp(z[i] @ z[j] / 0.3) for j in range(10) if j != i)
        total -= torch.log(positive / others).item() / 10
    assert contrastive_loss(a, b, 0.3).item() == pytest.approx(total, rel=1e-5)


def test_encoder_is_seeded_and_independent_of_the_batch(images):
    first, again, other = (build_encoder(1, 8, 8, seed).eval() for seed in (1, 1, 2))
    cpu = torch.device("cpu")
    assert np.array_equal(encode_all(first, images, cpu), encode_all(again, images, cpu))
    assert not np.allclose(encode_all(first, images, cpu), encode_all(other, images, cpu))
    assert np.allclose(encode_all(first, images, cpu)[:3], encode_all(first, images[:3], cpu), atol=1e-5)


def test_augmentation_never_flips():
    gradient = torch.linspace(0, 1, 32).expand(8, 1, 32, 32).contiguous()
    views = augment(gradient, torch.Generator().manual_seed(0))
    assert views.shape == gradient.shape and views.min() >= 0 and views.max() <= 1
    assert (views[..., -8:].mean((1, 2, 3)) > views[..., :8].mean((1, 2, 3))).all()


@pytest.mark.slow
def test_a_saved_encoder_is_the_same_encoder(images, tmp_path):
    inputs = EncoderInputs(images, 6, 3, torch.device("cpu"), tmp_path / "checkpoint.safetensors")
    encoder, history = ENCODER.fit(SSLConfig(width=4, images=24, batch=8), inputs)
    assert encoder.unit(images).shape == (40, 6) and np.isfinite(history[-1]["loss"])
    state = torch.get_rng_state()
    back = ENCODER.load(ENCODER.save(encoder))
    assert np.array_equal(back.unit(images), encoder.unit(images)) and torch.equal(torch.get_rng_state(), state)
