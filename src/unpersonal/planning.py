"""What a run would need, said before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .codec.base import Plan
from .codec.registry import CODECS
from .cohort.table import Cohort, load_cohort
from .core.distributed import world
from .core.errors import InputError
from .core.tensors import open_array
from .features.registry import CONDITIONS
from .features.store import load_conditions

if TYPE_CHECKING:
    import torch

    from .diffusion.config import DiffusionConfig
    from .diffusion.memory import Pictures
    from .study import Study


FLOAT, WEIGHT = 4, 16
"""Bytes of a value, and of a weight with its gradient and the means of the optimiser."""
MAPS = 100
"""Maps of activations, and kernels of weights, of each channel and block of a network, counted high."""


def latent_shape(study: Study, assumed: list[str]) -> tuple[int, int, int]:
    """(c, h, w) of the study's latents: as they are stored, or as its configuration says they will be.

    What had to be assumed for that is added to `assumed`, a sentence each.
    """
    stored = study.path / "store" / "latents.npy"
    if stored.is_file():
        c, h, w = open_array(stored).shape[1:]
        return int(c), int(h), int(w)
    config = study.config.codec
    return CODECS.get(config.name).latent_shape(config.part_config(), plan_of(study, assumed))


def plan_of(study: Study, assumed: list[str]) -> Plan:
    """The study's images as they will be."""
    return Plan(study.path, study.config.images.size, _cohort(study), assumed)


def condition_length(study: Study, assumed: list[str]) -> int:
    """Length of a condition: as stored, else at most what the configuration allows.

    What had to be assumed is added to `assumed`.
    """
    try:
        conditions = load_conditions(study.path)
    except InputError:
        config, cohort = study.config.features, _cohort(study)
        lengths = (CONDITIONS.get(n).length(config.part_config(n), cohort, assumed) for n in config.components)
        return sum(lengths)
    return 0 if conditions is None else int(conditions.shape[1])


def _cohort(study: Study) -> Cohort | None:
    return load_cohort(study.path) if (study.path / "cohort.parquet").is_file() else None


def pictures(study: Study, assumed: list[str]) -> Pictures:
    """What the samples that are drawn in training become; the decoder where the codec is a network."""
    from .diffusion.copy_check import MOST_REFERENCES, MOST_STRANGERS
    from .diffusion.memory import Pictures
    from .diffusion.watch import STRANGERS

    config, plan = study.config.codec, plan_of(study, assumed)
    enrolled = MOST_REFERENCES + MOST_STRANGERS
    if plan.cohort is not None:
        train, held_out = (len(plan.cohort.rows(name)) for name in ("train", STRANGERS))
        enrolled = min(train, MOST_REFERENCES) + min(held_out, MOST_STRANGERS)
    decoder = CODECS.get(config.name).network(config.part_config(), plan)
    return Pictures((plan.channels, plan.size, plan.size), enrolled, decoder)


def _invented(config: DiffusionConfig, name: str) -> int:
    """Images of invented people that the network `name` begins with; the second shard takes over the first's start."""
    from .diffusion.invented import budget

    return budget(config, name.partition("-")[0]) if config.invented and not name.endswith("-1") else 0


def memory_of(device: torch.device) -> int:
    """Bytes of memory that `device` has in all."""
    import os

    import torch

    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refuse_training(study: Study) -> None:
    """`InputError` where no device of this size can train the study's networks, whose training has not begun yet.

    Nothing is said where the needs are not known before the stages that come first have run.
    """
    if study.context.record("diffusion") is not None or world().size > 1 or _surely_fits(study):
        return
    try:
        needs = training_needs(study)
    except InputError:
        return
    memory = needs["memory_bytes"]
    for name, need in needs["networks"].items():
        if need["peak_bytes"] > memory:
            fits = need["per_process"] * memory // need["peak_bytes"]
            raise InputError(
                f"Training the {name} takes about {need['peak_bytes'] / 2**30:,.1f} GiB of memory, and this device "
                f"({needs['device']}) has {memory / 2**30:,.1f} GiB",
                where=f"[diffusion] of {study.path}",
                how=f"about {fits} images a process fit: raise accumulation, lower batch, or make the network smaller",
            )


def _surely_fits(study: Study) -> bool:
    """Whether training is so small that nobody need reckon: activations and weights counted far too high still fit."""
    config, pixels = study.config.diffusion, study.config.images.size**2
    activations = config.batch * pixels * config.model_channels * config.num_blocks * MAPS * FLOAT
    weights = config.num_blocks * config.model_channels**2 * MAPS * WEIGHT
    return activations + weights < memory_of(study.context.device) // 4


def training_needs(study: Study) -> dict[str, Any]:
    """Parameters, steps and peak memory of the denoiser and the guide, and how many candidates at most are drawn.

    `assumed` says what these figures rest on that is not known yet; `memory_bytes` is what the device has. All are of
    one generator; `generators` is how many are trained one after the other.
    """
    from .core.device import pick_device
    from .diffusion.memory import training_memory
    from .diffusion.network import pick_precision
    from .diffusion.shards import half_budget
    from .swap_studies import GENERATORS

    config, processes = study.config.diffusion, world()
    device = pick_device(study.device_name)
    precision = pick_precision(config.precision, device)
    assumed: list[str] = []
    shape, length = latent_shape(study, assumed), condition_length(study, assumed)
    drawn = pictures(study, assumed)
    if config.shards > 1:
        config = half_budget(config)
    networks = {f"denoiser{suffix}": (config, length) for suffix in config.networks}
    if config.guide != "earlier":
        # no samples are drawn from the guide, but the decoder stays where it was
        guide = config.for_guide().model_copy(update={"monitor_samples": 0})
        for suffix in config.networks:
            networks[f"guide{suffix}"] = (guide, length if config.guide == "smaller" else 0)
    assumed = list(dict.fromkeys(assumed))
    found = {}
    for name, (settings, label_dim) in networks.items():
        memory = training_memory(
            settings.network(shape, label_dim),
            settings,
            precision=precision,
            device=device,
            processes=processes.size,
            pictures=drawn,
        )
        found[name] = {
            "parameters": memory.parameters,
            "images": settings.images,
            "steps": -(-settings.images // settings.batch),
            "invented_images": _invented(config, name),
            "precision": precision,
            "per_process": settings.batch // (processes.size * settings.accumulation),
            "states_bytes": memory.states,
            "activations_bytes": memory.activations,
            "peak_bytes": memory.peak,
        }
    synthesis = study.config.synthesis
    cohort = _cohort(study)
    sources = synthesis.lending(0 if cohort is None else len(cohort.rows("train")))
    return {
        "networks": found,
        "device": str(device),
        "memory_bytes": memory_of(device),
        "assumed": assumed,
        "evaluations": synthesis.evaluations,
        "most_candidates": synthesis.planned(sources) * synthesis.candidates * synthesis.attempts,
        "generators": GENERATORS if study.config.audit.design == "swap" else 1,
    }
