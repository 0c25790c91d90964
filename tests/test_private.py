"""What a private training refuses, before it begins and when study.toml is read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.studies import cohort_of, write_study
from unpersonal.core.distributed import World
from unpersonal.core.errors import InputError
from unpersonal.diffusion import privacy as module
from unpersonal.diffusion.accountant import epsilon_spent
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.privacy import prepare_privacy, privacy_spent
from unpersonal.private import problems
from unpersonal.study import StudyConfig

PRIVATE: dict[str, dict[str, Any]] = {
    "cohort": {"images": "x"},
    "codec": {"fitted_on": "phantom-cxr"},
    "features": {"condition": "label"},
    "diffusion": {"dp_epsilon": 3.0, "start_from": "weights.safetensors"},
}
SUBJECTS = np.array([f"s{i // 2}" for i in range(80)])
CONFIG = DiffusionConfig(dp_epsilon=3.0, images=400, guide_images=200, batch=10, start_from="weights.safetensors")


def config(**tables: dict[str, Any]) -> StudyConfig:
    return StudyConfig.model_validate({**PRIVATE, **{k: {**PRIVATE.get(k, {}), **v} for k, v in tables.items()}})


def test_a_private_study_reads_nobody_before_it_trains() -> None:
    assert problems(config()) == []
    assert problems(config(features={"condition": "uncond"})) == []


def test_a_codec_that_nobody_here_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = config()
    monkeypatch.setattr("unpersonal.private.CODECS", SimpleNamespace(is_ours=lambda name: False))
    assert problems(given) == [
        f"codec.kind: nobody here knows what {given.codec.name!r} of another package reads; use one of ours"
    ]


@pytest.mark.parametrize(
    ("table", "values", "told"),
    [
        ("diffusion", {"start_from": ""}, "diffusion.start_from"),
        ("codec", {"fitted_on": "train"}, "codec.fitted_on"),
        ("features", {"condition": "feature"}, "features.condition: feature"),
        ("features", {"condition": "label+text"}, "features.condition: text"),
        ("audit", {"canaries": 10}, "audit.canaries"),
        ("diffusion", {"dropout": 0.1}, "diffusion.dropout"),
        ("diffusion", {"ambient_sigma": 0.2}, "diffusion.ambient_sigma"),
    ],
)
def test_what_breaks_the_guarantee_is_refused(table: str, values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        config(**{table: values})
    # and is nobody's business where no guarantee is asked for
    assert (
        problems(
            config(
                **{table: values, "diffusion": {**values, "dp_epsilon": 0.0}}
                if table == "diffusion"
                else {table: values, "diffusion": {"dp_epsilon": 0.0}}
            )
        )
        == []
    )


@pytest.mark.parametrize(("key", "value"), [("dp_epsilon", float("inf")), ("dp_clip", float("inf")), ("dp_delta", 0.0)])
def test_numbers_that_are_no_guarantee_are_refused(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=key):
        config(diffusion={key: value})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "weights.safetensors").write_bytes(b"")
    return write_study(tmp_path, cohort_of(SUBJECTS.tolist(), ["a"] * len(SUBJECTS)))


def test_both_networks_together_spend_what_was_asked_for(study: Path) -> None:
    found = prepare_privacy(study, CONFIG, SUBJECTS)
    assert found is not None and found.rate == 10 / 40
    spent = privacy_spent(found, CONFIG, (40, 20))
    assert 2.97 < spent.epsilon <= 3.0 and (spent.steps, spent.delta) == (60, 1e-5)
    assert spent.epsilon == epsilon_spent(found.multiplier, 0.25, 60, 1e-5)
    assert privacy_spent(found, CONFIG, (40, 5)).epsilon < spent.epsilon, "of the steps done"
    alone = prepare_privacy(study, CONFIG.model_copy(update={"guide": "earlier"}), SUBJECTS)
    assert alone is not None and alone.multiplier < found.multiplier, "the denoiser as its own guide costs nothing"
    assert prepare_privacy(study, CONFIG.model_copy(update={"dp_epsilon": 0.0}), SUBJECTS) is None


def test_a_batch_of_more_than_everybody_takes_everybody(study: Path) -> None:
    found = prepare_privacy(study, CONFIG.model_copy(update={"batch": 100}), SUBJECTS)
    assert found is not None and found.rate == 1.0


@pytest.mark.parametrize("delta", [1 / 40, 0.5])
def test_a_delta_that_may_give_a_person_away_is_refused(study: Path, delta: float) -> None:
    with pytest.raises(InputError, match="δ"):
        prepare_privacy(study, CONFIG.model_copy(update={"dp_delta": delta}), SUBJECTS)


def test_several_processes_and_a_start_that_knows_the_people_are_refused(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "world", lambda: World(rank=0, size=2))
    with pytest.raises(InputError, match="one process"):
        prepare_privacy(study, CONFIG, SUBJECTS)
    monkeypatch.setattr(module, "world", World)
    models = study / "models" / "diffusion"
    models.mkdir(parents=True)
    (models / "denoiser.safetensors").write_bytes(b"")
    own = CONFIG.model_copy(update={"start_from": str(models / "denoiser.safetensors")})
    with pytest.raises(InputError, match="knows people of 80 train images"):
        prepare_privacy(study, own, SUBJECTS)


def test_nothing_that_looks_at_people_decides_about_private_weights() -> None:
    own = CONFIG.as_private()
    assert (own.keep_best, own.patience, own.stop_memorising, own.ema_search) == (False, 0, False, ())
    assert own.dp_epsilon == CONFIG.dp_epsilon and own.images == CONFIG.images
