"""Stage `diffusion`: latents and conditions in, `models/diffusion/` with denoiser, guide and their history out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..codec.base import to_float, to_uint8
from ..codec.store import load_codec, load_images, load_latent_rows
from ..cohort.table import Cohort, load_cohort
from ..core.config import build_config
from ..core.distributed import World, world
from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.hashing import hash_json
from ..core.seeds import derive_seed, numpy_rng
from ..core.tensors import create_array, load_tensors, open_array, save_tensors
from ..features.store import load_conditions, load_parts, noise_scale
from .config import DiffusionConfig, NetworkConfig
from .logbook import FOLDER as LOGS
from .logbook import Logbook
from .monitor import Callback, Monitor
from .network import Denoiser, build_denoiser, fold_weights, pick_precision
from .posthoc import Snapshots, search
from .rows import Rows, RowView
from .samples import MOST_REFERENCES, MOST_STRANGERS, CopyCheck, Sampler
from .trainer import Trained, Training, train_denoiser
from .transfer import load_start, start_weights

FOLDER = ("models", "diffusion")
BLOCK = 256

Pair = tuple[Rows, Rows | None]


@dataclass(frozen=True)
class Task:
    """One network to be trained: its name, its data, its configuration, and what else its training has."""

    name: str
    train: Pair
    held_out: Pair
    config: DiffusionConfig
    training: Training

    def network(self) -> NetworkConfig:
        """The shape of the network."""
        conditions = self.train[1]
        label_dim = 0 if conditions is None else int(conditions.shape[1])
        return self.config.network(tuple(self.train[0].shape[1:]), label_dim)


def run_stage(study: Path, config: DiffusionConfig, *, seed: int, device: torch.device) -> dict[str, Any]:
    """Train the denoiser under its conditions and the guide; see `_figures` for what returns.

    Reads the latents, the conditions and the cohort (parts `train` and `val-stop`); writes `denoiser.safetensors`,
    `guide.safetensors`, a `.json` with the network's configuration beside each, `history.json`, `samples/`, with
    `ema_profiles` also `snapshots/`, and for eyes only `logs/` of the study. Every process of a `torchrun` calls it;
    the first alone writes.
    """
    processes, folder = world(), study.joinpath(*FOLDER)
    latents, conditions, cohort = load_latent_rows(study), load_conditions(study), load_cohort(study)
    if conditions is not None and latents.shape[0] != conditions.shape[0]:
        raise InputError(
            f"{latents.shape[0]} latents but {conditions.shape[0]} conditions",
            where=str(study),
            how="run the features stage again",
        )
    parts = {part: cohort.rows(part) for part in ("train", "val-stop")}
    x = {part: RowView(latents, rows) for part, rows in parts.items()}
    c = {part: None if conditions is None else RowView(conditions, rows) for part, rows in parts.items()}
    flipped = _mirrored(study, folder, processes) if config.horizontal_flip else None
    kinds = load_parts(study)
    plain = Training(
        flipped=None if flipped is None else RowView(flipped, parts["train"]),
        noise_scale=None if all(kind.noisy for kind in kinds) else noise_scale(kinds),
        world=processes,
    )
    pairs = ((x["train"], c["train"]), (x["val-stop"], c["val-stop"]))
    denoiser = Task("denoiser", *pairs, config, plain)
    start, report = _start(config, denoiser.network(), study, seed)
    denoiser = replace(
        denoiser,
        training=replace(
            plain,
            start=start,
            callbacks=_callbacks(study, folder, cohort, c["val-stop"], config, seed, device, processes),
            capture=config.guide_images if config.guide == "earlier" else None,
        ),
    )
    made = _train_and_write(denoiser, study, seed=seed, device=device, start=report)
    figures = _figures(denoiser, made)
    history = {"denoiser": made.history}
    if config.guide == "earlier":
        if processes.first:
            _write_network(folder, "guide", made.captured, denoiser.network())
        figures |= {"guide_parameters": figures["denoiser_parameters"], "guide_images": made.captured_images}
    else:
        own: list[Pair] = [(x[part], c[part] if config.guide == "smaller" else None) for part in ("train", "val-stop")]
        guide = Task("guide", own[0], own[1], config.for_guide(), plain)
        made = _train_and_write(guide, study, seed=seed, device=device)
        figures |= _figures(guide, made)
        history["guide"] = made.history
    if processes.first:
        write_json(folder / "history.json", history)
        _clean(folder)
    return figures


def _train_and_write(
    task: Task, study: Path, *, seed: int, device: torch.device, start: dict[str, Any] | None = None
) -> Trained:
    """Train one network and write its weights and configuration."""
    folder, config = study.joinpath(*FOLDER), task.config
    network = task.network()
    # the checkpoint of other data, settings or seeds must never be continued
    contents = [_content(rows) for rows in (*task.train, *task.held_out, task.training.flipped)]
    key = hash_json([config.model_dump(mode="json"), seed, network.model_dump(mode="json"), contents, start])
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
            trained = _searched(task, trained, snapshots, seed=seed, device=device)
        _write_network(folder, task.name, trained.weights, network)
        if start is not None:
            write_json(folder / f"{task.name}.start.json", start)
    task.training.world.said_by_first(None)
    return trained


def _searched(task: Task, trained: Trained, snapshots: Snapshots, *, seed: int, device: torch.device) -> Trained:
    """The width of average that has the least held-out error at the step that was kept."""
    kept = _kept(trained.history)
    network = build_denoiser(task.network(), 0)
    buffers = [name for name, _ in network.named_buffers()]
    sets = {"held_out": task.held_out}
    monitor = Monitor(task.name, network.to(device), task.config, sets, seed=seed, device=device)
    std, weights, errors = search(
        snapshots,
        task.config.ema_search,
        int(kept["step"]) * task.config.batch,
        buffers,
        lambda weights: monitor.errors(weights)["held_out_error"],
    )
    if errors[f"{std:g}"] >= kept.get("held_out_error", np.inf):
        return trained
    found = {"ema_std": std, **{f"held_out_error_at_std_{name}": value for name, value in errors.items()}}
    history = [{**row, **found} if row is kept else row for row in trained.history]
    return replace(trained, weights=weights, history=history)


def _write_network(folder: Path, name: str, weights: dict[str, torch.Tensor], network: NetworkConfig) -> None:
    save_tensors(folder / f"{name}.safetensors", weights)
    write_json(folder / f"{name}.json", network.model_dump(mode="json"))


def _kept(history: list[dict[str, float]]) -> dict[str, float]:
    """The row of the weights that were kept."""
    return next((row for row in reversed(history) if row.get("kept") == 1.0), history[-1])


def _figures(task: Task, trained: Trained) -> dict[str, Any]:
    """Figures of one network for the study's summary, named after it: its size, its training, its errors."""
    prefix, kept = task.name, _kept(trained.history)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in Denoiser(task.network()).parameters())
    figures: dict[str, Any] = {
        f"{prefix}_parameters": parameters,
        f"{prefix}_images": int(trained.history[-1]["step"]) * task.config.batch,
        f"{prefix}_loss": trained.history[-1]["loss"],
        f"{prefix}_kept_step": int(kept["step"]),
        f"{prefix}_memorised": bool(kept.get("memorised", 0.0)),
        f"{prefix}_ended_early": trained.stopped or None,
    }
    names = ("train_error", "held_out_error", "gap", "match_rate", "match_rate_lower", "ema_std")
    return figures | {f"{prefix}_{name}": kept[name] for name in names if name in kept}


def _start(
    config: DiffusionConfig, network: NetworkConfig, study: Path, seed: int
) -> tuple[dict[str, torch.Tensor] | None, dict[str, Any] | None]:
    """Weights to start from and what was taken over, where the configuration names a checkpoint."""
    if not config.start_from:
        return None, None
    transfer = load_start(study / config.start_from, network)
    return start_weights(transfer, network, derive_seed(seed, "denoiser", "weights")), transfer.report


def _callbacks(
    study: Path,
    folder: Path,
    cohort: Cohort,
    conditions: Rows | None,
    config: DiffusionConfig,
    seed: int,
    device: torch.device,
    processes: World,
) -> Sequence[Callback]:
    """Samples under conditions of held-out people, as a sheet, and compared with train images."""
    train, held_out = cohort.rows("train"), cohort.rows("val-stop")
    count = min(config.monitor_samples, len(held_out)) if conditions is not None else config.monitor_samples
    if not count or not processes.first:
        return ()
    images, codec = load_images(study), load_codec(study)
    rng = numpy_rng(seed, "monitor")
    some = np.sort(rng.permutation(train)[:MOST_REFERENCES]), np.sort(rng.permutation(held_out)[:MOST_STRANGERS])
    copies = None
    if config.max_match_rate < 1 and len(held_out):
        copies = CopyCheck.fit(np.array(images[some[0]]), np.array(images[some[1]]))
    return (
        Sampler(
            folder / "samples",
            None if conditions is None else np.array(conditions[np.sort(rng.permutation(len(held_out))[:count])]),
            lambda latents: to_uint8(codec.decode(latents)),
            count=count,
            steps=config.monitor_steps,
            copies=copies,
            most=config.max_match_rate,
            device=device,
        ),
    )


def _mirrored(study: Path, folder: Path, processes: World) -> np.ndarray:
    """Latents float32 [n, c, h, w] of the mirrored images, written by the first process."""
    path = folder / "mirrored.npy"
    if processes.first:
        images, codec = load_images(study), load_codec(study)
        shape = codec.encode(to_float(images[:1])).shape[1:]
        with create_array(path, (len(images), *shape), np.float32) as latents:
            for start in range(0, len(images), BLOCK):
                block = to_float(images[start : start + BLOCK, :, :, ::-1])
                latents[start : start + BLOCK] = codec.encode(block).cpu().numpy()
    processes.said_by_first(None)
    return open_array(path)


def _clean(folder: Path) -> None:
    """What only an unfinished stage needs."""
    for checkpoint in folder.glob("checkpoint-*.safetensors"):
        checkpoint.unlink()
    (folder / "mirrored.npy").unlink(missing_ok=True)


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


def load_denoiser(path: Path, device: torch.device) -> Denoiser:
    """The network in `path` (.safetensors, with its .json beside it), in eval mode, weights folded and frozen.

    A missing, broken or unfitting file is an `InputError`.
    """
    sidecar = path.with_suffix(".json")
    network = build_denoiser(build_config(NetworkConfig, read_json(sidecar), where=str(sidecar)), 0)
    tensors, _ = load_tensors(path)
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError:
        raise InputError(
            "The weights do not fit the configuration beside them",
            where=str(path),
            how="delete both and run the diffusion stage again",
        ) from None
    network.precision = pick_precision("auto", device)
    return fold_weights(network.to(device))


def load_models(study: Path, device: torch.device) -> tuple[Denoiser, Denoiser]:
    """The study's (denoiser, guide), ready for sampling (see `load_denoiser`)."""
    folder = study.joinpath(*FOLDER)
    return load_denoiser(folder / "denoiser.safetensors", device), load_denoiser(folder / "guide.safetensors", device)
