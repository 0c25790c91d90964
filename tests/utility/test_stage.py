"""The utility stage with a stand-in for the classifier, handed in: nearest class mean over pixels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.studies import write_study
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.cohort.soft_labels import rounded
from unpersonal.cohort.table import Cohort
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig, check
from unpersonal.synthesis.selected import Selected
from unpersonal.utility.config import UtilityConfig
from unpersonal.utility.figures import UtilityFigures
from unpersonal.utility.stage import image_metrics, run_stage

CLASSES = ("normal", "virus")
CONFIG = UtilityConfig(repeats=2, steps=3, replicates=200, components=8)


class Means:
    """Softmax over negative squared distances to the class means; a little noise by seed."""

    def __init__(self, images: np.ndarray, targets: np.ndarray, seed: int) -> None:
        rng = np.random.default_rng(seed % 2**32)
        flat = images.reshape(len(images), -1) / 255.0
        self.centres = np.stack([flat[targets[:, c] > 0.5].mean(axis=0) for c in range(targets.shape[1])])
        self.centres = self.centres + 1e-3 * rng.normal(size=self.centres.shape)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        flat = images.reshape(len(images), -1) / 255.0
        logits = -((flat[:, None] - self.centres[None]) ** 2).sum(axis=2)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


class Recorder:
    """A trainer that remembers what it was given."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, images: np.ndarray, targets: np.ndarray, config: Any, **options: Any) -> tuple[Means, list[Any]]:
        self.calls.append({"images": images, "targets": targets, "config": config, **options})
        return Means(images, targets, options["seed"]), []


def pictures(labels: np.ndarray, rng: np.random.Generator, contrast: float = 10.0) -> np.ndarray:
    """uint8 [n,1,16,16]: noise, and a bright corner that depends on the label."""
    images = rng.normal(110, 30, (len(labels), 1, 16, 16))
    images[labels == 1, :, :6, :6] += contrast
    return np.clip(images, 0, 255).astype(np.uint8)


@pytest.fixture
def study(tmp_path: Path, cohort: Cohort) -> Path:
    rng = np.random.default_rng(0)
    labels = cohort.targets[:, 1].astype(int)
    images = pictures(labels, rng)
    return write_study(tmp_path, cohort, images, codec=PixelCodec.fit(images), kind="pixel")


def synthetic(count: int, contrast: float = 10.0, labels: np.ndarray | None = None) -> Selected:
    labels = np.arange(count) % 2 if labels is None else labels
    images = pictures(labels, np.random.default_rng(5), contrast)
    return Selected(images, [[CLASSES[label]] for label in labels], np.eye(2, dtype=np.float32)[labels])


def run(study: Path, selected: Selected, train: Any, config: UtilityConfig = CONFIG, seed: int = 3) -> dict[str, Any]:
    import torch

    return run_stage(study, config, seed=seed, device=torch.device("cpu"), train=train, selected=selected).to_json()


@pytest.mark.slow
def test_good_synthetic_images_lose_nothing(study: Path) -> None:
    figures = run(study, synthetic(200), Recorder())
    assert figures["auroc_real"] > 0.75 and figures["auroc_synthetic"] > 0.75
    assert figures["gap"] == pytest.approx(figures["auroc_real"] - figures["auroc_synthetic"])
    assert figures["gap"] < figures["gap_upper"] < 0.2
    assert set(figures["classes"]) == set(CLASSES)
    assert {"irs", "fid"} <= set(figures["metrics"])
    stored = json.loads((study / "utility" / "utility.json").read_text(encoding="utf-8"))
    assert stored == {key: value for key, value in figures.items() if key != "metrics"}
    assert json.loads((study / "utility" / "metrics.json").read_text(encoding="utf-8")) == figures["metrics"]
    assert figures == run(study, synthetic(200), Recorder())


def test_the_real_baseline_learns_from_given_labels_only(study: Path) -> None:
    from dataclasses import replace

    from unpersonal.cohort.table import load_cohort

    cohort = load_cohort(study)
    train = cohort.rows("train")
    bare = train[::3]
    table = cohort.table.copy()
    for row in bare:
        table.at[row, "labels"] = []
    replace(cohort, table=table, unlabelled=frozenset(table["image"][bare])).save(study)
    trainer = Recorder()
    figures = run(study, synthetic(200), trainer)
    known = np.setdiff1d(train, bare)
    images = np.load(study / "store" / "images.npy")
    for call in trainer.calls[: CONFIG.repeats]:
        seen = [(image.tobytes(), tuple(row)) for image, row in [*zip(call["images"], call["targets"], strict=True)]]
        seen += [(image.tobytes(), tuple(row)) for image, row in zip(*call["held_out"], strict=True)]
        assert sorted(seen) == sorted((images[row].tobytes(), tuple(cohort.targets[row])) for row in known)
    assert figures["train_images"] == len(known)


def test_synthetic_images_without_the_finding_are_found_out(study: Path) -> None:
    figures = run(study, synthetic(200, contrast=-10.0), Recorder())
    assert figures["auroc_synthetic"] < 0.3 and figures["gap_upper"] > 0.6


def test_who_sees_what(study: Path) -> None:
    """Same recipe, fresh distinct seeds; the synthetic arm sees no real image; nobody trains on test subjects.

    Each arm stops early on a tenth of what it has, the real arm on whole people. The ceiling's arm sees what the real
    arm sees (here through a codec without loss), and the same labels.
    """
    from unpersonal.codec.store import load_images
    from unpersonal.cohort.table import load_cohort

    train, cohort, images = Recorder(), load_cohort(study), np.array(load_images(study))
    selected = synthetic(200)
    run(study, selected, train)
    assert len(train.calls) == 6
    assert len({call["seed"] for call in train.calls}) == 6 and 3 not in {call["seed"] for call in train.calls}
    assert len({call["checkpoint"] for call in train.calls}) == 6
    assert len({call["config"].model_dump_json() for call in train.calls}) == 1
    real, own, ceiling = train.calls[:2], train.calls[2:4], train.calls[4:]

    def keys(batch: np.ndarray) -> set[bytes]:
        return {image.tobytes() for image in batch}

    whose = {image.tobytes(): who for image, who in zip(images, cohort.subjects, strict=True)}
    for call in real:
        kept, held = keys(call["images"]), keys(call["held_out"][0])
        assert kept | held == keys(images[cohort.rows("train")])
        people = [{whose[key] for key in part} for part in (kept, held)]
        assert not people[0] & people[1] and len(people[1]) == 6 and len(people[0]) == 58
    for call in ceiling:
        for key in ("images", "targets"):
            assert np.array_equal(call[key], real[0][key])
        assert all(map(np.array_equal, call["held_out"], real[0]["held_out"]))
    for call in own:
        kept, held = keys(call["images"]), keys(call["held_out"][0])
        assert not kept & held and kept | held == keys(selected.images)
        assert len(held) == 20 and call["held_out"][1].sum(axis=0).tolist() == [10.0, 10.0]
    assert not (study / "utility" / "checkpoints").exists()


@pytest.mark.parametrize(
    "selected",
    [synthetic(0), synthetic(19), synthetic(60, labels=np.zeros(60, dtype=np.int64))],
    ids=["none", "too few", "a label is absent"],
)
def test_what_cannot_be_measured_is_not_claimed_and_the_policy_refuses(study: Path, selected: Selected) -> None:
    train = Recorder()
    figures = run(study, selected, train)
    assert figures["gap_upper"] == 1.0 and figures["note"]
    assert figures["auroc_synthetic"] is None and figures["gap"] is None
    assert figures["ceiling_auroc"] is None and figures["ceiling_gap"] is None and figures["ceiling_note"]
    assert train.calls == []
    found = StudyFigures(utility=UtilityFigures.from_json(figures, where="utility"))
    reasons = [reason for reason in check(PolicyConfig(), found)[0] if reason.startswith("utility")]
    assert reasons == ["utility.gap_upper = 1 is above the limit 0.05"]
    json.dumps(figures, allow_nan=False)


def test_image_metrics_order_worlds_as_they_should(study: Path) -> None:
    rng, labels = np.random.default_rng(8), np.arange(120) % 2
    train, test, aux, fresh = (pictures(labels, rng) for _ in range(4))
    shifted = np.clip(fresh.astype(np.int64) * np.linspace(0, 2, 16), 0, 255).astype(np.uint8)
    good = image_metrics(train, test, fresh, aux, components=8, seed=0)
    bad = image_metrics(train, test, shifted, aux, components=8, seed=0)
    one = image_metrics(train, test, np.repeat(fresh[:3], 40, axis=0), aux, components=8, seed=0)
    assert good.fid < 0.2 * bad.fid
    assert one.irs < 0.2 * good.irs
    assert good == image_metrics(train, test, fresh, aux, components=8, seed=0)


METRIC = """
from unpersonal.core.config import Config

class Options(Config):
    factor: float = 1.0

class Metric:
    config, keys, needs = Options, ("mean",), ()

    def compute(self, sets, options):
        return {"mean": options.factor * abs(sets.synthetic.mean())}

PART = Metric()
"""


@pytest.mark.slow
def test_a_metric_of_another_package_is_measured_where_it_is_named(study: Path, offer: Callable[..., None]) -> None:
    offer("metric", "theirs", METRIC)
    ours = run(study, synthetic(200), Recorder())["metrics"]
    once = run(study, synthetic(200), Recorder(), CONFIG.model_copy(update={"metrics": ("theirs", "irs")}))["metrics"]
    options = {"metrics": ("theirs",), "options": {"theirs": {"factor": 2.0}}}
    twice = run(study, synthetic(200), Recorder(), CONFIG.model_copy(update=options))["metrics"]
    assert once["by_metric"]["theirs"]["mean"] > 0
    assert twice["by_metric"]["theirs"]["mean"] == pytest.approx(2 * once.pop("by_metric")["theirs"]["mean"])
    assert once == ours
    assert twice == json.loads((study / "utility" / "metrics.json").read_text(encoding="utf-8"))


def test_names_and_options_of_metrics_are_checked_when_they_are_read(offer: Callable[..., None]) -> None:
    offer("metric", "theirs", METRIC)
    assert ("metric", "theirs") in UtilityConfig(metrics=("theirs",)).named_parts()
    for values, said in (
        ({"metrics": ["nobody's"]}, "no metric"),
        ({"metrics": ["theirs"], "options": {"theirs": {"facto": 2.0}}}, "factor"),
        ({"options": {"theirs": {"factor": 2.0}}}, "nothing here names it"),
        ({"metrics": ["irs"], "options": {"irs": {"factor": 2.0}}}, "no plug-in"),
    ):
        with pytest.raises(InputError, match=said):
            build_config(UtilityConfig, values, where="study.toml")


@pytest.mark.parametrize("flipped", [0.0, 0.25])
def test_labels_flipped_at_a_known_rate_are_estimated_by_whoever_chose_none(study: Path, flipped: float) -> None:
    true = np.arange(400) % 2
    shown = synthetic(400, labels=true)
    wrong = np.where(np.random.default_rng(1).random(400) < flipped, 1 - true, true)
    selected = Selected(shown.images, [[CLASSES[label]] for label in wrong], np.eye(2, dtype=np.float32)[wrong])
    noise = run(study, selected, Recorder())["label_noise"]
    low, high = noise["wrong_interval"]
    # how often such an interval covers is tried where arrays are all that it takes
    assert low - 0.02 <= (wrong != true).mean() <= high + 0.02 and high - low < 0.4
    assert noise["labels"] == 400 and noise["held_out_subjects"] == 32


def test_the_synthetic_arm_learns_from_probabilities_and_stops_on_labels(study: Path) -> None:
    shown, trainer = synthetic(60), Recorder()
    values = np.where(shown.targets > 0.5, 0.7, 0.3)
    soft = rounded(values, CLASSES, exclusive=True)
    config = CONFIG.model_copy(update={"soft": True, "ceiling": False})
    run(study, Selected(shown.images, shown.labels, shown.targets, soft=soft), trainer, config)
    real, arm = trainer.calls[0], trainer.calls[-1]
    assert set(np.unique(arm["targets"])) == {np.float32(0.3), np.float32(0.7)}
    assert set(np.unique(arm["held_out"][1])) == set(np.unique(real["targets"])) == {0.0, 1.0}
    with pytest.raises(InputError, match="no class probabilities"):
        run(study, shown, trainer, config)
