"""One network from its data to its files: trained, the width of its average chosen, written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.errors import InputError
from ..core.files import write_json
from ..core.hashing import hash_json
from ..core.tensors import load_tensors
from .config import DiffusionConfig, NetworkConfig
from .logbook import FOLDER as LOGS
from .logbook import Logbook
from .models import FOLDER, write_network
from .network import Denoiser
from .posthoc import Snapshots
from .rows import Examples, Rows
from .trainer import Trained, Training, train_denoiser


@dataclass(frozen=True)
class Task:
    """One network to be trained: its name, its data, its configuration, and what else its training has."""

    name: str
    train: Examples
    held_out: Examples
    config: DiffusionConfig
    training: Training

    def network(self) -> NetworkConfig:
        """The shape of the network."""
        conditions = self.train[1]
        label_dim = 0 if conditions is None else int(conditions.shape[1])
        return self.config.network(tuple(self.train[0].shape[1:]), label_dim)


def train_and_write(
    task: Task, study: Path, *, seed: int, device: torch.device, start: dict[str, Any] | None = None
) -> Trained:
    """Train one network and write its weights and configuration, and what it started with where that is given."""
    folder, config = study.joinpath(*FOLDER), task.config
    network = task.network()
    # the checkpoint of other data, settings or seeds must never be continued
    augmented = task.training.augmented
    views = (None, None) if augmented is None else (augmented.latents, augmented.values)
    contents = [_content(rows) for rows in (*task.train, *task.held_out, task.training.flipped, *views)]
    processes = task.training.world.size if config.dropout else 1  # dropout alone differs with their number
    ambient = task.training.ambient
    contents.append("" if ambient is None else hash_json([list(ambient.names), ambient.clean.tolist()]))
    key = hash_json([config.model_dump(mode="json"), seed, network.model_dump(mode="json"), contents, start, processes])
    checkpoint = folder / f"checkpoint-{task.name}-{key[:16]}.safetensors"
    snapshots = Snapshots(folder / "snapshots", task.name)
    logbook = Logbook(study / LOGS / "diffusion", task.name)
    training = replace(task.training, snapshot=snapshots.save, watch=logbook.write)
    trained = train_denoiser(
        task.name,
        *task.train,
        config,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        held_out=task.held_out,
        training=training,
    )
    logbook.close()
    if task.training.world.first:
        if config.ema_search:
            trained = _with_best_width(task, trained, snapshots)
        write_network(folder, task.name, trained.weights, network)
        if start is not None:
            write_json(folder / f"{task.name}.start.json", start)
    task.training.world.broadcast(None)
    return trained


def _with_best_width(task: Task, trained: Trained, snapshots: Snapshots) -> Trained:
    """The width of average that has the least held-out error at the step that was kept, if it does not memorise.

    The kept row of the history then has the figures of that width, and the errors of all.
    """
    kept = kept_row(trained.history)
    step = int(kept["step"])
    with torch.device("meta"):
        buffers = [name for name, _ in Denoiser(task.network()).named_buffers()]

    def average(std: float) -> dict[str, torch.Tensor]:
        return snapshots.average(std, step * task.config.batch, buffers)

    found = {std: trained.monitor.measure(step, average(std)) for std in task.config.ema_search}
    errors = {f"held_out_error_at_std_{std:g}": row["held_out_error"] for std, row in found.items()}
    innocent = [std for std, row in found.items() if row["memorised"] <= kept["memorised"]]
    best = min(innocent, key=lambda std: found[std]["held_out_error"], default=None)
    weights, row = trained.weights, {"ema_std": task.config.ema_std}
    if best is not None and found[best]["held_out_error"] < kept["held_out_error"]:
        weights, row = average(best), {**found[best], "ema_std": best}
    trained.monitor.measure(step, weights)  # leaves the sheet of the weights that are kept
    history = [{**old, **row, **errors} if old is kept else old for old in trained.history]
    return replace(trained, weights=weights, history=history)


def write_earlier_self(folder: Path, task: Task, trained: Trained, name: str = "guide") -> int:
    """Write as guide `name` the denoiser as it was after its share of the images it was kept at; returns its images.

    Always before the weights that are kept: a guide that equals them would guide nowhere.
    """
    config = task.config
    kept = int(kept_row(trained.history)["step"]) * config.batch
    wanted = kept * config.guide_images / config.images
    snapshots = Snapshots(folder / "snapshots", task.name)
    earlier = {images: path for images, std, path in snapshots.found(kept - 1) if std == config.ema_std}
    if not earlier:
        raise InputError(
            "There is no earlier self to guide by: the weights that are kept are the first that were measured",
            where="[diffusion] guide",
            how="raise [diffusion] evaluations, or use guide = 'uncond'",
        )
    images = max((number for number in earlier if number <= wanted), default=min(earlier))
    weights, _ = load_tensors(earlier[images])
    write_network(folder, name, weights, task.network())
    return images


def kept_row(history: list[dict[str, float]]) -> dict[str, float]:
    """The row of the weights that were kept."""
    return next((row for row in reversed(history) if row.get("kept") == 1.0), history[-1])


def _drawn(rows: Rows, numbers: np.ndarray) -> np.ndarray:
    """A fixed draw where `rows` are distributions, which tells their deviations apart; else nothing."""
    draw = getattr(rows, "sample", None)
    return np.empty(0) if draw is None else np.asarray(draw(numbers, torch.Generator().manual_seed(0)))


def _content(rows: Rows | None) -> str:
    """SHA-256 of the values of `rows`, read in blocks."""
    digest = hashlib.sha256()
    for start in range(0, 0 if rows is None else rows.shape[0], 4096):
        assert rows is not None
        numbers = np.arange(start, min(start + 4096, rows.shape[0]))
        for block in (rows[numbers], _drawn(rows, numbers)):
            digest.update(np.ascontiguousarray(block, dtype=np.float32).tobytes())
    return digest.hexdigest()
