"""The kl codec: closed forms of its loss, that it learns, and that a killed training ends in the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from unpersonal.codec import kl
from unpersonal.codec.autoencoder import NetworkCodec, unscaled
from unpersonal.codec.codecs.kl import shape_of
from unpersonal.codec.config import CodecConfig
from unpersonal.codec.stage import run_stage
from unpersonal.codec.store import load_codec, load_images, load_latent_rows, load_latents
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float

CPU = torch.device("cpu")
CONFIG = CodecConfig(kind="kl", width=4, levels=2, latent_channels=3, images=1200, batch=8, lr=5e-3, evaluations=4)
BRIEF = CONFIG.model_copy(update={"images": 4 * 50, "batch": 4, "evaluations": 2})


def psnr(original, restored):
    """In dB, over all pixels at once."""
    return -10 * np.log10(((original.double() - restored.double()) ** 2).mean().item())


def contents(study):
    files = sorted(path for path in (study / "store").rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in files}


def test_the_divergence_is_that_of_torch():
    mean, deviation = torch.randn(3, 2, 4, 4), torch.rand(3, 2, 4, 4) + 0.1
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, deviation), normal(0.0, 1.0)).sum()
    assert kl.divergence(mean, deviation).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_edge_error_ignores_brightness_and_sees_a_step():
    images = torch.rand(2, 1, 8, 8)
    assert kl.edge_error(images + 0.3, images).item() == pytest.approx(0, abs=1e-6)
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1
    assert kl.edge_error(step, torch.zeros_like(step)).item() == pytest.approx(1 / 7)


@pytest.mark.slow
def test_it_learns_more_than_the_mean_image_and_samples_are_scaled(make_study):
    study = make_study()
    figures = run_stage(study, CONFIG, seed=3, device=CPU).to_json()
    images, cohort = load_images(study), load_cohort(study)
    train, val = to_float(images[cohort.rows("train")]), to_float(images[cohort.rows("val")])
    floor = psnr(val, train.mean(0, keepdim=True).expand_as(val))
    assert figures["psnr_db"] > floor + 1
    assert (figures["codec"], figures["latent"], figures["channels"]) == ("kl", "3x8x8", 1)
    assert figures["kept_step"] <= figures["steps"] == 150 and 0 < figures["held_out_error"] < 0.1
    codec, rows = load_codec(study), load_latent_rows(study)
    assert psnr(val, codec.decode(codec.encode(val))) == pytest.approx(figures["psnr_db"], abs=1e-3)
    assert np.allclose(codec.encode(val).numpy(), load_latents(study)[cohort.rows("val")], atol=1e-5)
    generator = torch.Generator().manual_seed(0)
    drawn = np.concatenate([rows.sample(cohort.rows("train"), generator) for _ in range(20)])
    assert np.abs(drawn.mean((0, 2, 3))).max() < 0.01 and np.abs(drawn.std((0, 2, 3)) - 0.5).max() < 0.01
    assert sorted(contents(study)) == [
        "codec-history.json", "codec.json", "codec.safetensors", "images.npy", "latents.npy", "latents_std.npy",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("where", ["training", "latents"])
def test_a_killed_stage_ends_in_the_same_bytes(make_study, monkeypatch, where):
    whole, killed = make_study("whole"), make_study("killed")
    monkeypatch.setattr(kl, "SAVE_EVERY", 25)
    expected = run_stage(whole, BRIEF, seed=3, device=CPU)

    class Killed(BaseException):
        """As sudden as a signal."""

    edge_error, calls = kl.edge_error, []

    def die_late(*arguments):
        calls.append(1)
        if len(calls) > 30:
            raise Killed
        return edge_error(*arguments)

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        if where == "training":
            patch.setattr(kl, "edge_error", die_late)
        else:
            patch.setattr(NetworkCodec, "raw_posterior", die)
        run_stage(killed, BRIEF, seed=3, device=CPU)
    assert any("checkpoint-codec" in name for name in contents(killed))
    counted = []
    monkeypatch.setattr(kl, "edge_error", lambda *a: counted.append(1) or edge_error(*a))
    assert run_stage(killed, BRIEF, seed=3, device=CPU) == expected
    assert len(counted) == (25 if where == "training" else 0)
    assert contents(killed) == contents(whole)


@pytest.mark.slow
def test_the_seed_decides(make_study):
    one, other = make_study("one"), make_study("other")
    short = BRIEF.model_copy(update={"images": 4 * 5})
    run_stage(one, short, seed=1)
    run_stage(other, short, seed=2)
    assert contents(one)["codec.safetensors"] != contents(other)["codec.safetensors"]


@pytest.mark.slow
def test_the_weights_with_the_least_held_out_error_are_kept_and_patience_ends_it(people, tmp_path, monkeypatch):
    images = people[0]
    errors = iter([0.5, 0.2, 0.3, 0.4, 0.1])
    states = []

    def told(network, *_):
        states.append({name: value.clone() for name, value in network.module.state_dict().items()})
        return next(errors)

    monkeypatch.setattr(kl, "held_out_error", told)
    patient = CONFIG.model_copy(update={"images": 125, "evaluations": 5, "patience": 2, "batch": 1})
    network, history = kl.train_kl(
        images, np.arange(40), np.arange(40, 60), patient, seed=0, device=CPU, checkpoint=tmp_path / "c.safetensors"
    )
    assert history[-1]["step"] == 100 and [row.get("held_out_error") for row in history] == [0.5, 0.2, 0.3, 0.4]
    assert all(torch.equal(value, states[1][name]) for name, value in network.module.state_dict().items())


@pytest.mark.slow
def test_colour_images_keep_their_colours(make_study):
    study = make_study(colour=True)
    figures = run_stage(study, CONFIG.model_copy(update={"images": 8 * 75}), seed=0).to_json()
    codec, images = load_codec(study), to_float(load_images(study)[:8])
    back = codec.decode(codec.encode(images))
    assert figures["channels"] == 3 and back.shape == images.shape and back.min() >= 0 and back.max() <= 1
    error = [(back - images.roll(turn, 1)).abs().mean().item() for turn in range(3)]
    assert error[0] < min(error[1:])


def test_memory_is_bounded_by_chunks_that_change_nothing(monkeypatch):
    from unpersonal.codec import autoencoder

    network = kl.KLNetwork(CONFIG, 1, seed=0)
    codec = unscaled(network, shape_of(CONFIG), 1)
    images, seen = torch.rand(7, 1, 32, 32), []
    whole = codec.decode(codec.encode(images))
    moments = network.moments
    monkeypatch.setattr(network, "moments", lambda pixels: seen.append(len(pixels)) or moments(pixels))
    monkeypatch.setattr(autoencoder, "PIXELS_AT_ONCE", 3 * 32 * 32)
    assert torch.allclose(codec.decode(codec.encode(images)), whole, atol=1e-5) and seen == [3, 3, 1]


def test_wrong_settings_and_damaged_files_are_refused(make_study):
    for kind in ("vae:", "vae: ", "gan", "", "KL", "vae:a\x00b"):
        with pytest.raises(ValidationError, match="kind is kl, patch, pixel, vae:FOLDER or vae:OWNER/NAME, not"):
            CodecConfig(kind=kind)
    assert CodecConfig(kind="vae:some/name").kind == "vae:some/name"
    with pytest.raises(ValueError, match="cannot be halved 3 times"):
        CodecConfig(kind="kl", levels=3).check_size(36)
    study = make_study()
    run_stage(study, BRIEF.model_copy(update={"images": 4}))
    facts = study / "store" / "codec.json"
    text = facts.read_text()
    for damaged, message in (
        (text.replace('"width": 4', '"width": 12'), "does not fit"),
        (text[:-9], "not valid JSON"),
    ):
        facts.write_text(damaged)
        with pytest.raises(InputError, match=message):
            load_codec(study)
    with pytest.raises(InputError, match="no images to train"):
        empty = np.array([], dtype=np.int64)
        kl.train_kl(load_images(study), empty, empty, CONFIG, seed=0, device=CPU, checkpoint=study / "c.safetensors")
