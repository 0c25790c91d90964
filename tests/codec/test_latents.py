"""Stored latents: statistics against closed forms, draws, and parts that survive a kill."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.codec.base import Rows
from unpersonal.codec.latents import LatentRows, Moments
from unpersonal.codec.store import load_latent_rows
from unpersonal.core.errors import InputError
from unpersonal.core.seeds import torch_generator
from unpersonal.core.tensors import save_array

CPU = torch.device("cpu")


class Known:
    """Not a network: the latents of image i are N(3 + i's brightness, 0.2²) and N(-1, 2²) in two channels."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def raw_posterior(self, images):
        self.seen.append(len(images))
        grey = images.mean((1, 2, 3)).reshape(-1, 1, 1, 1)
        mean = torch.cat([3 + grey.expand(-1, 1, 2, 2), torch.full((len(images), 1, 2, 2), -1.0)], 1)
        deviation = torch.tensor([0.2, 2.0]).reshape(1, 2, 1, 1).expand_as(mean).contiguous()
        return mean, deviation


@pytest.fixture
def written(tmp_path):
    levels = np.arange(1500, dtype=np.int64) % 256
    images = np.broadcast_to(levels[:, None, None, None], (1500, 1, 4, 4)).astype(np.uint8)
    store = tmp_path / "store"
    moments = Moments(store / "moments-x", images)
    moments.compute(Known(), CPU)
    train = np.arange(0, 1500, 2)
    mean, scale = moments.statistics(train)
    shape = moments.write(store, mean, scale)
    return tmp_path, moments, levels[train] / 255, train, (mean, scale, shape)


def test_statistics_are_those_of_samples_over_train_rows_alone(written):
    _, _, grey, _, (mean, scale, shape) = written
    assert shape == (2, 2, 2)
    assert mean.tolist() == pytest.approx([3 + grey.mean(), -1], abs=1e-6)
    assert scale.tolist() == pytest.approx([np.sqrt(grey.var() + 0.2**2), 2.0], abs=1e-6)


def test_sampled_latents_have_mean_zero_and_standard_deviation_one_half(written):
    study, _, _, train, _ = written
    rows = load_latent_rows(study)
    drawn = np.concatenate([rows.sample(train, torch_generator(1, step)) for step in range(40)])
    assert drawn.dtype == np.float32 and rows.random and len(rows) == 1500 and rows.shape == (1500, 2, 2, 2)
    assert np.abs(drawn.mean((0, 2, 3))).max() < 0.006
    assert np.abs(drawn.std((0, 2, 3)) - 0.5).max() < 0.006
    # the second channel has the same mean for everybody: all of its spread is the posterior's
    assert np.abs(rows[np.arange(5)][:, 1]).max() < 1e-6


def test_draws_follow_from_the_generator_and_views_from_their_rows(written):
    rows = load_latent_rows(written[0])
    some = np.array([7, 3, 1499])
    first = rows.sample(some, torch_generator(5, "step", 1))
    assert np.array_equal(first, rows.sample(some, torch_generator(5, "step", 1)))
    assert not np.array_equal(first, rows.sample(some, torch_generator(5, "step", 2)))
    view = rows.view(some)
    assert view.shape == (3, 2, 2, 2) and np.array_equal(view[np.array([1])], rows[np.array([3])])
    assert np.array_equal(view.sample(np.arange(3), torch_generator(5, "step", 1)), first)


def test_without_deviations_the_mean_comes_back_and_no_number_is_drawn(tmp_path):
    latents = np.random.default_rng(0).normal(size=(6, 1, 2, 2)).astype(np.float32)
    save_array(tmp_path / "store" / "latents.npy", latents)
    rows, generator = load_latent_rows(tmp_path), torch_generator(0)
    assert not rows.random and np.array_equal(rows.sample([2, 4], generator), latents[[2, 4]])
    assert torch.equal(torch.randn(3, generator=generator), torch.randn(3, generator=torch_generator(0)))


def test_deviations_of_another_shape_are_refused(tmp_path):
    save_array(tmp_path / "store" / "latents.npy", np.zeros((6, 1, 2, 2), np.float32))
    save_array(tmp_path / "store" / "latents_std.npy", np.zeros((5, 1, 2, 2), np.float32))
    with pytest.raises(InputError, match="do not fit the latents"):
        load_latent_rows(tmp_path)
    with pytest.raises(ValueError, match="differ in shape"):
        LatentRows(np.zeros((2, 1)), np.zeros((3, 1)))


def test_a_killed_pass_computes_only_the_parts_that_are_missing(written):
    study, moments, *_ = written
    parts = sorted((study / "store" / "moments-x").iterdir())
    before = [path.read_bytes() for path in parts]
    assert len(parts) == 2
    parts[1].unlink()
    again = Known()
    moments.compute(again, CPU)
    assert sum(again.seen) == 1500 - 1024 and [path.read_bytes() for path in parts] == before
    moments.remove()
    assert not (study / "store" / "moments-x").exists()


def test_no_train_rows_are_refused(written):
    with pytest.raises(InputError, match="no train images"):
        written[1].statistics(np.array([], dtype=np.int64))


def test_rows_are_a_view():
    rows = Rows(np.arange(20).reshape(10, 2), np.array([9, 0, 4]))
    assert rows.shape == (3, 2) and len(rows) == 3
    assert rows[1:].tolist() == [[0, 1], [8, 9]] and rows[np.array([2, 0])].tolist() == [[8, 9], [18, 19]]
