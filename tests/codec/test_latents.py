"""Stored latents: statistics against closed forms, draws, and parts that survive a kill."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.codec import base, latents
from unpersonal.codec.autoencoder import NetworkCodec
from unpersonal.codec.base import RowView
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.codec.config import CodecConfig
from unpersonal.codec.kl import KLNetwork
from unpersonal.codec.latents import LatentRows, Mirrored, Moments, open_mirrored, write_mirrored
from unpersonal.codec.store import load_latent_rows
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float
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
    rows = RowView(np.arange(20).reshape(10, 2), np.array([9, 0, 4]))
    assert rows.shape == (3, 2) and len(rows) == 3
    assert rows[1:].tolist() == [[0, 1], [8, 9]] and rows[np.array([2, 0])].tolist() == [[8, 9], [18, 19]]


def tiny_codec(images, kind):
    if kind == "pixel":
        return PixelCodec.fit(images)
    network = KLNetwork(CodecConfig(kind="kl", width=4, levels=2, latent_channels=2), 1, seed=2)
    return NetworkCodec(network, {}, 1, torch.tensor([0.3, -0.2]), torch.tensor([1.5, 0.7]))


def mirrored_images(count=9):
    images = np.random.default_rng(0).integers(0, 256, (count + 4, 1, 32, 32), dtype=np.uint8)
    return images, np.random.default_rng(1).permutation(count + 4)[:count]


@pytest.mark.parametrize("kind", ["pixel", "kl"])
def test_mirrored_latents_are_those_of_each_mirrored_image(tmp_path, kind):
    images, rows = mirrored_images()
    codec = tiny_codec(images, kind)
    write_mirrored(tmp_path / "m", Mirrored(images, rows), codec, CPU)
    found = open_mirrored(tmp_path / "m", codec)
    names = {"latents.npy", "latents_std.npy"} if kind == "kl" else {"latents.npy"}
    assert {path.name for path in (tmp_path / "m").iterdir()} == names and found.random == (kind == "kl")
    each = [to_float(np.fliplr(images[row, 0])[None, None]) for row in rows]
    means = np.concatenate([codec.encode(image).numpy() for image in each])
    assert np.allclose(found[:], means, atol=1e-5) and not np.allclose(codec.encode(to_float(images[rows])), means)
    if kind == "kl":
        deviations = np.concatenate([codec.posterior(image)[1].numpy() for image in each])
        noise = torch.randn(means.shape, generator=torch_generator(4)).numpy()
        drawn = found.sample(np.arange(len(rows)), torch_generator(4))
        assert deviations.min() > 0 and np.allclose(drawn, means + deviations * noise, atol=1e-5)


def test_a_killed_pass_over_mirrored_images_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "SHARD", 4)
    images, rows = mirrored_images()
    codec, pictures = tiny_codec(images, "kl"), Mirrored(images, rows)
    write_mirrored(tmp_path / "whole", pictures, codec, CPU)
    whole, seen = NetworkCodec.raw_posterior, []

    def counted(self, given):
        seen.append(len(given))
        if len(seen) == 3 and sum(seen) == 9:
            raise KeyboardInterrupt
        return whole(self, given)

    monkeypatch.setattr(NetworkCodec, "raw_posterior", counted)
    with pytest.raises(KeyboardInterrupt):
        write_mirrored(tmp_path / "cut", pictures, codec, CPU)
    write_mirrored(tmp_path / "cut", pictures, codec, CPU)
    write_mirrored(tmp_path / "cut", pictures, codec, CPU)
    assert seen == [4, 4, 1, 1], "no part twice, and nothing once all is there"
    for name in ("latents.npy", "latents_std.npy"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


class Spy:
    """A codec of no network that notes what it is handed."""

    def __init__(self):
        self.seen = []

    def encode(self, images):
        self.seen.append((len(images), images.device.type))
        return torch.zeros(len(images), 1, 2, 2)


def test_mirrored_images_go_to_the_device_a_bounded_number_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "PIXELS", 4 * 32 * 32)
    images, rows = mirrored_images()
    spy = Spy()
    write_mirrored(tmp_path / "m", Mirrored(images, rows), spy, torch.device("meta"))
    assert spy.seen[1:] == [(4, "meta"), (4, "meta"), (1, "meta")] and spy.seen[0][0] == 1


def test_the_content_of_mirrored_images_is_that_of_their_pixels_and_order(monkeypatch):
    images, rows = mirrored_images()
    contents = {Mirrored(images, chosen).content() for chosen in (rows, rows[::-1], rows[1:])}
    contents.add(Mirrored(images.reshape(-1, 1, 16, 64), rows).content())
    monkeypatch.setattr(base, "PIXELS", 4 * 32 * 32)
    again = Mirrored(images.copy(), rows).content()
    assert len(contents) == 4 and again in contents
