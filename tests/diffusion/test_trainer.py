"""Training: resumed to the same bits, every image once per epoch, memorisation shows as a gap, the stage on disk."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.diffusion.trainings import CONFIG, CPU, Breaking, data, train
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import load_tensors
from unpersonal.diffusion import trainer
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.network import Denoiser
from unpersonal.diffusion.pairs import Compared
from unpersonal.diffusion.rows import DrawnRows
from unpersonal.diffusion.trainer import Trained, Training, train_denoiser


@pytest.mark.slow
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    weights, history = train(tmp_path / "whole.safetensors")
    broken = tmp_path / "broken.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(broken, Breaking(data()[0], 62))
    assert broken.exists()
    resumed, resumed_history = train(broken)
    assert resumed_history == history
    assert set(resumed) == set(weights)
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)
    again, again_history = train(broken)
    assert again_history == history and all(torch.equal(again[name], weights[name]) for name in weights)


@pytest.mark.slow
def test_other_seeds_give_other_weights(tmp_path: Path) -> None:
    short = CONFIG.model_copy(update={"images": 80})
    first, _ = train(tmp_path / "a.safetensors", config=short)
    second, _ = train(tmp_path / "b.safetensors", config=short, seed=2)
    assert not torch.equal(first["unet.out_conv.weight"], second["unet.out_conv.weight"])


@pytest.mark.slow
def test_history_has_losses_and_the_gap(tmp_path: Path) -> None:
    _, history = train(tmp_path / "run.safetensors")
    assert [row["step"] for row in history] == [25, 50, 75]
    assert all({"loss", "lr", "train_error", "held_out_error", "gap", "kept"} <= set(row) for row in history)
    assert all(row["gap"] == row["held_out_error"] - row["train_error"] for row in history)
    best = min(history, key=lambda row: row["held_out_error"])
    assert [row["step"] for row in history if row["kept"] == 1.0] == [best["step"]]
    assert json.loads(json.dumps(history)) == history


@pytest.mark.slow
def test_memorising_few_images_opens_a_gap_and_the_best_weights_are_earlier(tmp_path: Path) -> None:
    trained = learn_by_heart(tmp_path / "run.safetensors", stop_memorising=False, patience=0)
    measured = [row for row in trained.history if "gap" in row]
    assert measured[-1]["train_error"] < 0.7 < 1.2 < measured[-1]["held_out_error"]
    assert measured[-1]["gap_told"] == 0.0, "four train people say nothing of a margin, but enough of so wide a gap"
    assert measured[-1]["gap"] > 0.3 and measured[-1]["memorised"] == 1.0 and measured[-1]["kept"] == 0.0
    assert len(measured) == 4 and trained.stopped == ""


def learn_by_heart(checkpoint: Path, training: Training | None = None, **settings: Any) -> Trained:
    """Train on four images until they are known by heart."""
    settings = {"images": 1600, "batch": 16, "dropout": 0.0, "model_channels": 16, "evaluations": 4} | settings
    return train_denoiser(
        "denoiser",
        *data(4),
        CONFIG.model_copy(update=settings),
        seed=0,
        device=CPU,
        checkpoint=checkpoint,
        held_out=data(64, seed=9),
        training=training,
    )


@pytest.mark.slow
def test_training_ends_where_it_memorises_and_a_resumed_run_ends_there_too(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    trained = learn_by_heart(path)
    assert trained.stopped == "memorises" and trained.history[-1]["step"] < 100
    assert trained.history[-1]["gap_lower"] > 0.03 * trained.history[-1]["held_out_error"]
    again = learn_by_heart(path)
    assert again.history == trained.history and again.stopped == "memorises"


@pytest.mark.slow
def test_training_ends_where_the_held_out_error_no_longer_falls(tmp_path: Path) -> None:
    trained = learn_by_heart(tmp_path / "run.safetensors", images=3200, evaluations=8, max_gap=0, patience=2)
    measured = [row["held_out_error"] for row in trained.history if "held_out_error" in row]
    assert trained.stopped == "no longer improves"
    assert int(np.argmin(measured)) == len(measured) - 3 and trained.history[-1]["step"] < 200


@pytest.mark.slow
def test_what_a_callback_calls_memorised_is_not_kept(tmp_path: Path) -> None:
    seen = []

    def callback(step: int, denoiser: Denoiser) -> dict[str, float]:
        seen.append(denoiser(torch.zeros(1, 2, 4, 4), 1.0, torch.zeros(1, 6)).shape)
        return {"match_rate": 0.01 * step, "memorised": float(step > 25)}

    training = Training(callbacks=(callback,))
    trained = learn_by_heart(tmp_path / "a.safetensors", training, max_gap=0, stop_memorising=False, patience=0)
    kept = [row["step"] for row in trained.history if row.get("kept") == 1.0]
    assert kept == [25] and len(seen) == 4
    assert [row["match_rate"] for row in trained.history if "match_rate" in row] == [0.25, 0.5, 0.75, 1.0]
    stopped = learn_by_heart(tmp_path / "b.safetensors", training, max_gap=0)
    assert stopped.stopped == "memorises" and stopped.history[-1]["step"] == 50


@pytest.mark.slow
def test_a_batch_in_parts_gives_the_same_training(tmp_path: Path) -> None:
    settings = {"images": 16 * 25, "dropout": 0.0}
    whole = learn_by_heart(tmp_path / "a.safetensors", **settings)
    parts = learn_by_heart(tmp_path / "b.safetensors", accumulation=4, **settings)
    assert parts.history[0]["loss"] == pytest.approx(whole.history[0]["loss"], rel=1e-5)
    close = [torch.allclose(parts.weights[k], whole.weights[k], atol=1e-4) for k in whole.weights]
    assert all(close)
    with pytest.raises(ValueError, match="equal parts"):
        DiffusionConfig(batch=10, accumulation=4)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_learns_nearly_the_same(tmp_path: Path, precision: str) -> None:
    settings = {"images": 16 * 50, "max_gap": 0.0}
    full = learn_by_heart(tmp_path / "a.safetensors", **settings)
    low = learn_by_heart(tmp_path / "b.safetensors", precision=precision, **settings)
    assert low.history[-1]["loss"] != full.history[-1]["loss"]
    assert low.history[-1]["held_out_error"] == pytest.approx(full.history[-1]["held_out_error"], rel=0.05)
    assert all(value.dtype == torch.float32 for value in low.weights.values())


@pytest.mark.slow
def test_snapshots_are_taken_at_measurements_and_midway(tmp_path: Path) -> None:
    taken: list[tuple[int, float]] = []
    training = Training(snapshot=lambda images, std, weights: taken.append((images, std)), halfway=True)
    settings = {"max_gap": 0, "patience": 0, "images": 16 * 200, "ema_profiles": (0.05,)}
    learn_by_heart(tmp_path / "a.safetensors", training, **settings)
    assert [images // 16 for images, std in taken if std == 0.1] == [25, 50, 75, 100, 125, 150, 175, 200]
    assert [images // 16 for images, std in taken if std == 0.05] == [50, 100, 150, 200]


@pytest.mark.slow
def test_the_gap_is_that_of_the_pairs_that_are_examined(tmp_path: Path) -> None:
    x, c = data(4)
    pair = (DrawnRows(x, np.array([2, 3])), DrawnRows(c, np.array([2, 3])))
    compared = Compared(pair, pair, np.arange(2), (np.zeros(2, int), np.zeros(2, int)))
    trained = learn_by_heart(tmp_path / "a.safetensors", Training(examined=compared), max_gap=0)
    row = trained.history[-1]
    assert row["gap"] == 0 and row["gap_lower"] == -row["gap_upper"] and row["train_error"] == row["held_out_error"]


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_names_the_batch_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    x, c = data()
    path = tmp_path / "run.safetensors"
    spoiled = x.copy()
    spoiled[:] = np.nan
    with pytest.raises(InputError, match=r"(?s)left the finite numbers.*step 0, images \[\d+, .*last good checkpoint"):
        train_denoiser("denoiser", spoiled, c, CONFIG, seed=1, device=CPU, checkpoint=path)
    assert not path.exists()
    reads = [0]

    class Turning:
        shape = x.shape

        def __getitem__(self, rows: Any) -> np.ndarray:
            reads[0] += 1
            return x[rows] if reads[0] < 40 else spoiled[rows]

    with pytest.raises(InputError, match="left the finite numbers"):
        train(path, Turning())
    weights, _ = load_tensors(path)
    assert all(torch.isfinite(value).all() for value in weights.values() if value.is_floating_point())
    resumed, _ = train(path)
    whole, _ = train(tmp_path / "whole.safetensors")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def spoil_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Make the gradient of the `call`th step NaN; its loss stays what it is."""
    whole, calls = trainer.edm2_loss, [0]

    def loss(*given: Any) -> torch.Tensor:
        calls[0] += 1
        value = whole(*given)
        # the root has an infinite slope at zero, and 0 · infinity is NaN
        return value + 0 * (value - value.detach()).sqrt() if calls[0] == call else value

    monkeypatch.setattr(trainer, "edm2_loss", loss)


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_is_neither_saved_nor_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update of step 49 spoils the weights; after it come a measurement, a snapshot, a row and a save."""
    config, path = CONFIG.model_copy(update={"ema_profiles": (0.05,)}), tmp_path / "run.safetensors"
    taken: list[tuple[int, float]] = []

    def measured(step: int, denoiser: Denoiser) -> dict[str, float]:
        assert all(torch.isfinite(value).all() for value in denoiser.state_dict().values())
        taken.append((step, 0.0))
        return {}

    def snapshot(images: int, std: float, weights: dict[str, torch.Tensor]) -> None:
        assert all(torch.isfinite(value).all() for value in weights.values())
        taken.append((images // config.batch, std))

    training = Training(callbacks=(measured,), snapshot=snapshot, halfway=True)
    refused = r"weights.*step 49, images \[\d+, .*last good checkpoint is kept"
    with monkeypatch.context() as patched, pytest.raises(InputError, match=refused):
        spoil_at(patched, 50)
        train(path, config=config, training=training)
    expected = [(12, 0.1), (25, 0.0), (25, 0.05), (25, 0.1), (37, 0.1)]
    assert taken == expected
    saved, metadata = load_tensors(path)
    assert metadata["step"] == "25" and all(torch.isfinite(value).all() for value in saved.values())
    with monkeypatch.context() as patched, pytest.raises(InputError, match=refused):
        spoil_at(patched, 25)
        train(path, config=config, training=training)
    assert taken == expected + expected[-1:], "the rerun began at step 25"


@pytest.mark.slow
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(path, Breaking(data()[0], 62))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(InputError, match="no room left"):
            train(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    resumed, _ = train(path)
    whole, _ = train(tmp_path / "whole.safetensors")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_unfitting_data_is_refused(tmp_path: Path) -> None:
    x, c = data()
    for latents, conditions in ((x[:0], c[:0]), (x, c[:5])):
        with pytest.raises(InputError):
            train_denoiser(
                "denoiser", latents, conditions, CONFIG, seed=0, device=CPU, checkpoint=tmp_path / "x.safetensors"
            )
