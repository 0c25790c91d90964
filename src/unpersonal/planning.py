"""What a run would need, said before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .codec.config import VAE
from .cohort.table import Cohort, load_cohort
from .core.distributed import world
from .core.errors import InputError
from .core.files import read_json
from .core.tensors import open_array
from .features.conditions import label_codes
from .features.store import load_conditions

if TYPE_CHECKING:
    import torch

    from .codec.autoencoder import Network
    from .diffusion.memory import Pictures
    from .study import Study


def latent_shape(study: Study, assumed: list[str]) -> tuple[int, int, int]:
    """(c, h, w) of the study's latents: as they are stored, or as its configuration says they will be.

    What had to be assumed for that is added to `assumed`, a sentence each.
    """
    stored = study.path / "store" / "latents.npy"
    if stored.is_file():
        c, h, w = open_array(stored).shape[1:]
        return int(c), int(h), int(w)
    config, size = study.config.codec, study.config.images.size
    if config.kind == "patch":
        return config.components, size // config.patch, size // config.patch
    if config.kind == "kl":
        return config.latent_channels, size >> config.levels, size >> config.levels
    if config.kind == "pixel":
        return _channels(study, assumed), size, size
    from .codec.vae import latent_size

    return latent_size(autoencoder_config(study, assumed), size)


def autoencoder_config(study: Study, assumed: list[str]) -> dict[str, Any]:
    """Configuration of the `vae:` autoencoder: the study's copy, the folder's or the hub cache's, else the usual one.

    Nothing is fetched. That the usual one stands in, and why, is added to `assumed`.
    """
    from .codec.vae import ASSUMED, config_at_hand

    copied = study.path / "store" / "codec.json"
    facts = read_json(copied) if copied.is_file() else {}
    if facts.get("kind") == "vae":
        return dict(facts["config"])
    kind, reason = study.config.codec.kind, "it is not on this disk yet"
    try:
        found = config_at_hand(kind, study.path)
        if found is not None:
            return found
    except InputError as error:
        reason = error.what
    assumed.append(f"latents of 4 channels and an eighth of the edge, as Stable Diffusion's: of {kind} {reason}")
    return ASSUMED


def condition_length(study: Study, assumed: list[str]) -> int:
    """Length of a condition: as stored, else at most what the configuration allows.

    Label codes are counted as `features.conditions` makes them: up to C + 2 columns for C classes. What had to be
    assumed is added to `assumed`.
    """
    try:
        conditions = load_conditions(study.path)
    except InputError:
        config, cohort = study.config.features, _cohort(study)
        labels = 0
        if "label" in config.parts and cohort is not None:
            labels = label_codes(cohort.targets, cohort.labelled).shape[1]
        elif "label" in config.parts:
            labels = 3
            assumed.append("label codes of 3 columns, as of one class: the cohort is not read yet")
        lengths = {"feature": config.dimensions, "label": labels, "text": config.text_dimensions}
        return sum(lengths[part] for part in config.parts)
    return 0 if conditions is None else int(conditions.shape[1])


def _cohort(study: Study) -> Cohort | None:
    return load_cohort(study.path) if (study.path / "cohort.parquet").is_file() else None


def _channels(study: Study, assumed: list[str]) -> int:
    cohort = _cohort(study)
    if cohort is None:
        assumed.append("grey images: the cohort is not read yet")
    return 3 if cohort is not None and cohort.colour else 1


def pictures(study: Study, assumed: list[str]) -> Pictures:
    """What the samples that are drawn in training become; the decoder where the codec is a network."""
    import torch

    from .codec import kl, vae
    from .diffusion.memory import Pictures
    from .diffusion.samples import MOST_REFERENCES

    config, size = study.config.codec, study.config.images.size
    channels, cohort = _channels(study, assumed), _cohort(study)
    train = MOST_REFERENCES if cohort is None else len(cohort.rows("train"))
    decoder: Network | None = None
    if config.kind == "kl":
        with torch.device("meta"):
            decoder = kl.network_of({**kl.kl_facts(config), "channels": channels}, "[codec]")
    elif config.kind.startswith(VAE):
        try:
            decoder = vae.shape_of(autoencoder_config(study, assumed))
        except InputError as error:
            assumed.append(f"no memory for the autoencoder: {error.what}")
    return Pictures((channels, size, size), min(train, MOST_REFERENCES), decoder)


def memory_of(device: torch.device) -> int:
    """Bytes of memory that `device` has in all."""
    import os

    import torch

    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def training_needs(study: Study) -> dict[str, Any]:
    """Parameters, steps and peak memory of the denoiser and the guide, and how many candidates at most are drawn.

    `assumed` says what these figures rest on that is not known yet; `memory_bytes` is what the device has.
    """
    from .core.device import pick_device
    from .diffusion.memory import training_memory
    from .diffusion.network import pick_precision

    config, processes = study.config.diffusion, world()
    device = pick_device(study.device_name)
    precision = pick_precision(config.precision, device)
    assumed: list[str] = []
    shape, length = latent_shape(study, assumed), condition_length(study, assumed)
    drawn = pictures(study, assumed)
    networks = {"denoiser": (config, length)}
    if config.guide != "earlier":
        # no samples are drawn from the guide, but the decoder stays where it was
        guide = config.for_guide().model_copy(update={"monitor_samples": 0})
        networks["guide"] = (guide, length if config.guide == "smaller" else 0)
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
        "memory_bytes": memory_of(device),
        "assumed": assumed,
        "evaluations": synthesis.evaluations,
        "most_candidates": sources * per_source,
    }
