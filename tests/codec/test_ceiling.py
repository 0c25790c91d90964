"""Reconstruction figures against closed forms, MONAI, and codecs whose loss is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.codec.ceiling import over_subjects, reconstructed, reconstruction, restored, ssim
from unpersonal.codec.config import CodecConfig
from unpersonal.codec.stage import run_stage
from unpersonal.codec.store import load_codec, load_images
from unpersonal.cohort.table import load_cohort
from unpersonal.core.pixels import to_float, to_uint8

CPU = torch.device("cpu")


class Shift:
    """A codec that makes every image brighter by `by`."""

    def __init__(self, by):
        self._by = by

    def encode(self, images):
        return images

    def decode(self, latents):
        return latents + self._by


def test_ssim_of_constant_images_is_the_luminance_term():
    a, b, c1 = 0.2, 0.7, 0.01**2
    got = ssim(torch.full((1, 1, 16, 16), a), torch.full((1, 1, 16, 16), b)).item()
    assert got == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), rel=1e-5)


@pytest.mark.slow
def test_ssim_is_one_for_itself_and_monais_for_others():
    from monai.metrics import SSIMMetric

    torch.manual_seed(0)
    x = torch.rand(3, 2, 24, 24)
    y = (x + 0.2 * torch.randn(x.shape)).clamp(0, 1)
    assert torch.allclose(ssim(x, x), torch.ones(3, dtype=torch.float64))
    expected = SSIMMetric(spatial_dims=2, data_range=1.0)(x, y).flatten().double()
    assert torch.allclose(ssim(x, y), expected, atol=1e-4)


def test_a_known_error_has_its_psnr_everywhere(make_study):
    study = make_study()
    images, cohort = load_images(study), load_cohort(study)
    pooled, figures = reconstruction(Shift(0.1), images, cohort, seed=0, device=CPU)
    assert pooled == pytest.approx(20, abs=1e-4)
    assert list(figures.psnr_db.to_json().values()) == pytest.approx([20, 20, 20], abs=1e-4)
    assert figures.subjects == 20 and figures.images == len(cohort.rows("val"))
    assert figures.ssim.lower <= figures.ssim.value <= figures.ssim.upper < 1


def test_a_codec_without_loss_has_no_distance_and_a_coarse_one_has(make_study):
    exact, coarse = make_study("exact"), make_study("coarse")
    first = run_stage(exact, CodecConfig(kind="pixel")).to_json()
    second = run_stage(coarse, CodecConfig(kind="patch", patch=8, components=1)).to_json()
    a, b = first["reconstruction"], second["reconstruction"]
    assert a["fid"] == pytest.approx(0, abs=1e-6) and a["ssim"]["value"] == pytest.approx(1, abs=1e-6)
    assert b["fid"] > 10 * a["fid"] and b["fid"] > 0.1 and b["ssim"]["value"] < 0.95
    assert a["fid_real"] == b["fid_real"] > 0
    assert {"size", "channels", "codec", "latent", "psnr_db"} <= set(second) and second["codec"] == "patch"
    rows = load_cohort(exact).rows("val")
    assert np.array_equal(reconstructed(exact, rows, exact / "back.npy"), load_images(exact)[rows])
    assert not np.array_equal(reconstructed(coarse, rows, coarse / "back.npy"), load_images(coarse)[rows])
    pixels = to_float(load_images(coarse)[rows])
    whole = load_codec(coarse)
    assert second["psnr_db"] == pytest.approx(
        -10 * np.log10(((whole.decode(whole.encode(pixels)) - pixels).double() ** 2).mean().item()), abs=1e-4
    )


def test_subjects_count_once_however_many_images_they_have():
    figures = over_subjects(np.array([0.0, 0.0, 0.0, 1.0]), np.array(["a", "a", "a", "b"]), 0)
    assert figures.value == 0.5 and (figures.lower, figures.upper) == (0.0, 1.0)


def test_a_cohort_without_val_has_no_figures(make_study):
    study = make_study()
    cohort = load_cohort(study)
    cohort.table["split"] = "train"
    _, figures = reconstruction(Shift(0.0), load_images(study), cohort, seed=0, device=CPU)
    assert figures.images == 0 and figures.fid is None


def test_images_after_a_kl_codec_are_the_decoded_means(make_study):
    from unpersonal.codec.autoencoder import NetworkCodec
    from unpersonal.codec.codecs.kl import shape_of
    from unpersonal.codec.kl import KLNetwork
    from unpersonal.codec.store import save_codec

    study, config = make_study(), CodecConfig(kind="kl", width=4, levels=2, latent_channels=3)
    made = NetworkCodec(KLNetwork(config, 1), shape_of(config), 1, torch.zeros(3), torch.ones(3))
    save_codec(study / "store" / "codec.safetensors", made, "kl")
    rows, codec = load_cohort(study).rows("aux"), load_codec(study)
    mean, deviation = codec.posterior(to_float(load_images(study)[rows]))
    assert deviation.min() > 0
    back = reconstructed(study, rows, study / "back.npy")
    assert np.abs(back.astype(int) - to_uint8(codec.decode(mean)).astype(int)).max() <= 1
    assert np.array_equal(back, reconstructed(study, rows, study / "again.npy"))


def test_reconstructed_images_are_computed_in_blocks_and_once(make_study, monkeypatch):
    """Memory is that of a block, the result is on disk, and what was finished before a kill is not computed again."""
    from unpersonal.codec import store

    study, seen = make_study(), []

    class Counting(Shift):
        def encode(self, images):
            seen.append(len(images))
            return images

    monkeypatch.setattr(store, "load_codec", lambda _: Counting(0.0))
    images, rows = load_images(study), np.arange(len(load_images(study)))[::-1]
    back = reconstructed(study, rows, study / "back.npy")
    assert isinstance(back, np.memmap) and np.array_equal(back, images[rows])
    assert max(seen) == 64 < len(rows) == sum(seen)
    assert np.array_equal(reconstructed(study, rows, study / "back.npy"), back) and sum(seen) == len(rows)
    assert reconstructed(study, rows[:0], study / "none.npy").shape == (0, *images.shape[1:])
    huge = np.broadcast_to(np.uint8(7), (40, 1, 1024, 1024))
    assert [len(first) for first, _ in restored(Counting(0.0), huge, np.arange(20), CPU)] == [16, 4]
