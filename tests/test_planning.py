"""What `run --dry-run` says before anything has run: of every preset, and what it assumes where it cannot know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from tests.studies import cohort_of
from unpersonal.cli import app
from unpersonal.diffusion import memory
from unpersonal.diffusion.memory import Pictures, training_memory
from unpersonal.features.conditions.label import label_codes
from unpersonal.init import to_toml
from unpersonal.planning import condition_length, latent_shape
from unpersonal.presets import PRESETS, preset
from unpersonal.study import Study, StudyConfig, stage_list

WHOLE = ("tiny", "edm2-img512-xs")
"""Presets whose networks are run on `meta`; of the others that takes seconds each and shows nothing more."""


def new_study(folder: Path, name: str, **tables: dict[str, object]) -> Path:
    folder.mkdir()
    values = {**preset(name), "cohort": {"images": "x"}}
    for table, changes in tables.items():
        values[table] = {**values[table], **changes}
    (folder / "study.toml").write_text(to_toml(StudyConfig.model_validate(values), name), encoding="utf-8")
    return folder


def dry_run(study: Path, *words: str):
    return CliRunner().invoke(app, ["run", str(study), "--dry-run", *words], env={"COLUMNS": "400"})


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache of the test's own, so that the outcome does not hang on what a machine once fetched."""
    from huggingface_hub import constants, file_download

    cache = tmp_path / "hub"
    for module in (constants, file_download):
        if hasattr(module, "HF_HUB_CACHE"):
            monkeypatch.setattr(module, "HF_HUB_CACHE", str(cache))
    return cache


@pytest.mark.parametrize(
    "name", [name if name == "tiny" else pytest.param(name, marks=pytest.mark.slow) for name in PRESETS]
)
def test_every_preset_is_planned_before_anything_ran(name: str, tmp_path: Path, monkeypatch) -> None:
    if name not in WHOLE:
        monkeypatch.setattr(memory, "_saved", lambda *_: 2**30)
        monkeypatch.setattr(memory, "_held", lambda *_: 2**29)
    found = dry_run(new_study(tmp_path / "study", name))
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert [line.split()[0] for line in lines[: len(stage_list())]] == [stage.name for stage in stage_list()]
    for network in ("denoiser", "guide"):
        assert any(line.startswith(f"{network}: ") and "peak memory of training about" in line for line in lines)
    assert ("assumed: latents of 4 channels" in found.stdout) == ("img512" in name or name == "paper")


@pytest.mark.slow
def test_json_is_json_and_says_what_was_assumed(tmp_path: Path) -> None:
    study = new_study(tmp_path / "study", "tiny", images={"size": 64}, codec={"kind": "vae:some/autoencoder"})
    found = conforms("run", dry_run(study, "--json").stdout)
    assert any("vae:some/autoencoder" in line for line in found["training"]["assumed"])
    assert found["training"]["networks"]["denoiser"]["peak_bytes"] > 84e6 * 4, "the autoencoder alone has 84 million"


def config_json(folder: Path, **values: object) -> None:
    folder.mkdir(parents=True)
    written = {"_class_name": "AutoencoderKL", "block_out_channels": [32, 32], "latent_channels": 3, **values}
    (folder / "config.json").write_text(json.dumps(written), encoding="utf-8")


def shape_of(study: Path) -> tuple[tuple[int, int, int], list[str]]:
    assumed: list[str] = []
    return latent_shape(Study.open(study), assumed), assumed


def test_the_latents_are_those_of_the_autoencoder_at_hand(tmp_path: Path, no_cache: Path) -> None:
    study = new_study(tmp_path / "study", "tiny", images={"size": 64}, codec={"kind": "vae:../local"})
    assert shape_of(study)[0] == (4, 8, 8) and "does not exist" in shape_of(study)[1][0]
    config_json(tmp_path / "local" / "vae")
    assert shape_of(study) == ((3, 32, 32), [])
    config_json(tmp_path / "local2", _class_name="UNet2DModel")
    other = new_study(tmp_path / "other", "tiny", images={"size": 64}, codec={"kind": "vae:../local2"})
    assert shape_of(other)[0] == (4, 8, 8) and "Not a plain AutoencoderKL" in shape_of(other)[1][0]
    hub = new_study(tmp_path / "cached", "tiny", images={"size": 64}, codec={"kind": "vae:some/name"})
    assert "not on this disk" in shape_of(hub)[1][0]
    repository = no_cache / "models--some--name"
    config_json(repository / "snapshots" / "0123", block_out_channels=[32, 32, 32], latent_channels=16)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    assert shape_of(hub) == ((16, 16, 16), [])


def test_a_size_that_the_autoencoder_cannot_divide_is_refused(tmp_path: Path) -> None:
    config_json(tmp_path / "local", block_out_channels=[32] * 4)
    study = new_study(tmp_path / "study", "tiny", images={"size": 36}, codec={"kind": "vae:../local"})
    found = dry_run(study)
    assert found.exit_code == 2 and "multiple of 8" in found.stderr


@pytest.mark.parametrize(
    ("labels", "unlabelled", "columns"), [("ab", 0, 2), ("ab-", 0, 3), ("ab?", 1, 3), ("ab-?", 1, 4)]
)
def test_the_length_of_label_codes_is_that_of_the_features_stage(tmp_path, labels, unlabelled, columns) -> None:
    """Two classes; `-` is an image without a finding, `?` one that nobody labelled."""
    study = new_study(tmp_path / "study", "tiny", features={"condition": "label"})
    sets = [[label] if label in "ab" else [] for label in labels]
    bare = [bool(unlabelled) and label == "?" for label in labels]
    cohort = cohort_of(list(labels), sets, classes=("a", "b"), unlabelled=bare)
    cohort.save(study)
    assert label_codes(cohort.targets, cohort.labelled).shape[1] == columns
    assert condition_length(Study.open(study), assumed := []) == columns and not assumed


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("edm2-")])
def test_a_batch_of_edm2_is_shared_by_eight_processes(name: str) -> None:
    config = StudyConfig.model_validate({"cohort": {"images": "x"}, **preset(name)}).diffusion
    assert config.accumulation > 1 and config.batch % (8 * config.accumulation) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edm2-img512-l", "edm2-img512-xxl"])
def test_the_largest_networks_fit_one_gpu_of_80_gb(name: str) -> None:
    from unpersonal.codec.vae import ASSUMED, shape_of

    config = StudyConfig.model_validate({"cohort": {"images": "x"}, **preset(name)}).diffusion
    drawn = Pictures((1, 512, 512), 4096, shape_of(ASSUMED))
    cuda = torch.device("cuda")
    network = config.network((4, 64, 64), 64)
    said = training_memory(network, config, precision="bf16", device=cuda, pictures=drawn)
    assert said.peak < 0.9 * 80e9
