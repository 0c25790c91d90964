"""Rows, the order of training and what one step draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.diffusion.trainings import CONFIG, CPU, data
from unpersonal.codec.latents import LatentRows
from unpersonal.core.distributed import World
from unpersonal.core.seeds import torch_generator
from unpersonal.diffusion.rows import Ambient, Batches, DrawnRows, EpochOrder, noisy_conditions


def test_mirrored_images_take_half_of_the_places() -> None:
    x = np.ones((8, 1, 2, 2), np.float32)
    batches = Batches(x, None, CONFIG, seed=0, name="t", flipped=-x)
    signs = [batches.at(s, torch_generator(0, s), slice(0, 8), CPU).latents[:, 0, 0, 0] for s in range(100)]
    assert 0.4 < float((torch.stack(signs) < 0).float().mean()) < 0.6
    plain = Batches(x, None, CONFIG, seed=0, name="t")
    assert all((plain.at(s, torch_generator(0, s), slice(0, 8), CPU).latents == 1).all() for s in range(20))


def test_rows_that_are_distributions_are_drawn_anew_at_every_step_and_again_alike() -> None:
    rows = DrawnRows(
        LatentRows(np.zeros((8, 1, 2, 2), np.float32), np.full((8, 1, 2, 2), 2.0, np.float32)), np.arange(8)
    )
    batches = Batches(rows, None, CONFIG, seed=0, name="t")
    drawn = torch.stack([batches.at(s, torch_generator(0, s), slice(0, 8), CPU).latents for s in range(200)])
    assert float(drawn.mean()) == pytest.approx(0, abs=0.1) and float(drawn.std()) == pytest.approx(2, rel=0.05)
    again = batches.at(7, torch_generator(0, 7), slice(0, 8), CPU).latents
    assert torch.equal(again, drawn[7]) and not torch.equal(drawn[7], drawn[8])


def test_a_share_of_a_batch_is_a_part_of_the_whole() -> None:
    x, c = data()
    batches = Batches(x, c, CONFIG, seed=0, name="t")
    whole = batches.at(3, torch_generator(0, 3), slice(0, 8), CPU)
    half = batches.at(3, torch_generator(0, 3), World(rank=1, size=2).share(8), CPU)
    for name in ("latents", "sigma", "noise", "labels"):
        assert torch.equal(getattr(half, name), getattr(whole, name)[4:])


def test_label_parts_of_a_condition_get_no_noise() -> None:
    scale = torch.tensor([0.0, 0.0, 1.0, 1.0])
    given = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0, 0.5, 0.5]]), dim=1)
    noisy = noisy_conditions(given, 0.5, torch_generator(0, "x"), scale)
    assert noisy[0, 1] == 0 and not torch.equal(noisy, given)
    assert float(noisy.norm()) == pytest.approx(1, abs=1e-6)


def test_every_image_once_per_epoch() -> None:
    order = EpochOrder(10, 4, 7, "denoiser")
    drawn = np.concatenate([order.at(step) for step in range(10)])
    for epoch in range(4):
        assert sorted(drawn[epoch * 10 : (epoch + 1) * 10]) == list(range(10))
    assert not np.array_equal(drawn[:10], drawn[10:20])
    # a resumed run asks for a later step first
    assert np.array_equal(EpochOrder(10, 4, 7, "denoiser").at(6), drawn[24:28])


def test_batches_larger_than_the_data_repeat_it() -> None:
    assert sorted(EpochOrder(3, 9, 0, "x").at(0).tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_condition_noise_has_the_stated_length_and_keeps_unit_norm() -> None:
    conditions = torch.nn.functional.normalize(torch.randn(500, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    noisy = noisy_conditions(conditions, 0.3, torch_generator(0, "test"))
    assert torch.allclose(noisy.norm(dim=1), torch.ones(500), atol=1e-5)
    cosine = (noisy * conditions).sum(dim=1).mean()
    assert float(cosine) == pytest.approx(1 / (1 + 0.3**2) ** 0.5, abs=0.01)
    assert torch.equal(noisy_conditions(conditions, 0.0, torch_generator(0, "test")), conditions)


def test_row_view_reads_the_named_rows() -> None:
    array = np.arange(12).reshape(6, 2)
    view = DrawnRows(array, np.array([4, 1, 5]))
    assert view.shape == (3, 2)
    assert np.array_equal(view[np.array([2, 0])], array[[5, 4]])


def ambient_batches(**options):
    config = CONFIG.model_copy(update={"ambient_sigma": 0.6, "horizontal_flip": "flipped" in options})
    x = 0.5 * np.random.default_rng(0).normal(size=(8, 1, 2, 2)).astype(np.float32)
    names = [f"picture {row}" for row in range(8)]
    ambient = Ambient(names, np.array([True, False, False, True, False, False, False, False]))
    return x, Batches(x, np.eye(8, dtype=np.float32), config, seed=0, **{"name": "t", "ambient": ambient, **options})


def test_above_the_level_an_image_is_only_seen_as_it_was_noised_once_and_below_it_few_are_seen() -> None:
    x, batches = ambient_batches()
    above: dict[int, set[tuple[float, ...]]] = {}
    below = []
    for step in range(100):
        batch = batches.at(step, torch_generator(0, step), slice(0, 8), CPU)
        high = batch.sigma.flatten() > 0.6
        assert torch.equal(batch.noised.flatten() > 0, high)
        rows = np.where(high.numpy(), batches.rows(step), -1)
        for place, row in enumerate(rows.tolist()):
            if row >= 0:
                above.setdefault(row, set()).add(tuple(batch.latents[place].flatten().tolist()))
            else:
                seen = np.flatnonzero((x == batch.latents[place].numpy()).all(axis=(1, 2, 3)))
                assert seen.tolist() in ([0], [3])
                below.append(int(seen[0]))
                # and the condition is that of the image that is seen
                assert int(batch.labels[place].argmax()) == seen[0] or float(batch.labels[place].max()) < 0.98
    assert len(above) == 8 and all(len(latents) == 1 for latents in above.values())
    once = np.concatenate([np.array(next(iter(latents))) - x[row].ravel() for row, latents in above.items()]) / 0.6
    assert 0.6 < once.std() < 1.4 and 0.35 < np.mean(np.array(below) == 0) < 0.65


def test_the_noise_is_a_function_of_the_seed_and_the_image_alone() -> None:
    """The guide's training, other orders and shares see the same noise; a mirrored image is another picture."""
    x, first = ambient_batches()
    _, guide = ambient_batches(name="guide")
    rows, own = np.arange(8), np.zeros(8, np.int64)
    assert torch.equal(first._once(rows, own), guide._once(rows, own))
    assert torch.equal(first._once(rows[::-1].copy(), own), first._once(rows, own).flip(0))
    assert not torch.equal(first._once(rows, own), first._once(rows, own + 1))
    _, mirrored = ambient_batches(flipped=-x)
    whole = mirrored.at(3, torch_generator(0, 3), slice(0, 8), CPU)
    half = mirrored.at(3, torch_generator(0, 3), World(rank=1, size=2).share(8), CPU)
    for name in ("latents", "sigma", "noise", "labels", "noised"):
        assert torch.equal(getattr(half, name), getattr(whole, name)[4:])
    assert torch.equal(half.rows(slice(0, 2)).noised, half.noised[:2])
