"""Training: resumed to the same bits, every image once per epoch, memorisation shows as a gap, the stage on disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from unpersonal.core.errors import InputError
from unpersonal.core.seeds import torch_generator
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.network import MPConv
from unpersonal.diffusion.solvers import sample
from unpersonal.diffusion.stage import load_models, run_stage
from unpersonal.diffusion.trainer import EpochOrder, RowView, noisy_conditions, train_denoiser

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
    return train_denoiser(
        "denoiser", x if latents is None else latents, c, config, device=CPU, checkpoint=checkpoint, **options
    )


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
    config = CONFIG.model_copy(
        update={"images": 1600, "batch": 16, "dropout": 0.0, "model_channels": 16, "evaluations": 4, "ref_lr": 0.02}
    )
    x, c = data(4)
    _, history = train_denoiser(
        "denoiser",
        x,
        c,
        config,
        seed=0,
        device=CPU,
        checkpoint=tmp_path / "run.safetensors",
        held_out=data(64, seed=9),
    )
    measured = [row for row in history if "gap" in row]
    assert measured[-1]["train_error"] < 0.5 < measured[-1]["held_out_error"]
    assert measured[-1]["gap"] > 0.3 and measured[-1]["kept"] == 0.0


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


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study whose upper rooms answer from memory."""
    latents, features = data(60)
    rows = {"train": np.arange(40), "val-stop": np.arange(40, 60)}
    answers = {
        "codec.store": ("load_latents", latents),
        "features.store": ("load_features", features),
        "cohort.table": ("load_cohort", SimpleNamespace(rows=rows.__getitem__)),
    }
    for name, (function, answer) in answers.items():
        module = ModuleType(f"unpersonal.{name}")
        setattr(module, function, lambda study, answer=answer: answer)
        package = f"unpersonal.{name.split('.')[0]}"
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f"unpersonal.{name}", module)
    return tmp_path / "study"


def test_stage_writes_models_that_load_and_sample(study: Path) -> None:
    figures = run_stage(study, CONFIG, seed=3, device=CPU)
    folder = study / "models" / "diffusion"
    assert {path.name for path in folder.iterdir()} == {
        "denoiser.safetensors",
        "denoiser.json",
        "guide.safetensors",
        "guide.json",
        "history.json",
    }
    history = json.loads((folder / "history.json").read_text())
    assert set(history) == {"denoiser", "guide"} and "gap" in history["denoiser"][-1]
    assert json.loads(json.dumps(figures)) == figures
    assert figures["denoiser_images"] == CONFIG.images and figures["guide_images"] == CONFIG.guide_images

    denoiser, guide = load_models(study, CPU)
    assert denoiser.config.label_dim == 6 and guide.config.label_dim == 0
    assert denoiser.config.model_channels == 8 and guide.config.model_channels == 4
    assert figures["denoiser_parameters"] == sum(parameter.numel() for parameter in denoiser.parameters())
    assert not denoiser.training and not guide.training
    assert all(module.folding for module in denoiser.modules() if isinstance(module, MPConv))
    drawn = sample(denoiser, torch.randn(2, 2, 4, 4), torch.zeros(2, 6), guide=guide, guidance=1.3, steps=4)
    assert drawn.shape == (2, 2, 4, 4) and torch.isfinite(drawn).all()


def test_stage_is_deterministic_and_survives_a_kill(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage(study, CONFIG, seed=3, device=CPU)
    names = ("denoiser.safetensors", "guide.safetensors", "history.json")
    folder = study / "models" / "diffusion"
    first = {name: (folder / name).read_bytes() for name in names}

    other = study.with_name("killed")
    store = sys.modules["unpersonal.codec.store"]
    whole = store.load_latents  # type: ignore[attr-defined]
    monkeypatch.setattr(store, "load_latents", lambda study: Breaking(whole(study), 100), raising=False)
    with pytest.raises(KeyboardInterrupt):
        run_stage(other, CONFIG, seed=3, device=CPU)
    monkeypatch.setattr(store, "load_latents", whole, raising=False)
    run_stage(other, CONFIG, seed=3, device=CPU)
    assert {name: (other / "models" / "diffusion" / name).read_bytes() for name in names} == first


def test_weights_that_do_not_fit_are_an_input_error(study: Path) -> None:
    run_stage(study, CONFIG.model_copy(update={"images": 16, "guide_images": 16}), seed=3, device=CPU)
    folder = study / "models" / "diffusion"
    (folder / "guide.json").write_bytes((folder / "denoiser.json").read_bytes())
    with pytest.raises(InputError, match="do not fit"):
        load_models(study, CPU)
    (folder / "denoiser.safetensors").unlink()
    with pytest.raises(InputError, match="missing"):
        load_models(study, CPU)
