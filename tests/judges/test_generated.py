"""Copies by a diffusion model: whom they show, what they depend on, and what an over-fitted model knows."""

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, write_study
from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.codec.store import load_codec
from unpersonal.core.errors import InputError
from unpersonal.core.parts import ClusterConfig
from unpersonal.core.pixels import to_float, to_uint8
from unpersonal.core.spread import spreading
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.models import FOLDER, write_network
from unpersonal.diffusion.network import build_denoiser
from unpersonal.judges import generated
from unpersonal.judges.generated import has_denoiser, make_bank, overfitted_samples, renoised_copies
from unpersonal.phantom import phantom_cohort

CPU = torch.device("cpu")
ROWS = np.array([3, 5, 11, 12, 20])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with an untrained denoiser under two-valued conditions."""
    images, subjects, labels = phantom_cohort(24, 1, 32, findings=("No Finding", "Pleural Effusion"))
    codec = PatchCodec.fit(images, patch=4, components=8)
    conditions = np.eye(2, dtype=np.float32)[np.arange(len(images)) % 2]
    path = write_study(
        tmp_path_factory.mktemp("generated") / "study",
        cohort_of(subjects, labels),
        images,
        codec=codec,
        kind="patch",
        conditions=conditions,
    )
    assert not has_denoiser(path)
    shape = NetworkConfig(
        resolution=8, channels=8, label_dim=2, model_channels=32, channel_mult=(1, 2), attn_resolutions=()
    )
    write_network(path.joinpath(*FOLDER), "denoiser", build_denoiser(shape, 0).state_dict(), shape)
    return path, images


def test_a_renoised_copy_depends_on_its_row_level_and_seed_alone(study):
    path, _ = study
    assert has_denoiser(path)
    copies = renoised_copies(path, ROWS, 0.1, 4, CPU)
    assert copies.shape == (5, 1, 32, 32) and copies.dtype == np.uint8
    np.testing.assert_array_equal(copies, renoised_copies(path, ROWS, 0.1, 4, CPU))
    alone = renoised_copies(path, ROWS[2:3], 0.1, 4, CPU)
    assert np.abs(alone[0].astype(int) - copies[2]).max() <= 1
    for other in (renoised_copies(path, ROWS, 0.2, 4, CPU), renoised_copies(path, ROWS, 0.1, 5, CPU)):
        assert (other != copies).any(axis=(1, 2, 3)).all()


def test_with_hardly_any_noise_a_copy_is_the_image_after_the_codec(study):
    path, images = study
    codec = load_codec(path)
    coded = to_uint8(codec.decode(codec.encode(to_float(images[ROWS]))))
    near, far = (
        np.abs(renoised_copies(path, ROWS, sigma, 0, CPU).astype(int) - coded).mean() for sigma in (0.003, 0.3)
    )
    assert near < 2 < far


def test_a_study_without_a_model_is_an_error(study, tmp_path):
    with pytest.raises(InputError):
        renoised_copies(tmp_path, ROWS, 0.1, 0, CPU)
    with pytest.raises(InputError):
        overfitted_samples(tmp_path, ROWS, 0, CPU)


def test_a_bank_holds_one_copy_of_each_image_and_is_kept(study, tmp_path, monkeypatch):
    path, images = study
    rows = np.arange(4, 24)
    assert make_bank(tmp_path, rows, 12, 0, CPU, tmp_path / "none.safetensors") is None
    assert make_bank(path, rows, 0, 0, CPU, tmp_path / "none.safetensors") is None
    monkeypatch.setattr(generated, "BANK_SIGMAS", (0.003, 0.004))  # so that a copy is told by its pixels
    monkeypatch.setattr(generated, "overfitted_samples", lambda study, rows, seed, device: images[rows[::-1]])
    kept = tmp_path / "bank.safetensors"
    bank = make_bank(path, rows, 16, 0, CPU, kept)
    assert len(set(bank.rows)) == len(bank.rows)
    # of the two that the over-fitted model drew, each is the other's: neither is kept
    assert bank.images.shape == (14, 1, 32, 32)
    codec = load_codec(path)
    coded = to_uint8(codec.decode(codec.encode(to_float(images[rows[bank.rows]]))))
    assert np.abs(bank.images.astype(int) - coded).mean(axis=(1, 2, 3)).max() < 3
    monkeypatch.setattr(generated, "renoised_copies", None)
    again = make_bank(path, rows, 16, 0, CPU, kept)
    np.testing.assert_array_equal(again.images, bank.images)
    np.testing.assert_array_equal(again.rows, bank.rows)


def test_a_draw_that_shows_another_of_the_few_is_repeated(study, monkeypatch):
    path, images = study
    calls = []

    def denoised(study, model, rows, sigma, key, steps):
        calls.append((rows.tolist(), key))
        shown = rows.copy()
        if key[2] < 2:  # the first is drawn for the last, twice; one never comes right
            shown[shown == ROWS[0]] = ROWS[4]
        shown[shown == ROWS[3]] = ROWS[1]
        return np.array(images[shown])

    monkeypatch.setattr(generated, "overfit", lambda *_: None)
    monkeypatch.setattr(generated, "_denoised", denoised)
    samples = overfitted_samples(path, ROWS, 7, CPU)
    np.testing.assert_array_equal(samples, images[[ROWS[0], ROWS[1], ROWS[2], ROWS[1], ROWS[4]]])
    assert [rows for rows, _ in calls] == [ROWS.tolist(), [3, 12], [3, 12], [12]]
    assert len({key for _, key in calls}) == 4


def test_more_images_are_more_models_of_few(study, monkeypatch):
    """What many learn together is learnt less well: a trial of many must be as hard as one of few."""
    path, images = study
    learnt = []
    monkeypatch.setattr(generated, "TOGETHER", 2)
    monkeypatch.setattr(generated, "overfit", lambda study, rows, seed, *_: learnt.append((rows.tolist(), seed)))
    monkeypatch.setattr(generated, "_denoised", lambda study, model, rows, *_: np.array(images[rows]))
    with spreading(ClusterConfig(workers=1)):
        np.testing.assert_array_equal(overfitted_samples(path, ROWS, 7, CPU), images[ROWS])
    assert [rows for rows, _ in learnt] == [ROWS[:2].tolist(), ROWS[2:4].tolist(), ROWS[4:].tolist()]
    assert len({seed for _, seed in learnt}) == 3


@pytest.mark.slow
def test_an_overfitted_model_draws_the_images_it_was_trained_on(study, monkeypatch):
    path, images = study
    monkeypatch.setattr(generated, "OVERFIT_BATCH", 8)
    rows, errors = ROWS[:2], []
    for times in (4, 500):  # this denoiser begins untrained
        monkeypatch.setattr(generated, "TIMES", times)
        samples = overfitted_samples(path, rows, 7, CPU)
        errors.append(np.abs(samples[:, None].astype(float) - images[rows][None]).mean(axis=(2, 3, 4)))
    np.testing.assert_array_equal(samples, overfitted_samples(path, rows, 7, CPU))
    np.testing.assert_array_equal(errors[1].argmin(axis=1), [0, 1])
    assert (errors[1].diagonal() < 0.75 * errors[0].diagonal()).all()
