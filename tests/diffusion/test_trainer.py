"""Training: resumed to the same bits, every image once per epoch, memorisation shows as a gap, the stage on disk."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.codec.latents import LatentRows
from unpersonal.codec.store import save_codec
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.distributed import World
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float
from unpersonal.core.seeds import numpy_rng, torch_generator
from unpersonal.core.tensors import load_tensors, save_array
from unpersonal.diffusion import inputs, stage, trainer
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.inputs import shown
from unpersonal.diffusion.monitor import Monitor, lower_bound
from unpersonal.diffusion.network import Denoiser, MPConv
from unpersonal.diffusion.pairs import matched_pairs
from unpersonal.diffusion.posthoc import Snapshots
from unpersonal.diffusion.rows import Batches
from unpersonal.diffusion.sampling import sample
from unpersonal.diffusion.stage import load_models, run_stage
from unpersonal.diffusion.trainer import EpochOrder, RowView, Trained, Training, noisy_conditions, train_denoiser
from unpersonal.features.store import Component, save_conditions

CPU = torch.device("cpu")
CONFIG = DiffusionConfig(
    model_channels=8,
    guide_channels=4,
    channel_mult=(1,),
    attn_resolutions=(4,),
    channels_per_head=8,
    images=600,
    guide_images=300,
    batch=8,
    rampup_images=80,
    evaluation_images=16,
    evaluations=3,
    dropout=0.1,
)


def data(count: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    conditions = rng.normal(size=(count, 6)).astype(np.float32)
    conditions /= np.linalg.norm(conditions, axis=1, keepdims=True)
    return 0.5 * rng.normal(size=(count, 2, 4, 4)).astype(np.float32), conditions


class Breaking:
    """An array that is gone after `reads` reads, as if the process had been killed."""

    def __init__(self, array: np.ndarray, reads: int) -> None:
        self._array, self._left = array, reads
        self.shape = array.shape

    def __getitem__(self, rows: Any) -> np.ndarray:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._array[rows]


def train(checkpoint: Path, latents: Any = None, config: DiffusionConfig = CONFIG, **options: Any) -> tuple[Any, Any]:
    x, c = data()
    options = {"seed": 1, "held_out": data(12, seed=5), "save_every": 25, **options}
    trained = train_denoiser(
        "denoiser", x if latents is None else latents, c, config, device=CPU, checkpoint=checkpoint, **options
    )
    return trained.weights, trained.history


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


def test_other_seeds_give_other_weights(tmp_path: Path) -> None:
    short = CONFIG.model_copy(update={"images": 80})
    first, _ = train(tmp_path / "a.safetensors", config=short)
    second, _ = train(tmp_path / "b.safetensors", config=short, seed=2)
    assert not torch.equal(first["unet.out_conv.weight"], second["unet.out_conv.weight"])


def test_history_has_losses_and_the_gap(tmp_path: Path) -> None:
    _, history = train(tmp_path / "run.safetensors")
    assert [row["step"] for row in history] == [25, 50, 75]
    assert all({"loss", "lr", "train_error", "held_out_error", "gap", "kept"} <= set(row) for row in history)
    assert all(row["gap"] == row["held_out_error"] - row["train_error"] for row in history)
    best = min(history, key=lambda row: row["held_out_error"])
    assert [row["step"] for row in history if row["kept"] == 1.0] == [best["step"]]
    assert json.loads(json.dumps(history)) == history


def test_memorising_few_images_opens_a_gap_and_the_best_weights_are_earlier(tmp_path: Path) -> None:
    trained = learn_by_heart(tmp_path / "run.safetensors", stop_memorising=False, patience=0)
    measured = [row for row in trained.history if "gap" in row]
    assert measured[-1]["train_error"] < 0.5 < measured[-1]["held_out_error"]
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


def test_training_ends_where_it_memorises_and_a_resumed_run_ends_there_too(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    trained = learn_by_heart(path)
    assert trained.stopped == "memorises" and trained.history[-1]["step"] < 100
    assert trained.history[-1]["gap_lower"] > 0.03 * trained.history[-1]["held_out_error"]
    again = learn_by_heart(path)
    assert again.history == trained.history and again.stopped == "memorises"


def test_training_ends_where_the_held_out_error_no_longer_falls(tmp_path: Path) -> None:
    trained = learn_by_heart(tmp_path / "run.safetensors", images=3200, evaluations=8, max_gap=0, patience=2)
    measured = [row["held_out_error"] for row in trained.history if "held_out_error" in row]
    assert trained.stopped == "no longer improves"
    assert int(np.argmin(measured)) == len(measured) - 3 and trained.history[-1]["step"] < 200


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


def test_a_batch_in_parts_gives_the_same_training(tmp_path: Path) -> None:
    settings = {"images": 16 * 25, "dropout": 0.0}
    whole = learn_by_heart(tmp_path / "a.safetensors", **settings)
    parts = learn_by_heart(tmp_path / "b.safetensors", accumulation=4, **settings)
    assert parts.history[0]["loss"] == pytest.approx(whole.history[0]["loss"], rel=1e-5)
    close = [torch.allclose(parts.weights[k], whole.weights[k], atol=1e-4) for k in whole.weights]
    assert all(close)
    with pytest.raises(ValueError, match="equal parts"):
        DiffusionConfig(batch=10, accumulation=4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_learns_nearly_the_same(tmp_path: Path, precision: str) -> None:
    settings = {"images": 16 * 50, "max_gap": 0.0}
    full = learn_by_heart(tmp_path / "a.safetensors", **settings)
    low = learn_by_heart(tmp_path / "b.safetensors", precision=precision, **settings)
    assert low.history[-1]["loss"] != full.history[-1]["loss"]
    assert low.history[-1]["held_out_error"] == pytest.approx(full.history[-1]["held_out_error"], rel=0.05)
    assert all(value.dtype == torch.float32 for value in low.weights.values())


def test_snapshots_are_taken_at_measurements_and_midway(tmp_path: Path) -> None:
    taken: list[tuple[int, float]] = []
    training = Training(snapshot=lambda images, std, weights: taken.append((images, std)), halfway=True)
    settings = {"max_gap": 0, "patience": 0, "images": 16 * 200, "ema_profiles": (0.05,)}
    learn_by_heart(tmp_path / "a.safetensors", training, **settings)
    assert [images // 16 for images, std in taken if std == 0.1] == [25, 50, 75, 100, 125, 150, 175, 200]
    assert [images // 16 for images, std in taken if std == 0.05] == [50, 100, 150, 200]


def test_the_gap_is_that_of_the_pairs_that_are_examined(tmp_path: Path) -> None:
    x, c = data(4)
    pair = (RowView(x, np.array([2, 3])), RowView(c, np.array([2, 3])))
    trained = learn_by_heart(tmp_path / "a.safetensors", Training(examined=(pair, pair)), max_gap=0)
    row = trained.history[-1]
    assert row["gap"] == 0 and row["gap_lower"] == 0 and row["train_error"] == row["held_out_error"]


def test_a_gap_within_noise_is_no_memorisation() -> None:
    rng = np.random.default_rng(0)
    covered = [lower_bound(rng.normal(0.1, 1.0, 24), 24) <= 0.1 for _ in range(2000)]
    assert 0.93 < np.mean(covered) < 0.97
    # twelve people measured twice are twelve
    twice = np.tile(rng.normal(0.1, 1.0, 12), 2)
    assert lower_bound(twice, 12) == pytest.approx(lower_bound(twice[:12], 12))
    assert lower_bound(np.ones(5), 1) is None and lower_bound(np.ones(5), 5) == 1


def test_pairs_have_the_same_labels_and_every_person_once() -> None:
    rng = np.random.default_rng(1)
    subjects = np.array([f"p{i // 2}" for i in range(200)], dtype=object)
    groups = np.sort(rng.integers(0, 3, 100)).repeat(2)
    train, held_out = np.arange(0, 120), np.arange(120, 200)
    pairs = matched_pairs(subjects, rng.permutation(groups), train, held_out, 30, np.random.default_rng(2))
    assert len(pairs[0]) == len(pairs[1]) <= 30
    for rows, part in zip(pairs, (train, held_out), strict=True):
        assert set(rows) <= set(part) and len({subjects[row] for row in rows}) == len(rows)
    labels = rng.integers(0, 3, 200)
    a, b = matched_pairs(subjects, labels, train, held_out, 30, np.random.default_rng(2))
    assert (labels[a] == labels[b]).all() and len(a) == 30
    a, b = matched_pairs(subjects, np.arange(200), train, held_out, 30, np.random.default_rng(2))
    assert len(a) == 30, "where no labels are shared, people are compared all the same"


def test_people_whom_nobody_labelled_are_compared_in_their_share() -> None:
    subjects = np.array([f"p{i}" for i in range(160)], dtype=object)
    labels = np.random.default_rng(1).integers(0, 2, 160)
    train, held_out = np.arange(100), np.arange(100, 160)
    labelled = np.arange(160) >= 75
    groups = np.where(labelled, labels, 9)
    a, b = matched_pairs(subjects, groups, train, held_out, 160, np.random.default_rng(2), labelled)
    bare = ~labelled[a]
    assert bare.sum() == 45 and len(set(a)) == len(set(b)) == len(a), "three quarters of the 60 held-out people"
    assert set(a) <= set(train) and set(b) <= set(held_out)
    assert (groups[a[~bare]] == groups[b[~bare]]).all() and (~bare).any()
    conditions = np.random.default_rng(3).normal(size=(160, 5)).astype(np.float32)
    parts = (Component("feature", 0, 3), Component("label", 3, 5, from_labels=True, noisy=False))
    told = shown(conditions, (a, b), labelled, parts)
    assert np.array_equal(told[0], conditions[a]) and np.array_equal(told[1][:, :3], conditions[b][:, :3])
    assert np.array_equal(told[1][bare, 3:], conditions[a[bare], 3:])
    assert np.array_equal(told[1][~bare], conditions[b[~bare]])


@pytest.mark.parametrize(("samples", "limit", "watched"), [(1, 0.06, False), (64, 0.96, False), (64, 0.9, True)])
def test_a_check_that_no_match_could_fail_is_none(study: Path, samples: int, limit: float, watched: bool) -> None:
    update = {"max_gap": 0.0, "monitor_samples": samples, "max_match_rate": limit, "evaluations": 1}
    figures = run_stage(study, STAGE.model_copy(update=update), seed=3, device=CPU)
    assert (figures["denoiser_memorised"] is not None) == watched


def test_mirrored_images_take_half_of_the_places() -> None:
    x = np.ones((8, 1, 2, 2), np.float32)
    batches = Batches(x, None, CONFIG, seed=0, name="t", flipped=-x)
    signs = [batches.at(s, torch_generator(0, s), slice(0, 8), CPU).latents[:, 0, 0, 0] for s in range(100)]
    assert 0.4 < float((torch.stack(signs) < 0).float().mean()) < 0.6
    plain = Batches(x, None, CONFIG, seed=0, name="t")
    assert all((plain.at(s, torch_generator(0, s), slice(0, 8), CPU).latents == 1).all() for s in range(20))


def test_rows_that_are_distributions_are_drawn_anew_at_every_step_and_again_alike() -> None:
    rows = RowView(LatentRows(np.zeros((8, 1, 2, 2), np.float32), np.full((8, 1, 2, 2), 2.0, np.float32)), np.arange(8))
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
    view = RowView(array, np.array([4, 1, 5]))
    assert view.shape == (3, 2)
    assert np.array_equal(view[np.array([2, 0])], array[[5, 4]])


def test_unfitting_data_is_refused(tmp_path: Path) -> None:
    x, c = data()
    for latents, conditions in ((x[:0], c[:0]), (x, c[:5])):
        with pytest.raises(InputError):
            train_denoiser(
                "denoiser", latents, conditions, CONFIG, seed=0, device=CPU, checkpoint=tmp_path / "x.safetensors"
            )


STAGE = CONFIG.model_copy(update={"stop_memorising": False, "patience": 0})
"""Random pictures are learnt by heart at once; here that must not end the training."""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of 60 images of 4 x 4 pixels, as the rooms above leave it."""
    return make_study(tmp_path / "study")


def make_study(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
    save_array(folder / "store" / "images.npy", images)
    codec = PixelCodec.fit(images)
    save_codec(folder / "store" / "codec.safetensors", codec, "pixel")
    save_array(folder / "store" / "latents.npy", codec.encode(to_float(images)).numpy())
    save_conditions(folder, data(60)[1], (Component("feature", 0, 6),))
    table = pd.DataFrame(
        {
            "image": [f"{i}.png" for i in range(60)],
            "subject": [f"p{i}" for i in range(60)],
            "labels": [["a"] if i % 2 else ["b"] for i in range(60)],
            "split": ["train"] * 30 + ["val"] * 28 + ["aux"] + ["test"],
            "sha256": [f"{i:064x}" for i in range(60)],
        }
    )
    Cohort(table, ("a", "b")).save(folder)
    return folder


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
    assert json.loads(json.dumps(figures)) == figures
    assert figures["denoiser_images"] == STAGE.images and figures["guide_images"] == 304

    denoiser, guide = load_models(study, CPU)
    assert denoiser.config.label_dim == 6 and guide.config.label_dim == 0
    assert denoiser.config.model_channels == 8 and guide.config.model_channels == 4
    assert figures["denoiser_parameters"] == sum(parameter.numel() for parameter in denoiser.parameters())
    assert not denoiser.training and not guide.training
    assert all(module.folding for module in denoiser.modules() if isinstance(module, MPConv))
    drawn = sample(denoiser, torch.randn(2, 1, 4, 4), torch.zeros(2, 6), guide=guide, guidance=1.3, steps=4)
    assert drawn.shape == (2, 1, 4, 4) and torch.isfinite(drawn).all()


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


def test_a_smaller_guide_takes_the_conditions(study: Path) -> None:
    run_stage(study, STAGE.model_copy(update={"guide": "smaller"}), seed=3, device=CPU)
    _, guide = load_models(study, CPU)
    assert guide.config.label_dim == 6 and guide.config.model_channels == 4


@pytest.mark.parametrize("stops", [True, False])
def test_an_earlier_self_is_always_earlier(study: Path, stops: bool) -> None:
    settings = {"guide": "earlier", "images": 1200, "guide_images": 600, "max_gap": 0.03 if stops else 0}
    config = STAGE.model_copy(update={**settings, "stop_memorising": stops, "max_match_rate": 1.0})
    figures = run_stage(study, config, seed=3, device=CPU)
    denoiser, guide = load_models(study, CPU)
    assert guide.config == denoiser.config and figures["guide_parameters"] == figures["denoiser_parameters"]
    assert not torch.equal(guide.unet.out_conv.weight, denoiser.unet.out_conv.weight)
    kept = figures["denoiser_kept_step"] * config.batch
    assert figures["guide_images"] <= max(kept / 2, 200) < kept


def test_without_conditions(study: Path) -> None:
    save_conditions(study, None, ())
    run_stage(study, STAGE, seed=3, device=CPU)
    denoiser, _ = load_models(study, CPU)
    assert denoiser.config.label_dim == 0


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
    monkeypatch.setattr(stage, "train_denoiser", lambda *given, **named: pytest.fail("it was trained"))
    update = {"ema_profiles": (0.05, 0.1), "ema_search": (0.06, 0.1)}
    for flip in (False, True):
        config = STAGE.model_copy(update={**update, "horizontal_flip": flip})
        with pytest.raises(InputError, match=r"Nobody is held out.*\[diffusion\] ema_search"):
            run_stage(study, config, seed=3, device=CPU)
    assert not (study / "models").exists()


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
        patched.setattr(stage, "train_denoiser", watched)
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
    first = stage._mirrored(study, folder, rows, CPU, World())[:]
    save_array(study / "store" / "images.npy", 255 - images)
    second = stage._mirrored(study, folder, rows, CPU, World())[:]
    save_codec(study / "store" / "codec.safetensors", PixelCodec.fit(255 - images // 2), "pixel")
    third = stage._mirrored(study, folder, rows, CPU, World())[:]
    fourth = stage._mirrored(study, folder, rows[1:], CPU, World())[:]
    assert len(list(folder.iterdir())) == 4 and np.array_equal(fourth, third[1:])
    assert not np.array_equal(first, second) and not np.array_equal(second, third)


def test_training_starts_from_another_study(study: Path, tmp_path: Path) -> None:
    run_stage(study, STAGE, seed=3, device=CPU)
    other = make_study(tmp_path / "other")
    update = {"start_from": str(study), "images": 8 * 25, "model_channels": 8}
    run_stage(other, STAGE.model_copy(update=update), seed=4, device=CPU)
    report = json.loads((other / "models/diffusion/denoiser.start.json").read_text())
    assert report["share"] == 1.0 and not report["reinitialised"]
    with pytest.raises(InputError, match="no checkpoint"):
        run_stage(other, STAGE.model_copy(update={"start_from": "nowhere"}), seed=4, device=CPU)


def test_weights_that_do_not_fit_are_an_input_error(study: Path) -> None:
    run_stage(study, STAGE.model_copy(update={"images": 16, "guide_images": 16}), seed=3, device=CPU)
    folder = study / "models" / "diffusion"
    (folder / "guide.json").write_bytes((folder / "denoiser.json").read_bytes())
    with pytest.raises(InputError, match="do not fit"):
        load_models(study, CPU)
    (folder / "denoiser.safetensors").unlink()
    with pytest.raises(InputError, match="missing"):
        load_models(study, CPU)
