"""Reconstruction figures against closed forms, MONAI, and codecs whose loss is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.codec.base import to_float
from unpersonal.codec.ceiling import ceiling, over_subjects, reconstructed, reconstruction, ssim
from unpersonal.codec.config import CodecConfig
from unpersonal.codec.stage import run_stage
from unpersonal.codec.store import load_codec, load_images
from unpersonal.cohort.table import load_cohort

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
    assert [figures["psnr_db"][k] for k in ("value", "lower", "upper")] == pytest.approx([20, 20, 20], abs=1e-4)
    assert figures["subjects"] == 20 and figures["images"] == len(cohort.rows("val"))
    assert figures["ssim"]["lower"] <= figures["ssim"]["value"] <= figures["ssim"]["upper"] < 1


def test_a_codec_without_loss_has_no_distance_and_a_coarse_one_has(make_study, source):
    exact, coarse = make_study("exact"), make_study("coarse")
    first = run_stage(exact, CodecConfig(kind="pixel", size=32), source=source)
    second = run_stage(coarse, CodecConfig(kind="patch", size=32, patch=8, components=1), source=source)
    a, b = first["reconstruction"], second["reconstruction"]
    assert a["fid"] == pytest.approx(0, abs=1e-6) and a["ssim"]["value"] == pytest.approx(1, abs=1e-6)
    assert b["fid"] > 10 * a["fid"] and b["fid"] > 0.1 and b["ssim"]["value"] < 0.95
    assert a["fid_real"] == b["fid_real"] > 0
    assert {"size", "channels", "codec", "latent", "psnr_db"} <= set(second) and second["codec"] == "patch"
    rows = load_cohort(exact).rows("val")
    assert np.array_equal(reconstructed(exact, rows), load_images(exact)[rows])
    assert not np.array_equal(reconstructed(coarse, rows), load_images(coarse)[rows])
    pixels = to_float(load_images(coarse)[rows])
    whole = load_codec(coarse)
    assert second["psnr_db"] == pytest.approx(
        -10 * np.log10(((whole.decode(whole.encode(pixels)) - pixels).double() ** 2).mean().item()), abs=1e-4
    )


def test_subjects_count_once_however_many_images_they_have():
    figures = over_subjects(np.array([0.0, 0.0, 0.0, 1.0]), np.array(["a", "a", "a", "b"]), 0)
    assert figures["value"] == 0.5 and (figures["lower"], figures["upper"]) == (0.0, 1.0)


def test_a_cohort_without_val_has_no_figures(make_study):
    study = make_study()
    cohort = load_cohort(study)
    cohort.table["split"] = "train"
    _, figures = reconstruction(Shift(0.0), load_images(study), cohort, seed=0, device=CPU)
    assert figures["images"] == 0 and figures["fid"] is None


def test_the_ceiling_of_a_classifier_that_needs_what_the_codec_removes():
    real = np.zeros((40, 1, 4, 4), np.uint8)
    real[20:] = 200
    targets, subjects = np.zeros((40, 1)), np.array([f"s{i // 2}" for i in range(40)])
    targets[20:] = 1

    def brightness(images):
        return images.mean((1, 2, 3))[:, None]

    kept = ceiling(brightness, real, real, targets, subjects, seed=0, replicates=50)
    assert (kept["auroc_real"], kept["gap"], kept["gap_upper"], kept["subjects"]) == (1.0, 0.0, 0.0, 20)
    lost = ceiling(brightness, real, np.zeros_like(real), targets, subjects, seed=0, replicates=50)
    assert lost["auroc_reconstructed"] == 0.5 and lost["gap"] == lost["gap_lower"] == lost["gap_upper"] == 0.5
    none = ceiling(brightness, real, real, np.zeros((40, 1)), subjects, seed=0, replicates=5)
    assert none["auroc_real"] is None and none["gap_lower"] is None
    with pytest.raises(ValueError, match="39 restored"):
        ceiling(brightness, real, real[1:], targets, subjects, seed=0)
