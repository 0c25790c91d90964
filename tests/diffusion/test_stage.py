"""The stage: files, determinism, guides, widths, mirrored images, a start from another study."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.diffusion.test_origin_subjects import write_cohort
from tests.diffusion.trainings import CONFIG, CPU, Breaking, data
from tests.studies import cohort_of, write_study
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.codec.store import save_codec
from unpersonal.cohort.table import load_cohort
from unpersonal.core.distributed import World
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float
from unpersonal.core.seeds import numpy_rng, torch_generator
from unpersonal.core.tensors import load_tensors, save_array
from unpersonal.diffusion import inputs, stage, task
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.figures import DiffusionFigures
from unpersonal.diffusion.layers import MPConv
from unpersonal.diffusion.mirrored import mirrored_latents
from unpersonal.diffusion.models import load_models
from unpersonal.diffusion.monitor import Monitor
from unpersonal.diffusion.posthoc import Snapshots
from unpersonal.diffusion.rows import Batches
from unpersonal.diffusion.sampling import sample
from unpersonal.diffusion.stage import run_stage
from unpersonal.diffusion.trainer import Trained, train_denoiser
from unpersonal.features.store import save_conditions


@pytest.mark.parametrize(
    ("row", "max_gap", "watched"),
    [
        ({}, 0.03, False),
        ({"match_rate": 0.0, "match_power": 6e-6}, 0.03, False),
        ({"match_rate": 0.0, "match_power": 0.79}, 0.03, False),
        ({"match_rate": 0.0, "match_power": 0.8}, 0.0, True),
        ({"gap_lower": -0.1}, 0.03, True),
        ({"gap_lower": -0.1}, 0.0, False),
    ],
)
def test_who_could_not_have_seen_it_has_not_looked(row: dict[str, float], max_gap: float, watched: bool) -> None:
    assert stage._was_examined("denoiser", row, DiffusionConfig(max_gap=max_gap)) == watched


@pytest.mark.parametrize(
    ("kind", "told", "watched"), [("smaller", 1.0, True), ("smaller", 0.0, False), ("uncond", 0.0, True)]
)
def test_a_guide_with_conditions_is_examined_where_its_gap_tells(kind: str, told: float, watched: bool) -> None:
    row = {"gap_lower": 0.0, "gap_told": told}
    assert stage._was_examined("guide", row, DiffusionConfig(guide=kind)) == watched


@pytest.mark.slow
@pytest.mark.parametrize(("samples", "limit"), [(1, 0.06), (64, 1.0), (64, 0.9), (64, 0.05)])
def test_a_check_that_could_not_have_seen_it_is_none(study: Path, samples: int, limit: float) -> None:
    """Whatever rate it is asked for: 28 held-out people do not show 5 %."""
    update = {"max_gap": 0.0, "monitor_samples": samples, "max_match_rate": limit, "evaluations": 1}
    figures = run_stage(study, STAGE.model_copy(update=update), seed=3, device=CPU)
    assert figures.denoiser_memorised is None and (figures.denoiser_match_power or 0) < 0.1


# images of 4 x 4 pixels have no parts, and nobody's pose shows in them
STAGE = CONFIG.model_copy(
    update={"stop_memorising": False, "patience": 0, "monitor_samples": 64, "monitor_matchers": ("copies",)}
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of 60 images of 4 x 4 pixels, as the rooms above leave it."""
    return make_study(tmp_path / "study")


def make_study(folder: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
    splits = ["train"] * 30 + ["val"] * 28 + ["aux"] + ["test"]
    cohort = cohort_of([f"p{i}" for i in range(60)], [["a"] if i % 2 else ["b"] for i in range(60)], splits)
    return write_study(folder, cohort, images, codec=PixelCodec.fit(images), kind="pixel", conditions=data(60)[1])


@pytest.mark.slow
def test_stage_writes_models_that_load_and_sample(study: Path) -> None:
    figures = run_stage(study, STAGE, seed=3, device=CPU)
    folder = study / "models" / "diffusion"
    assert {path.name for path in folder.iterdir()} == {
        "denoiser.safetensors",
        "denoiser.json",
        "guide.safetensors",
        "guide.json",
        "history.json",
        "samples",
    }
    sheets = sorted((folder / "samples").iterdir())
    assert [path.name for path in sheets] == ["step-0000025.png", "step-0000050.png", "step-0000075.png"]
    assert Image.open(sheets[0]).size == (8 * 4, 8 * 4)
    lines = [json.loads(line) for line in (study / "logs/diffusion/denoiser.metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [25, 50, 75] and "match_rate" in lines[0]
    assert list((study / "logs/diffusion/events/denoiser").iterdir())
    history = json.loads((folder / "history.json").read_text())
    assert set(history) == {"denoiser", "guide"} and "gap" in history["denoiser"][-1]
    assert DiffusionFigures.from_json(json.loads(json.dumps(figures.to_json())), where="here") == figures
    assert figures.denoiser_images == STAGE.images and figures.guide_images == 304

    denoiser, guide = load_models(study, CPU)
    assert denoiser.config.label_dim == 6 and guide.config.label_dim == 0
    assert denoiser.config.model_channels == 8 and guide.config.model_channels == 4
    assert figures.denoiser_parameters == sum(parameter.numel() for parameter in denoiser.parameters())
    assert not denoiser.training and not guide.training
    assert all(module.folding for module in denoiser.modules() if isinstance(module, MPConv))
    drawn = sample(denoiser, torch.randn(2, 1, 4, 4), torch.zeros(2, 6), guide=guide, guidance=1.3, steps=4)
    assert drawn.shape == (2, 1, 4, 4) and torch.isfinite(drawn).all()


@pytest.mark.slow
def test_stage_is_deterministic_and_survives_a_kill(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage(study, STAGE, seed=3, device=CPU)
    names = ("denoiser.safetensors", "guide.safetensors", "history.json")
    folder = study / "models" / "diffusion"
    first = {name: (folder / name).read_bytes() for name in names}

    other = make_study(study.with_name("killed"))
    whole = inputs.load_latent_rows
    monkeypatch.setattr(inputs, "load_latent_rows", lambda study: Breaking(whole(study), 110))
    with pytest.raises(KeyboardInterrupt):
        run_stage(other, STAGE, seed=3, device=CPU)
    monkeypatch.setattr(inputs, "load_latent_rows", whole)
    run_stage(other, STAGE, seed=3, device=CPU)
    assert {name: (other / "models" / "diffusion" / name).read_bytes() for name in names} == first
    lines = (other / "logs/diffusion/denoiser.metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [25, 50, 75]


@pytest.mark.slow
def test_a_smaller_guide_takes_the_conditions(study: Path) -> None:
    run_stage(study, STAGE.model_copy(update={"guide": "smaller"}), seed=3, device=CPU)
    _, guide = load_models(study, CPU)
    assert guide.config.label_dim == 6 and guide.config.model_channels == 4


@pytest.mark.slow
@pytest.mark.parametrize("stops", [True, False])
def test_an_earlier_self_is_always_earlier(study: Path, stops: bool) -> None:
    settings = {"guide": "earlier", "images": 1200, "guide_images": 600, "max_gap": 0.03 if stops else 0}
    config = STAGE.model_copy(update={**settings, "stop_memorising": stops, "max_match_rate": 1.0})
    figures = run_stage(study, config, seed=3, device=CPU)
    denoiser, guide = load_models(study, CPU)
    assert guide.config == denoiser.config and figures.guide_parameters == figures.denoiser_parameters
    assert not torch.equal(guide.unet.out_conv.weight, denoiser.unet.out_conv.weight)
    kept = figures.denoiser_kept_step * config.batch
    assert figures.guide_images <= max(kept / 2, 200) < kept


@pytest.mark.slow
def test_without_conditions(study: Path) -> None:
    save_conditions(study, None, ())
    run_stage(study, STAGE, seed=3, device=CPU)
    denoiser, _ = load_models(study, CPU)
    assert denoiser.config.label_dim == 0


@pytest.mark.slow
def test_a_width_of_average_is_chosen_after_training(study: Path) -> None:
    update = {"ema_profiles": (0.05, 0.1), "ema_search": (0.06, 0.1, 0.2), "images": 800, "patience": 0, "max_gap": 0}
    run_stage(study, STAGE.model_copy(update=update), seed=3, device=CPU)
    history = json.loads((study / "models/diffusion/history.json").read_text())["denoiser"]
    kept = next(row for row in history if row.get("kept") == 1.0)
    errors = {std: kept[f"held_out_error_at_std_{std}"] for std in ("0.06", "0.1", "0.2")}
    assert f"{kept['ema_std']:g}" == min(errors, key=errors.get) and kept["held_out_error"] == min(errors.values())
    denoiser, _ = load_models(study, CPU)
    assert history[-1]["step"] == 100 and denoiser.config.label_dim == 6


def test_a_width_of_average_cannot_be_chosen_on_nobody(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = load_cohort(study)
    cohort.table.loc[cohort.rows("val"), "split"] = "aux"
    cohort.save(study)
    monkeypatch.setattr(task, "train_denoiser", lambda *given, **named: pytest.fail("it was trained"))
    update = {"ema_profiles": (0.05, 0.1), "ema_search": (0.06, 0.1)}
    for flip in (False, True):
        config = STAGE.model_copy(update={**update, "horizontal_flip": flip})
        with pytest.raises(InputError, match=r"Nobody is held out.*\[diffusion\] ema_search"):
            run_stage(study, config, seed=3, device=CPU)
    assert not (study / "models").exists()


@pytest.mark.slow
def test_a_width_that_memorises_is_not_chosen(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Monitor.measure
    seen: list[dict[str, float]] = []

    def measure(self: Monitor, step: int, weights: Any) -> dict[str, float]:
        row = whole(self, step, weights)
        seen.append(row)
        # what the search measures comes after the three measurements of the training
        return row | {"memorised": float(len(seen) > 3)}

    monkeypatch.setattr(Monitor, "measure", measure)
    update = {"ema_profiles": (0.05, 0.1), "ema_search": (0.06, 0.2), "max_gap": 0, "max_match_rate": 1.0}
    run_stage(study, STAGE.model_copy(update=update), seed=3, device=CPU)
    history = json.loads((study / "models/diffusion/history.json").read_text())["denoiser"]
    kept = next(row for row in history if row.get("kept") == 1.0)
    assert kept["ema_std"] == 0.1 and kept["memorised"] == 0.0


@pytest.mark.slow
def test_a_width_that_was_tracked_is_met_again(study: Path) -> None:
    update = {"ema_profiles": (0.05, 0.1), "ema_search": (0.1, 0.2), "max_gap": 0, "max_match_rate": 1.0}
    run_stage(study, STAGE.model_copy(update=update), seed=3, device=CPU)
    snapshots = Snapshots(study / "models/diffusion/snapshots", "denoiser")
    images, _, path = snapshots.found(10**9)[-1]
    exact = load_tensors(path)[0]
    buffers = [name for name in exact if name.endswith(("freqs", "phases"))]
    again = snapshots.average(0.1, images, buffers)
    assert all(torch.allclose(again[name], exact[name], atol=1e-5) for name in exact)


FLIPPED = STAGE.model_copy(
    update={"horizontal_flip": True, "monitor_samples": 0, "images": 8 * 25, "guide_images": 8 * 25}
)


def mix_splits(study: Path) -> np.ndarray:
    """Scatter the parts of the cohort over its rows; returns the rows of train."""
    cohort = load_cohort(study)
    cohort.table["split"] = np.random.default_rng(5).permutation(cohort.splits)
    cohort.save(study)
    return cohort.rows("train")


@pytest.mark.slow
def test_mirrored_train_images_are_trained_on_in_their_own_places(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_rows = mix_splits(study)
    images = np.load(study / "store" / "images.npy")
    codec = PixelCodec.fit(images)
    whole, encoded, seen = PixelCodec.encode, [0], []

    def encode(self: PixelCodec, given: torch.Tensor) -> torch.Tensor:
        encoded[0] += len(given)
        return whole(self, given)

    def watched(name: str, latents: Any, conditions: Any, config: DiffusionConfig, **options: Any) -> Trained:
        batches = Batches(latents, None, config, seed=3, name=name, flipped=options["training"].flipped)
        seen.append((name, options["training"].flipped[:], [draw(batches, step) for step in range(50)]))
        return train_denoiser(name, latents, conditions, config, **options)

    def draw(batches: Batches, step: int) -> tuple[np.ndarray, np.ndarray]:
        batch = batches.at(step, torch_generator(0, step), slice(0, FLIPPED.batch), CPU)
        return batches.rows(step), batch.latents.numpy()

    with monkeypatch.context() as patched:
        patched.setattr(PixelCodec, "encode", encode)
        patched.setattr(task, "train_denoiser", watched)
        run_stage(study, FLIPPED, seed=3, device=CPU)
    assert encoded[0] <= len(train_rows) + 1, "nobody but train is encoded, once (and one image for the shape)"
    assert not list((study / "models" / "diffusion").glob("mirrored*"))
    plain = np.stack([codec.encode(to_float(images[row][None]))[0].numpy() for row in train_rows])
    turned = np.stack([codec.encode(to_float(np.fliplr(images[row, 0])[None, None]))[0].numpy() for row in train_rows])
    assert not np.array_equal(plain, turned) and [name for name, *_ in seen] == ["denoiser", "guide"]
    for name, flipped, draws in seen:
        assert np.array_equal(flipped, turned)
        heads = np.stack([numpy_rng(3, name, "mirror", step).random(FLIPPED.batch) < 0.5 for step in range(50)])
        assert 0.4 < heads.mean() < 0.6
        for coins, (rows, latents) in zip(heads, draws, strict=True):
            for coin, row, latent in zip(coins, rows, latents, strict=True):
                assert np.array_equal(latent, (turned if coin else plain)[row])


@pytest.mark.slow
def test_mirrored_latents_survive_a_kill(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_study(tmp_path / "killed")
    for folder in (study, other):
        mix_splits(folder)
    run_stage(study, FLIPPED, seed=3, device=CPU)
    read = inputs.load_latent_rows
    monkeypatch.setattr(inputs, "load_latent_rows", lambda study: Breaking(read(study), 20))
    with pytest.raises(KeyboardInterrupt):
        run_stage(other, FLIPPED, seed=3, device=CPU)
    monkeypatch.setattr(inputs, "load_latent_rows", read)
    [mirrored] = (other / "models" / "diffusion").glob("mirrored-*")
    assert [path.name for path in mirrored.iterdir()] == ["latents.npy"], "the pixel codec has no deviations"
    with monkeypatch.context() as patched:
        patched.setattr(PixelCodec, "encode", lambda *given: pytest.fail("what was there was encoded anew"))
        run_stage(other, FLIPPED, seed=3, device=CPU)
    files = [folder / "models" / "diffusion" for folder in (study, other)]
    for name in ("denoiser.safetensors", "guide.safetensors", "history.json"):
        assert (files[0] / name).read_bytes() == (files[1] / name).read_bytes()
    run_stage(other, FLIPPED.model_copy(update={"horizontal_flip": False}), seed=3, device=CPU)
    name = "denoiser.safetensors"
    assert (files[0] / name).read_bytes() != (files[1] / name).read_bytes(), "mirroring changes the training"


def test_mirrored_latents_of_other_images_are_not_taken(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, folder = mix_splits(study), study / "models" / "diffusion"
    images = np.load(study / "store" / "images.npy")
    first = mirrored_latents(study, folder, rows, CPU, World())[:]
    save_array(study / "store" / "images.npy", 255 - images)
    second = mirrored_latents(study, folder, rows, CPU, World())[:]
    save_codec(study / "store" / "codec.safetensors", PixelCodec.fit(255 - images // 2), "pixel")
    third = mirrored_latents(study, folder, rows, CPU, World())[:]
    fourth = mirrored_latents(study, folder, rows[1:], CPU, World())[:]
    assert len(list(folder.iterdir())) == 4 and np.array_equal(fourth, third[1:])
    assert not np.array_equal(first, second) and not np.array_equal(second, third)


@pytest.mark.slow
def test_training_starts_from_another_study(study: Path, tmp_path: Path) -> None:
    run_stage(study, STAGE, seed=3, device=CPU)
    other = make_study(tmp_path / "other")
    update = {"start_from": str(study), "images": 8 * 25, "model_channels": 8}
    run_stage(other, STAGE.model_copy(update=update), seed=4, device=CPU)
    report = json.loads((other / "models/diffusion/denoiser.start.json").read_text())
    assert report["share"] == 1.0 and not report["reinitialised"]
    with pytest.raises(InputError, match="no checkpoint"):
        run_stage(other, STAGE.model_copy(update={"start_from": "nowhere"}), seed=4, device=CPU)


@pytest.mark.slow
def test_weights_that_do_not_fit_are_an_input_error(study: Path) -> None:
    run_stage(study, STAGE.model_copy(update={"images": 16, "guide_images": 16}), seed=3, device=CPU)
    folder = study / "models" / "diffusion"
    (folder / "guide.json").write_bytes((folder / "denoiser.json").read_bytes())
    with pytest.raises(InputError, match="do not fit"):
        load_models(study, CPU)
    (folder / "denoiser.safetensors").unlink()
    with pytest.raises(InputError, match="missing"):
        load_models(study, CPU)


@pytest.mark.parametrize("flip", [False, True])
def test_the_stage_tells_whether_it_saw_mirrored_images(tmp_path, monkeypatch, flip):
    people = {f"p{number}": "train" if number < 6 else "val" for number in range(12)}
    study = write_cohort(tmp_path / "study", people)
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 4), dtype=np.uint8)
    codec = PixelCodec.fit(images)
    save_array(study / "store" / "images.npy", images)
    save_array(study / "store" / "latents.npy", codec.encode(to_float(images)).numpy())
    save_codec(study / "store" / "codec.safetensors", codec, "pixel")
    save_conditions(study, None, ())
    history = [{"step": 1.0, "loss": 1.0, "kept": 1.0, "memorised": 0.0}]
    monkeypatch.setattr(stage, "train_and_write", lambda *_, **__: SimpleNamespace(history=history, stopped=""))
    config = DiffusionConfig(horizontal_flip=flip, monitor_samples=0, model_channels=8, guide_channels=8)
    figures = run_stage(study, config, seed=0, device=torch.device("cpu"))
    assert figures.horizontal_flip is flip
