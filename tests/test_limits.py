"""Numbers of study.toml and of the command line that no memory holds."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from unpersonal.cli import app
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.limits import refuse_excess
from unpersonal.phantom import write_phantom
from unpersonal.presets import preset
from unpersonal.study import Study, StudyConfig

HUGE = 10**12


def config(name: str = "tiny", **tables):
    values = {**tables, **{key: {**table, **tables.get(key, {})} for key, table in preset(name).items()}}
    return build_config(StudyConfig, {**values, "cohort": {"images": "."}}, where="test")


@pytest.mark.parametrize("name", ["tiny", "demo", "cpu"])
def test_presets_for_this_machine_are_within_the_limits(name):
    refuse_excess(config(name), "study.toml")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("diffusion", "batch"),
        ("diffusion", "model_channels"),
        ("diffusion", "num_blocks"),
        ("diffusion", "evaluation_images"),
        ("judges", "reidentifier_batch"),
        ("utility", "batch"),
        ("utility", "replicates"),
        ("utility", "components"),
        ("synthesis", "chunk"),
        ("audit", "permutations"),
        ("audit", "planted_copies"),
        ("cluster", "workers"),
    ],
)
def test_a_number_that_no_memory_holds_is_named_with_one_that_fits(table, key):
    with pytest.raises(InputError, match=rf"\[{table}\] {key} = .*GiB.*use \d+ at most"):
        refuse_excess(config(**{table: {key: HUGE}}), "study.toml")


@pytest.mark.slow
def test_training_that_no_device_can_do_is_refused_before_anything_runs(tmp_path, monkeypatch):
    from tests.studies import SUBJECT
    from unpersonal import planning
    from unpersonal.init import init_study

    write_phantom(tmp_path / "images", subjects=40, seed=1, size=32, findings=("No Finding", "Cardiomegaly"))
    given = {"images": str(tmp_path / "images"), "subject": SUBJECT, "layout": "folder"}
    init_study(tmp_path / "study", given, preset_name="tiny")
    study = Study.open(tmp_path / "study")
    assert planning._surely_fits(study)
    monkeypatch.setattr(planning, "memory_of", lambda device: 2**20)
    with pytest.raises(InputError, match=r"Training the denoiser takes about .* GiB.*images a process fit"):
        study.run(until="diffusion")
    assert not (study.path / "store" / "latents.npy").exists()


def refused(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 2 and "Traceback" not in done.output, (done.output, done.exception)
    return done.stderr


def test_sizes_of_the_command_line(tmp_path, monkeypatch):
    real, drawn = tmp_path / "real", tmp_path / "drawn"
    for seed, folder in enumerate((real, drawn)):
        write_phantom(folder, subjects=14, seed=seed, size=32)
    monkeypatch.setattr("unpersonal.core.memory.memory_free", lambda: 10_000_000)
    assert "pixels at most" in refused("metrics", "--real", real, "--synthetic", drawn, "--size", 1000)
    assert "pixels at most" in refused("match", real, drawn, "--size", 1000)
    sides = ("--train", real, "--control", real, "--synthetic", drawn, "--subject", "file", "--out", tmp_path / "o")
    assert "pixels at most" in refused("audit", *sides, "--size", 512)
    words = ("--train", real, "--test", drawn, "--labels", "folder", "--size", 1000)
    assert "pixels at most" in refused("utility", *words)
    assert "pixels at most" in refused("phantom", tmp_path / "p", "--subjects", 1, "--size", 1000)
    assert "at most" in refused("phantom", tmp_path / "p", "--subjects", 10**9)
    for command in (("metrics", "--real", real, "--synthetic", drawn), ("match", real, drawn)):
        refused(*command, "--size", 100_000)
