"""What a run would need, said before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .cohort.table import Cohort, load_cohort
from .core.distributed import world
from .core.errors import InputError
from .core.tensors import open_array
from .features.store import load_conditions

if TYPE_CHECKING:
    from .study import Study


def latent_shape(study: Study) -> tuple[int, int, int]:
    """(c, h, w) of the study's latents: as they are stored, or as its configuration says they will be."""
    stored = study.path / "store" / "latents.npy"
    if stored.is_file():
        c, h, w = open_array(stored).shape[1:]
        return int(c), int(h), int(w)
    config = study.config.codec
    if config.kind == "patch":
        return config.components, config.size // config.patch, config.size // config.patch
    if config.kind == "kl":
        return config.latent_channels, config.size >> config.levels, config.size >> config.levels
    if config.kind == "pixel":
        cohort = _cohort(study)
        return 3 if cohort is not None and cohort.colour else 1, config.size, config.size
    raise InputError(
        f"The latents of {config.kind!r} are not known yet",
        where="[codec] kind",
        how="run the study until the stage encode first",
    )


def condition_length(study: Study) -> int:
    """Length of a condition: as stored, else at most what the configuration allows."""
    try:
        conditions = load_conditions(study.path)
    except InputError:
        config, cohort = study.config.features, _cohort(study)
        labels = len(cohort.classes) if cohort is not None else 1
        lengths = {"feature": config.dimensions, "label": labels + 1, "text": config.text_dimensions}
        return sum(lengths[part] for part in config.parts)
    return 0 if conditions is None else int(conditions.shape[1])


def _cohort(study: Study) -> Cohort | None:
    return load_cohort(study.path) if (study.path / "cohort.parquet").is_file() else None


def training_needs(study: Study) -> dict[str, Any]:
    """Parameters, steps and peak memory of the denoiser and the guide, and how many candidates at most are drawn."""
    from .core.device import pick_device
    from .diffusion.memory import training_memory
    from .diffusion.network import pick_precision

    config, processes = study.config.diffusion, world()
    device = pick_device(study.device_name)
    precision = pick_precision(config.precision, device)
    shape, length = latent_shape(study), condition_length(study)
    networks = {"denoiser": (config, length)}
    if config.guide != "earlier":
        networks["guide"] = (config.for_guide(), length if config.guide == "smaller" else 0)
    found = {}
    for name, (settings, label_dim) in networks.items():
        memory = training_memory(
            settings.network(shape, label_dim), settings, precision=precision, device=device, processes=processes.size
        )
        found[name] = {
            "parameters": memory.parameters,
            "images": settings.images,
            "steps": -(-settings.images // settings.batch),
            "precision": precision,
            "per_process": settings.batch // (processes.size * settings.accumulation),
            "states_bytes": memory.states,
            "activations_bytes": memory.activations,
            "peak_bytes": memory.peak,
        }
    synthesis = study.config.synthesis
    per_source = synthesis.candidates * synthesis.attempts
    cohort = _cohort(study)
    sources = synthesis.sources or (0 if cohort is None else len(cohort.rows("train")))
    return {
        "networks": found,
        "device": str(device),
        "evaluations": synthesis.evaluations,
        "most_candidates": sources * per_source,
    }
