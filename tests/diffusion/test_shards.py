"""Shards: each denoiser a stranger to half of the people, the halves of the swap, files and figures of both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.diffusion.trainings import CONFIG, CPU, data
from tests.studies import cohort_of, in_turn, write_study
from unpersonal.audit.halves import deal_halves
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.codec.store import load_images
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.diffusion.models import load_models, main_denoiser
from unpersonal.diffusion.shards import both, check_shards, cohort_of_shard, half_budget, load_shards, shard_of_rows
from unpersonal.diffusion.stage import run_stage
from unpersonal.features.store import Component

STAGE = CONFIG.model_copy(
    update={"images": 100, "guide_images": 100, "monitor_samples": 0, "evaluations": 1, "batch": 2}
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """60 people with an image of 16 pixels each; three of four train."""
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 16, 16), dtype=np.uint8)
    subjects = [f"p{i:02d}" for i in range(60)]
    cohort = cohort_of(
        subjects, [["a"] if i % 3 else ["b"] for i in range(60)], in_turn(subjects, ("train", "train", "train", "val"))
    )
    return write_study(
        tmp_path / "study", cohort, images, codec=PixelCodec.fit(images), kind="pixel", conditions=data(60)[1]
    )


def test_shards_are_the_halves_of_the_swap_and_nobody_trains_in_both(study: Path) -> None:
    cohort = load_cohort(study)
    shards = shard_of_rows(study, cohort, 5)
    halves = deal_halves(cohort, load_images(study), 5)
    for shard, half in enumerate(halves):
        assert set(cohort.subjects[shards == shard]) == half
        own = cohort_of_shard(cohort, shards, shard)
        assert set(own.subjects[own.rows("train")]) == half and len(own) == len(cohort)
        assert np.array_equal(own.rows("val"), cohort.rows("val"))
    assert (shards[cohort.rows("val")] == -1).all()
    few = cohort_of(["a", "b", "c"], [["x"]] * 3, ["train", "val", "val"])
    with pytest.raises(InputError, match=r"(?s)cannot be halved.*\[diffusion\] shards"):
        shard_of_rows(study, few, 5)


def test_the_budget_is_halved_and_everybody_is_seen_as_often() -> None:
    halved = half_budget(STAGE.model_copy(update={"images": 101}))
    assert (halved.images, halved.guide_images) == (51, 50)


def test_what_belongs_to_people_of_both_shards_is_refused() -> None:
    check_shards((Component("label", 0, 3, from_labels=True),), 0)
    with pytest.raises(InputError, match="no denoiser is a stranger"):
        check_shards((Component("centroid", 0, 3, shared_by=5),), 0)
    with pytest.raises(InputError, match="Canaries"):
        check_shards((), 4)
    with pytest.raises(InputError, match="Differential privacy"):
        check_shards((), 0, private=True)


def test_figures_of_both_are_those_of_the_worse() -> None:
    first = {
        "denoiser_parameters": 5,
        "denoiser_images": 100,
        "denoiser_loss": 0.2,
        "denoiser_memorised": False,
        "denoiser_ended_early": None,
        "denoiser_kept_step": 40,
        "denoiser_gap": 0.01,
        "denoiser_gap_upper": 0.02,
        "denoiser_match_power": 0.9,
        "denoiser_match_rate": 0.0,
    }
    second = first | {
        "denoiser_memorised": True,
        "denoiser_ended_early": "memorises",
        "denoiser_kept_step": 30,
        "denoiser_gap": 0.03,
        "denoiser_gap_upper": 0.05,
        "denoiser_match_power": 0.8,
        "denoiser_match_rate": 0.1,
    }
    expected = second | {"denoiser_parameters": 10, "denoiser_images": 200}
    assert both(first, second) == expected and both(second, first) == expected
    assert both(first, first | {"denoiser_memorised": None})["denoiser_memorised"] is None
    unseen = {name: value for name, value in first.items() if name != "denoiser_match_power"}
    told = {"denoiser_gap_told": True}
    for one, other in ((first | told, unseen), (unseen, first | told)):
        found = both(one, other)
        assert found["denoiser_match_power"] == 0 and found["denoiser_gap_told"] is False
    assert both(second, first | {"denoiser_memorised": None})["denoiser_memorised"] is True


@pytest.mark.slow
def test_the_stage_writes_two_of_each_and_leaves_none_of_them_behind(study: Path) -> None:
    sharded = STAGE.model_copy(update={"shards": 2})
    figures = run_stage(study, sharded, seed=3, device=CPU)
    folder = study / "models" / "diffusion"
    names = {path.name for path in folder.iterdir()}
    trained = [f"{name}-{shard}" for name in ("denoiser", "guide") for shard in (0, 1)]
    both_of = {f"{name}.{end}" for name in trained for end in ("json", "safetensors")}
    assert names == both_of | {"history.json", "shards.npy"} and figures.shards == 2
    assert figures.denoiser_images == 100 and main_denoiser(study).name == "denoiser-0.safetensors"
    assert set(json.loads((folder / "history.json").read_text())) == {"denoiser-0", "denoiser-1", "guide-0", "guide-1"}
    shards = load_shards(study)
    assert shards is not None and np.array_equal(shards, shard_of_rows(study, load_cohort(study), 3))
    weights = [load_models(study, CPU, f"-{shard}")[0].unet.out_conv.weight for shard in (0, 1)]
    assert not np.array_equal(weights[0].numpy(), weights[1].numpy())
    whole = run_stage(study, STAGE, seed=3, device=CPU)
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.{end}" for name in ("denoiser", "guide") for end in ("json", "safetensors")),
        "history.json",
    }
    assert whole.shards is None and load_shards(study) is None
    with pytest.raises(InputError, match="Canaries"):
        run_stage(study, sharded, seed=3, device=CPU, canaries=4)
