"""The recipient's training: steps by what there is, the same bytes after a kill, networks, looks without ties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unpersonal.judges.classifier import Classifier
from unpersonal.metrics.roc import macro_auroc
from unpersonal.utility import training
from unpersonal.utility.config import UtilityConfig
from unpersonal.utility.training import Averaged, look, train_recipient

CPU = torch.device("cpu")


def pictures(count: int, seed: int, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n,1,S,S] of noise with a bright corner, left or right by the label; one-hot labels."""
    rng, labels = np.random.default_rng(seed), np.arange(count) % 2
    images = rng.normal(110, 30, (count, 1, size, size))
    images[labels == 0, :, :10, :10] += 60
    images[labels == 1, :, :10, -10:] += 60
    return np.clip(images, 0, 255).astype(np.uint8), np.eye(2, dtype=np.float32)[labels]


def train(tmp_path: Path, config: UtilityConfig, **options: Any) -> tuple[Classifier, Any]:
    given: dict[str, Any] = {"seed": 1, "device": CPU, "checkpoint": tmp_path / "c.safetensors"}
    return train_recipient(*pictures(96, 0), config, held_out=pictures(24, 1), **{**given, **options})


def test_steps_grow_with_what_an_arm_has_within_bounds() -> None:
    config = UtilityConfig(epochs=10, batch=50, fewest_steps=20, most_steps=300)
    assert [config.steps_for(images) for images in (10, 100, 500, 1000, 10**6)] == [20, 20, 100, 200, 300]
    assert config.model_copy(update={"steps": 7}).steps_for(1000) == 7


def test_averages_follow_their_formula() -> None:
    network = torch.nn.BatchNorm1d(1)
    average, mean = Averaged(network, 0.5), 1.0
    for step, value in enumerate([3.0, -1.0, 2.0, 5.0, 4.0, 0.0, 8.0, 9.0, 2.0]):
        with torch.no_grad():
            network.weight.fill_(value)
            network.num_batches_tracked.fill_(step)
        average.update(network, step)
        share = 1 - min(0.5, (1 + step) / (10 + step))
        mean += share * (value - mean)
    assert average.average.weight.item() == pytest.approx(mean)
    assert average.average.num_batches_tracked.item() == 8


@pytest.mark.slow
@pytest.mark.parametrize("network", ["small", "densenet121"])
def test_networks_learn_what_there_is_to_see(tmp_path: Path, network: str) -> None:
    small = network == "small"
    config = UtilityConfig(network=network, width=8, steps=60 if small else 12, batch=16, check_every=6)
    model, history = train(tmp_path, config)
    images, targets = pictures(60, 9)
    assert macro_auroc(model.probabilities(images), targets) > 0.9
    assert not model.network.training and history["best_step"] % 6 == 0


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = UtilityConfig(width=4, steps=60, batch=8, check_every=10, save_every=25)
    whole = train(tmp_path, config)[0].probabilities(pictures(20, 5)[0])
    mildly, steps = training.augment_mildly, []

    def dying(*given: Any) -> Any:
        steps.append(1)
        if len(steps) == 40:
            raise KeyboardInterrupt
        return mildly(*given)

    monkeypatch.setattr(training, "augment_mildly", dying)
    other = {"checkpoint": tmp_path / "other.safetensors"}
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, config, **other)
    again = train(tmp_path, config, **other)[0].probabilities(pictures(20, 5)[0])
    assert np.array_equal(whole, again) and len(steps) == 40 + 35


def test_a_training_ends_where_looks_no_longer_improve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = UtilityConfig(width=4, steps=60, batch=8, check_every=5, patience=3)
    scores = iter([-0.9, -0.5, -0.6, -0.7, -0.8, -0.1])
    monkeypatch.setattr(training, "look", lambda *given: next(scores))
    history = train(tmp_path, config)[1]
    assert history["best_step"] == 10 and history["looks"][-1] == {"step": 25.0, "score": -0.8}
    scores = iter([-0.9] * 12)
    other = {"checkpoint": tmp_path / "other.safetensors"}
    assert len(train(tmp_path, config.model_copy(update={"patience": 0}), **other)[1]["looks"]) == 12


class Said(Classifier):
    """Says what it was told to."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self.said, self.exclusive = probabilities, True

    def probabilities(self, images: np.ndarray, batch: int = 512) -> np.ndarray:
        return self.said


def test_a_look_tells_better_from_good_where_auroc_is_one() -> None:
    targets = np.eye(2)[np.arange(10) % 2]
    rng = np.random.default_rng(0)
    own = {low: low + (1 - low) * rng.random((10, 1)) for low in (0.9, 0.5)}
    sure, unsure = (np.where(targets > 0.5, p, 1 - p) for p in own.values())
    unsure[0] = 0.5
    held_out = np.zeros((10, 1, 2, 2), np.uint8), targets
    assert look(Said(sure), held_out) > look(Said(unsure), held_out)
    assert np.isnan(look(Said(sure), (np.empty((0, 1, 2, 2)), np.empty((0, 2)))))
