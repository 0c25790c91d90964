"""What the codec alone costs: lossless, destroying and coarse codecs against closed forms, and a real SIGKILL."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.studies import write_study
from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.codec.store import save_codec
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.pixels import to_float, to_uint8
from unpersonal.core.tensors import save_array
from unpersonal.metrics.roc import macro_auroc
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig, check
from unpersonal.report.summary import Summary
from unpersonal.utility.config import UtilityConfig
from unpersonal.utility.stage import run_stage

CLASSES = ("normal", "virus")
CONFIG = UtilityConfig(repeats=2, steps=3, replicates=300, components=8)
SEED = 3


class Means:
    """Softmax over negative squared distances to the class means; no chance in it, so that the seed does not matter."""

    def __init__(self, images: np.ndarray, targets: np.ndarray) -> None:
        flat = np.asarray(images).reshape(len(images), -1) / 255.0
        self.centres = np.stack([flat[targets[:, c] > 0.5].mean(axis=0) for c in range(targets.shape[1])])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        flat = images.reshape(len(images), -1) / 255.0
        logits = -((flat[:, None] - self.centres[None]) ** 2).sum(axis=2)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def seedless(images: np.ndarray, targets: np.ndarray, _: Any, **__: Any) -> tuple[Means, None]:
    return Means(images, targets), None


def pictures(labels: np.ndarray, seed: int) -> np.ndarray:
    """uint8 [n,1,16,16]: noise, and a label that shows as a checkerboard: no 2 x 2 patch of it changes its mean."""
    rng = np.random.default_rng(seed)
    sign = np.where(np.indices((16, 16)).sum(axis=0) % 2, 1.0, -1.0)
    images = rng.normal(110, 30, (len(labels), 1, 16, 16)) + 4 * sign * np.asarray(labels)[:, None, None, None]
    return np.clip(images, 0, 255).astype(np.uint8)


def blind(images: np.ndarray) -> PatchCodec:
    """A codec that gives back the mean image whatever it is handed."""
    return PatchCodec(
        torch.zeros(256, 1), torch.from_numpy(images.mean(axis=0)).flatten().float() / 255, torch.ones(1), 16
    )


def coarse(_: np.ndarray) -> PatchCodec:
    """A codec that keeps nothing but the mean of every 2 x 2 patch."""
    return PatchCodec(torch.full((4, 1), 0.5), torch.zeros(4), torch.ones(1), 2)


@pytest.fixture
def study(tmp_path: Path, cohort: Cohort) -> Path:
    labels = cohort.targets[:, 1].astype(int)
    folder, given = tmp_path / "study", np.arange(100) % 2
    images, selected = pictures(labels, 0), (pictures(given, 5), [[CLASSES[label]] for label in given])
    write_study(folder, cohort, images, codec=PixelCodec.fit(images), kind="pixel", selected=selected)
    return folder


def use(study: Path, codec: Any) -> None:
    save_codec(study / "store" / "codec.safetensors", codec, "patch" if isinstance(codec, PatchCodec) else "pixel")


def images_of(study: Path) -> np.ndarray:
    return np.load(study / "store" / "images.npy")


def run(study: Path, *, train: Any = seedless, **changes: Any) -> dict[str, Any]:
    config = CONFIG.model_copy(update=changes)
    return run_stage(study, config, seed=SEED, device=torch.device("cpu"), train=train).to_json()


def of_ceiling(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in figures.items() if key.startswith("ceiling")}


def test_a_codec_without_loss_costs_nothing(study: Path) -> None:
    figures = run(study)
    assert 0.6 < figures["auroc_real"] < 0.99
    assert figures["ceiling_auroc"] == figures["auroc_real"]
    assert figures["ceiling_auroc_interval"] == list(figures["auroc_real_interval"])
    assert figures["ceiling_gap"] == figures["ceiling_gap_upper"] == 0.0
    assert figures["ceiling_gap_interval"] == [0.0, 0.0] and "ceiling_note" not in figures
    stored = json.loads((study / "utility" / "utility.json").read_text(encoding="utf-8"))
    assert of_ceiling(stored) == of_ceiling(figures) != {}


def test_a_codec_that_destroys_everything_leaves_guessing(study: Path) -> None:
    """All train images are one image then, so both class means agree and no test image is nearer to either."""
    use(study, blind(images_of(study)))
    figures = run(study)
    assert figures["ceiling_auroc"] == 0.5 and figures["ceiling_auroc_interval"] == [0.5, 0.5]
    assert figures["ceiling_gap"] == figures["auroc_real"] - 0.5
    # with a ceiling of exactly 1/2 in every resample, the gap's interval is that of the real arm less 1/2
    assert figures["ceiling_gap_interval"] == pytest.approx(np.array(figures["auroc_real_interval"]) - 0.5, abs=1e-12)
    assert figures["gap_interval"][0] < figures["gap"] < figures["gap_interval"][1]


@pytest.mark.slow
def test_a_lossy_codec_costs_what_brute_force_says(study: Path) -> None:
    tested = []

    class Seen(Means):
        def probabilities(self, images: np.ndarray) -> np.ndarray:
            tested.append(images)
            return super().probabilities(images)

    use(study, coarse(images_of(study)))
    figures = run(study, train=lambda images, targets, *_, **__: (Seen(images, targets), None))
    cohort, images = load_cohort(study), images_of(study)
    train, test = cohort.rows("train"), cohort.rows("test")
    means = to_float(images[train]).reshape(-1, 1, 8, 2, 8, 2).mean((3, 5), keepdim=True)
    back = to_uint8(means.expand(-1, 1, 8, 2, 8, 2).reshape(-1, 1, 16, 16))
    # a recipient's own images never went through the codec; the others are those held out for the temperature
    assert sum(np.array_equal(seen[: len(test)], images[test]) for seen in tested) == 6 and len(tested) == 12
    targets, whose = cohort.targets[test], cohort.subjects[test]
    first = Means(images[train], cohort.targets[train]).probabilities(images[test])
    second = Means(back, cohort.targets[train]).probabilities(images[test])
    expected = macro_auroc(first, targets) - macro_auroc(second, targets)
    assert figures["ceiling_auroc"] == pytest.approx(macro_auroc(second, targets), abs=0.04) and expected > 0.1
    assert figures["ceiling_gap"] == pytest.approx(expected, abs=0.04)
    rng, names, gaps = np.random.default_rng(8), np.unique(whose), []
    for _ in range(600):
        rows = np.concatenate([np.flatnonzero(whose == name) for name in rng.choice(names, len(names))])
        gaps.append(macro_auroc(first[rows], targets[rows]) - macro_auroc(second[rows], targets[rows]))
    assert figures["ceiling_gap_interval"] == pytest.approx(np.quantile(gaps, [0.025, 0.975]), abs=0.05)
    assert figures["ceiling_gap_upper"] == pytest.approx(np.quantile(gaps, 0.95), abs=0.05)
    assert figures["ceiling_gap"] < figures["ceiling_gap_upper"] < figures["ceiling_gap_interval"][1]


@pytest.mark.slow
def test_the_ceiling_changes_no_other_figure_and_can_be_switched_off(study: Path) -> None:
    use(study, blind(images_of(study)))
    small = {"train": None, "width": 4, "steps": 10, "batch": 8, "check_every": 5, "repeats": 1, "replicates": 100}
    on, off = run(study, **small), run(study, **small, ceiling=False)
    assert of_ceiling(off) == {} and {key: on[key] for key in off} == off
    assert of_ceiling(json.loads((study / "utility" / "utility.json").read_text(encoding="utf-8"))) == {}
    # without the ceiling nothing asks for a codec
    (study / "store" / "codec.safetensors").unlink()
    assert of_ceiling(run(study, ceiling=False)) == {}


@pytest.mark.parametrize("cost", [0.0, 0.2, -0.2])
def test_the_policy_looks_at_the_release_alone(
    cost: float, demo_summary: Summary, alter: Callable[..., StudyFigures]
) -> None:
    ceiling = {"ceiling_gap": cost, "ceiling_gap_upper": cost, "ceiling_auroc": 0.9}
    for upper, expected in ((0.06, ["utility.gap_upper = 0.06 is above the limit 0.05"]), (0.04, [])):
        reasons = check(PolicyConfig(), alter(demo_summary.figures, "utility", gap_upper=upper, **ceiling))[0]
        assert [reason for reason in reasons if reason.startswith("utility")] == expected


def test_a_real_arm_at_chance_level_leaves_the_cost_unknown(study: Path) -> None:
    """Where the label shows in no image, a codec that keeps nothing must not be called free of cost."""
    images = images_of(study)
    save_array(study / "store" / "images.npy", pictures(np.zeros(len(images)), 0))
    use(study, blind(images))
    figures = run(study)
    assert "chance" in figures["ceiling_note"]
    assert figures["ceiling_gap_upper"] == 1.0 and figures["ceiling_gap_interval"] is None


NEVER = -1


class Deadly:
    """The real trainer, saving every 25 steps; kills the process in step `deadly` of the ceiling's arm."""

    def __init__(self, deadly: int) -> None:
        self.deadly, self.steps = deadly, 0

    def __call__(
        self, images: np.ndarray, targets: np.ndarray, config: Any, *, checkpoint: Path, **options: Any
    ) -> Any:
        from unpersonal.utility import training

        mildly = training.augment_mildly

        def counted(*given: Any) -> Any:
            self.steps += checkpoint.name == "ceiling-0.safetensors"
            if self.steps == self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return mildly(*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "augment_mildly", counted)
            brief = config.model_copy(update={"save_every": 25})
            return training.train_recipient(images, targets, brief, checkpoint=checkpoint, **options)


def run_deadly(study: Path, deadly: int) -> int:
    """Steps of the last training of the ceiling's arm, in this process."""
    train = Deadly(deadly)
    run(study, train=train, width=4, steps=50, batch=8, check_every=10, replicates=100, repeats=1)
    return train.steps


@pytest.mark.slow
def test_a_kill_in_the_midst_of_the_ceiling_ends_in_the_same_bytes(study: Path) -> None:
    use(study, coarse(images_of(study)))
    whole = shutil.copytree(study, study.parent / "whole")
    command = [sys.executable, "-m", "tests.utility.test_stage_ceiling", str(study), "30", str(torch.get_num_threads())]
    killed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = study / "utility" / "checkpoints"
    assert (kept / "ceiling-0.safetensors").is_file() and (kept / "reconstructed-train.npy").is_file()
    assert not (study / "utility" / "utility.json").exists()
    # the steps after the last checkpoint only
    assert (run_deadly(study, NEVER), run_deadly(whole, NEVER)) == (25, 50)
    for name in ("utility.json", "metrics.json"):
        assert (study / "utility" / name).read_bytes() == (whole / "utility" / name).read_bytes()
    assert not kept.exists()
    assert of_ceiling(json.loads((study / "utility" / "utility.json").read_text(encoding="utf-8")))


@pytest.mark.slow
def test_the_real_network_with_the_same_seed_is_the_same_after_a_codec_without_loss(study: Path) -> None:
    """Apart from its seed the ceiling's arm is the real arm: images, labels, recipe and held-out people."""
    from unpersonal.utility.arms import train_arm
    from unpersonal.utility.stage import copies_of
    from unpersonal.utility.training import train_recipient

    cohort, images = load_cohort(study), images_of(study)
    copies = copies_of(study, study / "copies", torch.device("cpu"))
    rows = {subset: cohort.rows(subset) for subset in ("train", "val-stop", "test")}
    config = CONFIG.model_copy(update={"width": 4, "steps": 20, "batch": 8, "repeats": 1, "check_every": 10})

    def arm(own: np.ndarray, held_out: np.ndarray, folder: str) -> np.ndarray:
        pairs = (own, cohort.targets[rows["train"]]), (held_out, cohort.targets[rows["val-stop"]])
        options: dict[str, Any] = {"seed": SEED, "device": torch.device("cpu"), "train": train_recipient}
        return train_arm("real", *pairs, images[rows["test"]], config, checkpoints=study / folder, **options)[0]

    first = arm(images[rows["train"]], images[rows["val-stop"]], "a")
    second = arm(*(copies(subset, rows[subset]) for subset in ("train", "val-stop")), "b")
    assert np.array_equal(first, second)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))
    run_deadly(Path(sys.argv[1]), int(sys.argv[2]))
