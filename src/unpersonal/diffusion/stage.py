"""Stage `diffusion`: latents and conditions in, `models/diffusion/` with denoiser, guide and their history out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..cohort.table import Cohort
from ..core.distributed import world
from ..core.errors import InputError
from ..core.files import write_json
from ..core.hashing import hash_json
from ..core.seeds import derive_seed
from ..metrics.exceedances import POWER
from .augmented import Shown, augmented_latents
from .canaries import include_canaries
from .config import PHANTOM, DiffusionConfig
from .figures import DiffusionFigures, StartFigures
from .inputs import HELD_OUT, Inputs, joined
from .invented import budget, invented_weights, kind_of
from .mirrored import mirrored_latents
from .models import FOLDER
from .network import Denoiser
from .origin_subjects import check_origin_subjects, shared_train, was_mirrored, why_unknown
from .privacy import prepare_privacy, privacy_spent
from .private import Privacy
from .rows import Rows
from .shards import both, check_shards, cohort_of_shard, half_budget, remove_others, shard_of_rows, write_shards
from .task import Task, kept_row, train_and_write, write_earlier_self
from .trainer import Trained, Training
from .transfer import Transfer, load_start, start_weights
from .watch import sample_watch

INVENTED = "Training began with images of invented people: procedural drawings, which show nobody."


def run_stage(
    study: Path, config: DiffusionConfig, *, seed: int, device: torch.device, canaries: int = 0
) -> DiffusionFigures:
    """Train the denoiser under its conditions, then the guide, and say how both were trained.

    Reads the latents, the conditions and the cohort (its subsets `train` and `val-stop`); writes
    `denoiser.safetensors`, `guide.safetensors`, a `.json` with the network's configuration beside each,
    `history.json`, `samples/`, with `ema_profiles` also `snapshots/`, and for eyes only `logs/` of the study. Every
    process of a `torchrun` calls it; the first alone writes. So many `canaries` are drawn for the audit, see
    `canaries.py`.
    """
    folder, processes = study.joinpath(*FOLDER), world()
    config = config.as_private() if config.dp_epsilon else config
    inputs = Inputs.load(study, config)
    parts: list[tuple[str, Inputs, DiffusionConfig]] = []
    if config.shards > 1:
        check_shards(inputs.components, canaries, private=config.dp_epsilon > 0)
        _refuse_known_people(study, config)
        dealt = shard_of_rows(study, inputs.cohort, seed)
        if processes.first:
            write_shards(study, dealt)
        for shard, suffix in enumerate(config.networks):
            own = replace(inputs, cohort=cohort_of_shard(inputs.cohort, dealt, shard))
            parts.append((suffix, own, half_budget(config)))
    else:
        inputs = replace(inputs, canaries=include_canaries(study, inputs.cohort, canaries, seed, device))
        parts.append(("", inputs, config))
    privacy = prepare_privacy(study, config, inputs.cohort.subjects[inputs.cohort.rows("train")])
    history: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    report: dict[str, Any] | None = None
    for suffix, own, settings in parts:
        rows, found, report = _train(study, own, settings, suffix, privacy, seed=seed, device=device)
        history |= rows
        figures = both(figures, found) if figures else found
    if processes.first:
        write_json(folder / "history.json", history)
        _clean(folder)
        remove_others(folder, config.shards > 1)
    return DiffusionFigures(
        horizontal_flip=_saw_mirrors(study, config),
        start=_start_figures(study, config, report, inputs.cohort),
        shards=config.shards if config.shards > 1 else None,
        **figures,
    )


def _train(
    study: Path,
    inputs: Inputs,
    config: DiffusionConfig,
    suffix: str,
    privacy: Privacy | None,
    *,
    seed: int,
    device: torch.device,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]:
    """Train a denoiser and its guide, whose names end with `suffix`: histories, figures, and what it started with."""
    folder, processes = study.joinpath(*FOLDER), world()
    common = replace(_common(study, inputs, config, seed, device), privacy=privacy)
    denoiser = Task(f"denoiser{suffix}", inputs.subset("train"), inputs.subset(HELD_OUT), config, common)
    start = _start(config, denoiser, study)

    def invented(name: str, task: Task) -> dict[str, torch.Tensor] | None:
        if not config.invented:
            return None
        # both shards begin with the same invented people: there is nobody to be kept apart
        return invented_weights(
            study,
            name,
            task.network(),
            task.config,
            inputs.cohort,
            images=budget(config, name),
            seed=seed,
            device=device,
            processes=processes,
        )

    began = invented("denoiser", denoiser)
    if start is not None:
        began = start_weights(start, denoiser.network(), _weights_seed(seed))
    sheets = folder / f"shard{suffix}" if suffix else folder
    denoiser = replace(
        denoiser,
        training=replace(
            common,
            start=began,
            callbacks=sample_watch(study, sheets, inputs, config, seed=seed, device=device, processes=processes),
            halfway=config.guide == "earlier",
        ),
    )
    report = None if start is None else start.report
    trained = train_and_write(denoiser, study, seed=seed, device=device, start=report)
    history = {denoiser.name: trained.history}
    figures = _figures("denoiser", denoiser, trained)
    if config.guide == "earlier":
        images = write_earlier_self(folder, denoiser, trained, f"guide{suffix}") if processes.first else 0
        figures |= {"guide_parameters": figures["denoiser_parameters"], "guide_images": images}
    else:
        guide = _guide(inputs, config, common, seed, suffix)
        guide = replace(guide, training=replace(guide.training, start=invented("guide", guide)))
        trained = train_and_write(guide, study, seed=seed, device=device)
        history[guide.name] = trained.history
        figures |= _figures("guide", guide, trained)
    if privacy is not None:
        spent = privacy_spent(privacy, config, (int(rows[-1]["step"]) for rows in history.values()))
        figures |= {"epsilon": spent.epsilon, "delta": spent.delta, "privacy": spent}
    return history, figures, report


def _refuse_known_people(study: Path, config: DiffusionConfig) -> None:
    """`InputError` where training starts from a model of train people: both shards would begin with all of them."""
    if config.source and (shared := shared_train(study, study / config.source)):
        raise InputError(
            f"The model that training starts from knows people of {shared} train images: no shard would be a stranger",
            where="[diffusion] shards",
            how="start from a model of other people or from none, or set it to 1",
        )


def _common(study: Path, inputs: Inputs, config: DiffusionConfig, seed: int, device: torch.device) -> Training:
    """What the trainings of both networks have."""
    processes, canaries = world(), inputs.canaries
    flipped: Rows | None = None
    if config.horizontal_flip:
        rows = inputs.cohort.rows("train")
        flipped = mirrored_latents(study, study.joinpath(*FOLDER), rows, device, processes)
        flipped = joined(flipped, None if canaries is None else canaries.mirrored)
    shown = Shown(inputs.cohort.rows("train"), None if canaries is None else canaries.images)
    return Training(
        flipped=flipped,
        augmented=augmented_latents(
            study, study.joinpath(*FOLDER), shown, config, seed=seed, device=device, processes=processes
        ),
        ambient=inputs.ambient(config.ambient_clean, seed) if config.ambient_sigma else None,
        noise_scale=inputs.noise_scale,
        world=processes,
        examined=inputs.examined(config.evaluation_images, seed),
    )


def _start(config: DiffusionConfig, denoiser: Task, study: Path) -> Transfer | None:
    """What the denoiser takes over, where the configuration names a checkpoint to start from."""
    if not config.source:
        return None
    check_origin_subjects(study, study / config.source)  # refuses before hours of training
    return load_start(study / config.source, denoiser.network())


def _weights_seed(seed: int) -> int:
    """Of the weights that a checkpoint to start from does not hold: the one that a training without it has."""
    return derive_seed(seed, "denoiser", "weights")


def _guide(inputs: Inputs, config: DiffusionConfig, common: Training, seed: int, suffix: str) -> Task:
    """The training of a guide of its own: `smaller` is told conditions, `uncond` is not, nor when it is examined."""
    told = config.guide == "smaller"
    train, held_out = (inputs.subset(name, conditioned=told) for name in ("train", HELD_OUT))
    examined = inputs.examined(config.evaluation_images, seed, conditioned=told)
    return Task(f"guide{suffix}", train, held_out, config.for_guide(), replace(common, examined=examined))


def _figures(prefix: str, task: Task, trained: Trained) -> dict[str, Any]:
    """Figures of one network, named after its part: its size, its training, its errors."""
    kept = kept_row(trained.history)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in Denoiser(task.network()).parameters())
    images = int(trained.history[-1]["step"]) * task.config.batch
    figures: dict[str, Any] = {
        f"{prefix}_parameters": parameters,
        f"{prefix}_images": images,
        f"{prefix}_loss": trained.history[-1]["loss"],
        f"{prefix}_kept_step": int(kept["step"]),
        f"{prefix}_memorised": bool(kept["memorised"]) or (False if _was_examined(prefix, kept, task.config) else None),
        f"{prefix}_kept_images": int(kept["step"]) * task.config.batch,
        f"{prefix}_ended_early": (trained.stopped or None) if images < task.config.images else None,
    }
    rates = ("match_rate", "match_rate_lower", "match_rate_upper", "match_power")
    names = ("train_error", "held_out_error", "gap", "gap_lower", "gap_upper", *rates, "ema_std")
    figures |= {f"{prefix}_{name}": kept[name] for name in names if name in kept}
    return figures | ({f"{prefix}_gap_told": bool(kept["gap_told"])} if "gap_told" in kept else {})


def _was_examined(prefix: str, row: dict[str, float], config: DiffusionConfig) -> bool:
    """Whether memorisation was looked for at all: with nobody held out, or all limits off, nothing can be said.

    Nor by samples among which as many matches as must be noticed would hardly be, nor of a guide with conditions, of
    which none are drawn, by a gap whose interval does not tell.
    """
    if row.get("match_power", 0.0) >= POWER:
        return True
    tells = row.get("gap_told") == 1.0 if prefix == "guide" and config.guide == "smaller" else "gap_lower" in row
    return config.max_gap > 0 and tells


def _saw_mirrors(study: Path, config: DiffusionConfig) -> bool | None:
    """Whether the denoiser, or the model it started from, was trained on mirrored images; None where nobody knows."""
    if config.horizontal_flip or not config.source:
        return config.horizontal_flip
    return was_mirrored(study / config.source)


def _start_figures(
    study: Path, config: DiffusionConfig, report: dict[str, Any] | None, cohort: Cohort
) -> StartFigures | None:
    """What is told of the checkpoint that training started from, and whether, or why not, its subjects are known."""
    if config.invented:
        kind = kind_of(config, cohort)
        recipe = hash_json([kind, config.phantom_images, config.model_dump(mode="json")])
        return StartFigures(
            source=PHANTOM,
            sha256=recipe,
            share=1.0,
            note=INVENTED,
            known_people=True,
            invented=kind,
            invented_images=config.phantom_images,
        )
    if report is None:
        return None
    doubt = why_unknown(study, study / config.source)
    told = {name: report[name] for name in ("source", "sha256", "share", "note")}
    return StartFigures(**told, known_people=doubt is None, why_unknown=doubt)


def _clean(folder: Path) -> None:
    """Remove what only an unfinished stage needs."""
    for checkpoint in folder.glob("checkpoint-*.safetensors"):
        checkpoint.unlink()
    for changed in (*folder.glob("mirrored-*"), *folder.glob("augmented-*")):
        shutil.rmtree(changed)
