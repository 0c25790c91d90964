"""Stage `diffusion`: latents and conditions in, `models/diffusion/` with denoiser, guide and their history out."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..codec.latents import LatentRows, Mirrored, open_mirrored, write_mirrored
from ..codec.store import load_codec, load_images
from ..core.config import build_config
from ..core.distributed import World, world
from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.hashing import hash_json, sha256_file
from ..core.pixels import to_uint8
from ..core.progress import console
from ..core.seeds import derive_seed, numpy_rng
from ..core.tensors import load_tensors, save_tensors
from ..features.blend import Blender, known_groups
from ..metrics.intervals import clopper_pearson_lower
from .config import DiffusionConfig, NetworkConfig
from .inputs import HELD_OUT, Inputs, Pair
from .logbook import FOLDER as LOGS
from .logbook import Logbook
from .monitor import Callback
from .network import Denoiser, build_denoiser, fold_weights, pick_precision
from .posthoc import Snapshots
from .rows import Rows
from .samples import MOST_REFERENCES, MOST_STRANGERS, Conditions, CopyCheck, Sampler
from .source_people import check_source_people, was_mirrored, why_unknown
from .trainer import Trained, Training, train_denoiser
from .transfer import load_start, start_weights

FOLDER = ("models", "diffusion")
BLENDED = 2
"""People in a condition of the samples that are watched: the least that synthesis blends, the most like a person."""
MOST = {"train": MOST_REFERENCES, HELD_OUT: MOST_STRANGERS}


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
    inputs = Inputs.load(study, config)
    plain = Training(
        flipped=_flipped(study, folder, inputs, config, device, processes),
        noise_scale=inputs.noise_scale,
        world=processes,
        examined=inputs.examined(config.evaluation_images, seed),
    )
    denoiser = Task("denoiser", inputs.part("train"), inputs.part(HELD_OUT), config, plain)
    start, report = _start(config, denoiser.network(), study, seed)
    training = replace(
        plain,
        start=start,
        callbacks=_callbacks(study, folder, inputs, config, seed, device, processes),
        halfway=config.guide == "earlier",
    )
    denoiser = replace(denoiser, training=training)
    made = _train_and_write(denoiser, study, seed=seed, device=device, start=report)
    figures = _figures(denoiser, made) | {"horizontal_flip": _saw_mirrors(study, config)}
    if report is not None:
        figures["start"] = _start_figures(report, why_unknown(study, study / config.start_from))
    history = {"denoiser": made.history}
    if config.guide == "earlier":
        images = _write_earlier_self(folder, denoiser, made) if processes.first else 0
        figures |= {"guide_parameters": figures["denoiser_parameters"], "guide_images": images}
    else:
        guide = _guide(inputs, config, plain, seed)
        made = _train_and_write(guide, study, seed=seed, device=device)
        figures |= _figures(guide, made)
        history["guide"] = made.history
    if processes.first:
        write_json(folder / "history.json", history)
        _clean(folder)
    return figures


def _saw_mirrors(study: Path, config: DiffusionConfig) -> bool | None:
    """Whether the denoiser, or the model it started from, was trained on mirrored images; None where nobody knows."""
    if config.horizontal_flip or not config.start_from:
        return config.horizontal_flip
    return was_mirrored(study / config.start_from)


def _guide(inputs: Inputs, config: DiffusionConfig, plain: Training, seed: int) -> Task:
    """The training of a guide of its own: `smaller` is told conditions, `uncond` is not, nor when it is examined."""
    told = config.guide == "smaller"
    train, held_out = (inputs.part(part, conditioned=told) for part in ("train", HELD_OUT))
    examined = inputs.examined(config.evaluation_images, seed, conditioned=told)
    return Task("guide", train, held_out, config.for_guide(), replace(plain, examined=examined))


def _train_and_write(
    task: Task, study: Path, *, seed: int, device: torch.device, start: dict[str, Any] | None = None
) -> Trained:
    """Train one network and write its weights and configuration."""
    folder, config = study.joinpath(*FOLDER), task.config
    network = task.network()
    # the checkpoint of other data, settings or seeds must never be continued
    contents = [_content(rows) for rows in (*task.train, *task.held_out, task.training.flipped)]
    processes = task.training.world.size if config.dropout else 1  # dropout alone differs with their number
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
            trained = _searched(task, trained, snapshots)
        _write_network(folder, task.name, trained.weights, network)
        if start is not None:
            write_json(folder / f"{task.name}.start.json", start)
    task.training.world.broadcast(None)
    return trained


def _searched(task: Task, trained: Trained, snapshots: Snapshots) -> Trained:
    """The width of average that has the least held-out error at the step that was kept, if it does not memorise.

    The kept row of the history then has the figures of that width, and the errors of all.
    """
    kept = _kept(trained.history)
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


def _write_earlier_self(folder: Path, task: Task, trained: Trained) -> int:
    """Write as guide the denoiser as it was after its share of the images it was kept at; returns its images.

    Always before the weights that are kept: a guide that equals them would guide nowhere.
    """
    config = task.config
    kept = int(_kept(trained.history)["step"]) * config.batch
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
    _write_network(folder, "guide", weights, task.network())
    return images


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
    images = int(trained.history[-1]["step"]) * task.config.batch
    figures: dict[str, Any] = {
        f"{prefix}_parameters": parameters,
        f"{prefix}_images": images,
        f"{prefix}_loss": trained.history[-1]["loss"],
        f"{prefix}_kept_step": int(kept["step"]),
        f"{prefix}_memorised": bool(kept["memorised"]) if _judged(kept, task.config) else None,
        f"{prefix}_kept_images": int(kept["step"]) * task.config.batch,
        f"{prefix}_ended_early": (trained.stopped or None) if images < task.config.images else None,
    }
    names = ("train_error", "held_out_error", "gap", "match_rate", "match_rate_lower", "match_rate_upper", "ema_std")
    return figures | {f"{prefix}_{name}": kept[name] for name in names if name in kept}


def _judged(row: dict[str, float], config: DiffusionConfig) -> bool:
    """Whether memorisation was looked for at all: with nobody held out, or all limits off, nothing can be said."""
    return "match_rate" in row or (config.max_gap > 0 and "gap_lower" in row)


def _start(
    config: DiffusionConfig, network: NetworkConfig, study: Path, seed: int
) -> tuple[dict[str, torch.Tensor] | None, dict[str, Any] | None]:
    """Weights to start from and what was taken over, where the configuration names a checkpoint."""
    if not config.start_from:
        return None, None
    check_source_people(study, study / config.start_from)  # refuses before hours of training
    transfer = load_start(study / config.start_from, network)
    return start_weights(transfer, network, derive_seed(seed, "denoiser", "weights")), transfer.report


def _start_figures(report: dict[str, Any], doubt: str | None) -> dict[str, Any]:
    """What is told of the checkpoint that training started from, and whether, or why not, its people are known."""
    told = {name: report[name] for name in ("source", "sha256", "share", "note")}
    return told | {"known_people": doubt is None} | ({} if doubt is None else {"why_unknown": doubt})


def _callbacks(
    study: Path,
    folder: Path,
    inputs: Inputs,
    config: DiffusionConfig,
    seed: int,
    device: torch.device,
    processes: World,
) -> Sequence[Callback]:
    """Samples under blended conditions, as synthesis draws them, on a sheet and compared with the images blended."""
    count, cohort, conditions = config.monitor_samples, inputs.cohort, inputs.conditions
    rng = numpy_rng(seed, "monitor")
    rows = {part: np.sort(rng.permutation(cohort.rows(part))[:most]) for part, most in MOST.items()}
    if not count or not processes.first or not all(len(some) for some in rows.values()):
        return ()
    images, codec = load_images(study), load_codec(study)
    copies = None
    # a check that no number of matches could fail is none, and must not pass for one
    if clopper_pearson_lower(count, count) > config.max_match_rate:
        copies = CopyCheck.fit(np.array(images[rows["train"]]), np.array(images[rows[HELD_OUT]]))
    given = Conditions(None, None)
    if conditions is not None:
        blended = [_blended(inputs, rows[part], config, count, rng) for part in MOST]
        if blended[0] is None:
            return ()
        given = Conditions(*blended)
    return (
        Sampler(
            folder / "samples",
            given,
            lambda latents: to_uint8(codec.decode(latents)),
            count=count,
            steps=config.monitor_steps,
            copies=copies,
            most=config.max_match_rate,
            device=device,
        ),
    )


def _blended(
    inputs: Inputs, rows: np.ndarray, config: DiffusionConfig, count: int, rng: np.random.Generator
) -> np.ndarray | None:
    """`count` conditions blended over two people among `rows`; None where nobody shares another's labels."""
    assert inputs.conditions is not None
    cohort = inputs.cohort
    blender = Blender(
        np.array(inputs.conditions[rows]),
        cohort.subjects[rows],
        # people whom nobody labelled are blended with each other, as they are trained on
        known_groups(cohort.targets[rows], cohort.labelled[rows]),
        BLENDED,
        config.condition_noise,
        inputs.components,
    )
    made = (blender.condition(int(row), rng) for row in rng.permutation(len(rows)).tolist())
    found = [condition for condition in made if condition is not None][:count]
    return np.stack([found[i % len(found)] for i in range(count)]) if found else None


def _flipped(
    study: Path, folder: Path, inputs: Inputs, config: DiffusionConfig, device: torch.device, processes: World
) -> Rows | None:
    """Latents of the mirrored train images, where the configuration asks for them; says what that means."""
    if not config.horizontal_flip:
        return None
    if processes.first:
        console.print("horizontal_flip = true: nothing that this model draws can be released (docs/threat-model.md)")
    return _mirrored(study, folder, inputs.cohort.rows("train"), device, processes)


def _mirrored(study: Path, folder: Path, rows: np.ndarray, device: torch.device, processes: World) -> LatentRows:
    """Latents of the mirrored images `rows`, one for each in their order, written by the first process."""
    codec, name = load_codec(study), ""
    if processes.first:
        images = Mirrored(load_images(study), rows)
        # what belongs to other images or to another codec must never be continued
        files = [sha256_file(path) for path in sorted((study / "store").glob("codec.*"))]
        name = f"mirrored-{hash_json([files, images.content()])[:16]}"
        write_mirrored(folder / name, images, codec, device)
    return open_mirrored(folder / str(processes.broadcast(name)), codec)


def _clean(folder: Path) -> None:
    """What only an unfinished stage needs."""
    for checkpoint in folder.glob("checkpoint-*.safetensors"):
        checkpoint.unlink()
    for mirrored in folder.glob("mirrored-*"):
        shutil.rmtree(mirrored)


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
