"""Features and conditions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.core.seeds import numpy_rng
from unpersonal.features.blend import Blender, known_groups, label_groups
from unpersonal.features.config import FeaturesConfig
from unpersonal.features.pca import fit_pca, standardised, unit_rows
from unpersonal.features.ssl import augment, build_encoder, contrastive_loss, encode_all
from unpersonal.features.stage import effective_dimensions


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 1, 32, 32), dtype=np.uint8)


def test_pca_agrees_with_the_covariance(images):
    encoder = fit_pca(images, 5, size=16)
    rows = standardised(images, 16)
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1][:5]
    assert np.allclose(encoder.transform(images).var(0, ddof=1), values, rtol=1e-4)
    assert np.allclose(encoder.basis.T @ encoder.basis, np.eye(5), atol=1e-10)
    assert np.allclose(np.linalg.norm(encoder.unit(images), axis=1), 1, atol=1e-6)


def test_standardised_ignores_brightness_and_contrast(images):
    dim = (images // 2 + 20).astype(np.uint8)
    assert np.allclose(standardised(images, 16), standardised(dim, 16), atol=0.05)


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
    config = FeaturesConfig(dimensions=8, width=8)
    first, again, other = (build_encoder(1, config, seed).eval() for seed in (1, 1, 2))
    cpu = torch.device("cpu")
    assert np.array_equal(encode_all(first, images, cpu), encode_all(again, images, cpu))
    assert not np.allclose(encode_all(first, images, cpu), encode_all(other, images, cpu))
    assert np.allclose(encode_all(first, images, cpu)[:3], encode_all(first, images[:3], cpu), atol=1e-5)


def test_augmentation_never_flips():
    gradient = torch.linspace(0, 1, 32).expand(8, 1, 32, 32).contiguous()
    views = augment(gradient, torch.Generator().manual_seed(0))
    assert views.shape == gradient.shape and views.min() >= 0 and views.max() <= 1
    assert (views[..., -8:].mean((1, 2, 3)) > views[..., :8].mean((1, 2, 3))).all()


def blender(noise=0.0, k=2):
    rng = np.random.default_rng(0)
    features = unit_rows(rng.normal(size=(12, 6)))
    subjects = np.array([f"s{i // 2}" for i in range(12)], dtype=object)
    groups = np.array([0] * 8 + [1] * 2 + [2] * 2)
    return Blender(features, subjects, groups, k, noise)


def test_a_condition_mixes_subjects_of_the_same_label_only():
    mixed = blender()
    for draw in range(50):
        condition = mixed.condition(0, numpy_rng(draw, "t"))
        assert np.linalg.norm(condition) == pytest.approx(1, abs=1e-5)
        pairs = [
            np.linalg.lstsq(mixed.conditions[[0, mate]].T.astype(float), condition.astype(float), rcond=None)
            for mate in range(2, 8)
        ]
        best = min(pairs, key=lambda solution: float(solution[1][0]))
        assert best[1][0] < 1e-9
        # nobody is nearly all of a condition
        assert 0.25 - 1e-6 < best[0][0] / best[0].sum() < 0.75 + 1e-6


def test_a_label_of_one_subject_yields_no_condition():
    assert blender().condition(8, numpy_rng(0)) is None
    assert blender(k=5).condition(0, numpy_rng(0)) is None
    assert blender(k=4).condition(0, numpy_rng(0)) is not None


def test_condition_noise_has_the_stated_length():
    quiet = blender()
    loud = Blender(quiet.conditions, quiet.subjects, quiet.groups, 2, 0.3)
    gaps = [np.linalg.norm(loud.condition(0, numpy_rng(i)) - quiet.condition(0, numpy_rng(i))) for i in range(200)]
    assert 0.2 < np.mean(gaps) < 0.33


def test_label_groups_and_effective_dimensions():
    codes = label_groups(np.array([[1, 0], [0, 1], [1, 1], [1, 0]], np.float32))
    assert codes[0] == codes[3] and len(set(codes.tolist())) == 3
    known = known_groups(np.array([[1, 0], [0, 0], [0, 0], [1, 0]], np.float32), np.array([True, True, False, False]))
    assert known[2] == known[3] and len({*known[:3].tolist()}) == 3
    rng = np.random.default_rng(0)
    assert effective_dimensions(rng.normal(size=(5000, 4))) == pytest.approx(4, rel=0.05)
    assert effective_dimensions(rng.normal(size=(500, 1)) * np.ones((1, 4))) == pytest.approx(1, rel=1e-6)
