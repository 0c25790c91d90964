from pathlib import Path

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, write_study
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.evaluate import audit_images
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.model import NOISES, SIGMAS, ModelAccess, check_fits, denoising_errors, load_access
from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.codec.store import load_images, load_latents
from unpersonal.core.errors import InputError
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.models import FOLDER, write_network
from unpersonal.diffusion.network import build_denoiser, fold_weights
from unpersonal.diffusion.noise import keyed_noise
from unpersonal.features.store import Component, save_conditions
from unpersonal.phantom import phantom_cohort

CPU = torch.device("cpu")
SMALL = NetworkConfig(resolution=8, channels=1, model_channels=8, channel_mult=(1,), attn_resolutions=())


def images(count: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 1, side, side), dtype=np.uint8)


def access(label_dim: int = 0, **changes: object) -> ModelAccess:
    network = fold_weights(build_denoiser(SMALL.model_copy(update={"label_dim": label_dim}), 0))
    return ModelAccess(network, None, None, None, CPU, **changes)  # type: ignore[arg-type]


def test_the_error_of_an_untrained_network_is_that_of_a_normal_prior() -> None:
    # its body gives nothing yet, so that it shrinks what it sees by sigma_data² / (sigma² + sigma_data²)
    latents = torch.zeros(2, 1, 8, 8)
    errors = denoising_errors(access().denoiser, latents, None, CPU)
    noises = keyed_noise([("audit-model", number) for number in range(NOISES)], (1, 8, 8)).numpy()
    shrunk = np.array([sigma * 0.25 / (sigma**2 + 0.25) for sigma in SIGMAS])
    assert np.allclose(errors, shrunk**2 * (noises**2).mean(), rtol=1e-4)


def test_errors_of_an_image_do_not_depend_on_its_neighbours() -> None:
    given = images(7)
    assert np.allclose(access().errors(given)[2:4], access().errors(given[2:4]))


def test_the_condition_under_which_an_image_costs_least_is_taken() -> None:
    codes = np.eye(3, dtype=np.float32)
    plain = access(label_dim=3)
    tried = ModelAccess(plain.denoiser, None, None, lambda given: np.repeat(codes[None], len(given), 0), CPU)
    each = np.stack(
        [denoising_errors(plain.denoiser, plain.latents(images(4)), np.repeat(code[None], 4, 0), CPU) for code in codes]
    )
    assert np.allclose(np.log(tried.errors(images(4))).mean(axis=1), np.log(each).mean(axis=2).min(axis=0))


def test_a_checkpoint_beside_its_configuration_is_loaded(tmp_path: Path) -> None:
    network = build_denoiser(SMALL, 3)
    write_network(tmp_path, "denoiser", network.state_dict(), SMALL)
    loaded = load_access(tmp_path / "denoiser.safetensors", CPU)
    assert loaded.guide is None and loaded.codec is None and len(loaded.source) == 64
    expected = denoising_errors(fold_weights(network), loaded.latents(images(2)), None, CPU)
    assert np.allclose(loaded.errors(images(2)), expected)


@pytest.mark.parametrize("name", ["nothing", "denoiser.pkl"])
def test_what_is_no_model_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "denoiser.pkl").write_bytes(b"x")
    with pytest.raises(InputError, match="no trained model"):
        load_access(tmp_path / name, CPU)


def test_images_that_do_not_fit_the_model_are_refused() -> None:
    check_fits(access(), images(2))
    with pytest.raises(InputError, match="the model takes"):
        check_fits(access(), np.zeros((2, 3, 16, 16), dtype=np.uint8))


def test_a_model_of_colour_images_is_shown_grey_ones_in_all_channels() -> None:
    network = build_denoiser(SMALL.model_copy(update={"channels": 3}), 0)
    grey = ModelAccess(fold_weights(network), None, None, None, CPU).latents(images(2))
    assert grey.shape == (2, 3, 8, 8) and torch.equal(grey[:, 0], grey[:, 2])


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A study with an untrained denoiser under label codes, and its guide."""
    pictures, subjects, labels = phantom_cohort(24, 1, 32, findings=("No Finding", "Pleural Effusion"))
    codec, codes = PatchCodec.fit(pictures, patch=4, components=8), np.eye(2, dtype=np.float32)
    conditions = codes[np.arange(len(pictures)) % 2]
    path = write_study(
        tmp_path / "study", cohort_of(subjects, labels), pictures, codec=codec, kind="patch", conditions=conditions
    )
    save_conditions(path, conditions, (Component("label", 0, 2, from_labels=True),))
    for name, label_dim in (("denoiser", 2), ("guide", 0)):
        shape = SMALL.model_copy(update={"channels": 8, "label_dim": label_dim})
        write_network(path.joinpath(*FOLDER), name, build_denoiser(shape, 0).state_dict(), shape)
    return path


def test_the_model_of_a_study_is_met_with_its_own_codec_and_conditions(ready: Path) -> None:
    loaded = load_access(ready, CPU)
    assert loaded.conditions is not None and loaded.guide is not None and loaded.shape == (1, 32)
    given = np.asarray(load_images(ready)[:3])
    check_fits(loaded, given)
    assert np.allclose(loaded.latents(given).numpy(), load_latents(ready)[:3], atol=1e-3)
    errors = loaded.errors(given)
    assert errors.shape == (3, len(SIGMAS)) and np.isfinite(errors).all()
    # twice the size is brought to that of the study
    assert loaded.errors(given.repeat(2, axis=2).repeat(2, axis=3)) == pytest.approx(errors, rel=1e-3)


@pytest.mark.slow
def test_an_audit_with_the_model_plays_its_attacks_and_says_so(phantoms: tuple[np.ndarray, ...]) -> None:
    given, subjects, _ = phantoms
    names = np.unique(subjects)

    def part(first: int, last: int) -> SubjectImages:
        rows = np.flatnonzero(np.isin(subjects, names[first:last]))
        return SubjectImages(given[rows], subjects[rows])

    config = AuditConfig(
        size=16, components=16, permutations=999, network_steps=20, kind_copies=1, planted_copies=20, shadows=2,
        shadow_width=8, shadow_images=64,
    )  # fmt: skip
    sides = part(0, 40), part(40, 80), part(300, 320).images, part(80, 200)
    result = audit_images(*sides, config=config, seed=0, model=access())
    rows = {row.name for row in result.figures.membership or ()}
    # of a model without conditions the gain is 0 for everybody, which is told and counts for nothing
    assert {"membership_by_model_loss", "membership_by_shadows"} <= rows and "membership_by_model_gain" not in rows
    assert any("model gain" in note for note in result.figures.notes)
    assert "holds the release and the trained model" in (result.figures.claim or "")
    assert not any("does not have the trained model" in note for note in result.figures.notes)


def test_a_model_under_centroids_is_tried_under_the_nearest_of_each_label(tmp_path: Path) -> None:
    """The attacker knows the encoder and the centroids, not whose group an image is in."""
    from unpersonal.audit.model import NEAREST, _conditions_of
    from unpersonal.core.tensors import load_tensors
    from unpersonal.features.config import FeaturesConfig
    from unpersonal.features.registry import ENCODERS
    from unpersonal.features.stage import run_stage
    from unpersonal.features.store import load_components, load_conditions

    pictures, subjects, _ = phantom_cohort(24, 1, 32)
    labels = [["a"] if name < "sub-00013" else ["b"] for name in subjects]
    write_study(tmp_path, cohort_of(subjects, labels), pictures)
    run_stage(tmp_path, FeaturesConfig(condition="label+centroid", kind="pca", k_same=3), seed=0, device=CPU)
    tried, known, parts = _conditions_of(tmp_path)(pictures[:5]), load_conditions(tmp_path), load_components(tmp_path)
    assert tried.shape == (5, 2 * NEAREST, known.shape[1])
    unit = ENCODERS.get("pca").load(load_tensors(tmp_path / "features" / "encoder.safetensors")[0]).unit(pictures[:5])
    for image in range(5):
        for row in tried[image]:
            like = known[(known[:, parts[0].columns] == row[parts[0].columns]).all(axis=1)]
            assert (like == row).all(axis=1).any()
        for code in (0, 1):
            like = np.unique(known[known[:, code] > 0][:, parts[1].columns], axis=0)
            best = like[np.argsort(-(like @ unit[image]), kind="stable")[:NEAREST]]
            own = tried[image][tried[image][:, code] > 0][:, parts[1].columns]
            np.testing.assert_array_equal(own, best)
