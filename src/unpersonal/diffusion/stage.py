"""Stage `diffusion`: latents and conditions in, `models/diffusion/` with denoiser, guide and their history out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..codec.base import to_float, to_uint8
from ..codec.latents import LatentRows
from ..codec.store import load_codec, load_images, load_latent_rows
from ..cohort.table import Cohort, load_cohort
from ..core.config import build_config
from ..core.distributed import World, world
from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.hashing import hash_json
from ..core.seeds import derive_seed, numpy_rng
from ..core.tensors import create_array, load_tensors, open_array, save_tensors
from ..features.blend import Blender, label_groups
from ..features.store import load_conditions, load_parts, noise_scale
from .config import DiffusionConfig, NetworkConfig
from .logbook import FOLDER as LOGS
from .logbook import Logbook
from .monitor import Callback
from .network import Denoiser, build_denoiser, fold_weights, pick_precision
from .pairs import matched_pairs
from .posthoc import Snapshots
from .rows import Rows, RowView
from .samples import MOST_REFERENCES, MOST_STRANGERS, Conditions, CopyCheck, Sampler
from .source_people import check_source_people
from .trainer import Trained, Training, train_denoiser
from .transfer import load_start, start_weights

FOLDER = ("models", "diffusion")
BLOCK = 256
BLENDED = 2
"""People in a condition of the samples that are watched: the least that synthesis blends, the most like a person."""
MOST = {"train": MOST_REFERENCES, "val-stop": MOST_STRANGERS}

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
        noise_scale=None if [kind.noisy for kind in kinds] in ([], [True]) else noise_scale(kinds),
        world=processes,
    )
    both = matched_pairs(
        cohort.subjects,
        label_groups(cohort.targets),
        parts["train"],
        parts["val-stop"],
        config.evaluation_images,
        numpy_rng(seed, "examined"),
    )
    examined = [(RowView(latents, rows), None if conditions is None else RowView(conditions, rows)) for rows in both]
    plain = replace(plain, examined=(examined[0], examined[1]))
    pairs = ((x["train"], c["train"]), (x["val-stop"], c["val-stop"]))
    denoiser = Task("denoiser", *pairs, config, plain)
    start, report = _start(config, denoiser.network(), study, seed)
    denoiser = replace(
        denoiser,
        training=replace(
            plain,
            start=start,
            callbacks=_callbacks(study, folder, cohort, conditions, config, seed, device, processes),
            halfway=config.guide == "earlier",
        ),
    )
    made = _train_and_write(denoiser, study, seed=seed, device=device, start=report)
    figures = _figures(denoiser, made)
    if report is not None:
        known = check_source_people(study, study / config.start_from)
        figures["start"] = {name: report[name] for name in ("source", "sha256", "share", "note")} | {
            "known_people": known
        }
    history = {"denoiser": made.history}
    if config.guide == "earlier":
        images = _write_earlier_self(folder, denoiser, made) if processes.first else 0
        figures |= {"guide_parameters": figures["denoiser_parameters"], "guide_images": images}
    else:
        own: list[Pair] = [(x[part], c[part] if config.guide == "smaller" else None) for part in ("train", "val-stop")]
        bare = None if config.guide == "smaller" else tuple((rows, None) for rows, _ in examined)
        training = plain if bare is None else replace(plain, examined=(bare[0], bare[1]))
        guide = Task("guide", own[0], own[1], config.for_guide(), training)
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
    task.training.world.said_by_first(None)
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
    figures: dict[str, Any] = {
        f"{prefix}_parameters": parameters,
        f"{prefix}_images": int(trained.history[-1]["step"]) * task.config.batch,
        f"{prefix}_loss": trained.history[-1]["loss"],
        f"{prefix}_kept_step": int(kept["step"]),
        f"{prefix}_memorised": bool(kept["memorised"]) if _judged(kept, task.config) else None,
        f"{prefix}_ended_early": trained.stopped or None,
    }
    names = ("train_error", "held_out_error", "gap", "match_rate", "match_rate_lower", "ema_std")
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


def _callbacks(
    study: Path,
    folder: Path,
    cohort: Cohort,
    conditions: np.ndarray | None,
    config: DiffusionConfig,
    seed: int,
    device: torch.device,
    processes: World,
) -> Sequence[Callback]:
    """Samples under blended conditions, as synthesis draws them, on a sheet and compared with the images blended."""
    count = config.monitor_samples
    rng = numpy_rng(seed, "monitor")
    rows = {part: np.sort(rng.permutation(cohort.rows(part))[:most]) for part, most in MOST.items()}
    if not count or not processes.first or not all(len(some) for some in rows.values()):
        return ()
    images, codec = load_images(study), load_codec(study)
    copies = None
    if config.max_match_rate < 1:
        copies = CopyCheck.fit(np.array(images[rows["train"]]), np.array(images[rows["val-stop"]]))
    given = Conditions(None, None)
    if conditions is not None:
        blended = [_blended(study, cohort, conditions, rows[part], config, count, rng) for part in MOST]
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
    study: Path,
    cohort: Cohort,
    conditions: np.ndarray,
    rows: np.ndarray,
    config: DiffusionConfig,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """`count` conditions blended over two people among `rows`; None where nobody shares another's labels."""
    blender = Blender(
        np.array(conditions[rows]),
        cohort.subjects[rows],
        label_groups(cohort.targets[rows]),
        BLENDED,
        config.condition_noise,
        load_parts(study),
        cohort.labelled[rows],
    )
    made = (blender.condition(int(row), rng) for row in rng.permutation(len(rows)).tolist())
    found = [condition for condition in made if condition is not None][:count]
    return np.stack([found[i % len(found)] for i in range(count)]) if found else None


def _mirrored(study: Path, folder: Path, processes: World) -> LatentRows:
    """Latents of the mirrored images, written by the first process: means, and deviations where the codec has them."""
    names = folder / "mirrored.npy", folder / "mirrored_std.npy"
    codec = load_codec(study)
    posterior = getattr(codec, "posterior", None)
    if processes.first:
        images = load_images(study)
        shape = (len(images), *codec.encode(to_float(images[:1])).shape[1:])
        with ExitStack() as stack:
            arrays = [stack.enter_context(create_array(name, shape, np.float32)) for name in names]
            for start in range(0, len(images), BLOCK):
                block = to_float(images[start : start + BLOCK, :, :, ::-1])
                pair = posterior(block) if posterior else (codec.encode(block),)
                for array, values in zip(arrays, pair, strict=False):
                    array[start : start + BLOCK] = values.cpu().numpy()
    processes.said_by_first(None)
    return LatentRows(open_array(names[0]), open_array(names[1]) if posterior else None)


def _clean(folder: Path) -> None:
    """What only an unfinished stage needs."""
    for checkpoint in folder.glob("checkpoint-*.safetensors"):
        checkpoint.unlink()
    for mirrored in folder.glob("mirrored*.npy"):
        mirrored.unlink()


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
