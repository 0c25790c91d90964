"""Transfer: training that starts from the weights of another network instead of from random ones.

Parameters are matched by name and shape (names are those of the public EDM2 checkpoints). A layer that has no match
keeps the seeded random weights of a new network, and with it whatever has a meaning only together with it: the gain of
a re-initialised layer, the Fourier features in front of one. Nothing is rescaled: a magnitude-preserving layer (arXiv
2312.02696, equation 47) normalises its weight at every use, so that loaded weights serve as they are.

Where the latents of the two networks differ in size, levels are matched from the finest down: a level's weights do not
depend on its size, only its name does.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoints.pickles import CONVERT
from ..checkpoints.read import locate, read_checkpoint
from ..core.errors import InputError
from ..core.files import read_json
from ..core.hashing import sha256_file
from .config import NetworkConfig
from .network import Denoiser, build_denoiser

LEAST_SHARE = 0.5
"""Of the network's parameters that must come from the checkpoint."""

SETTINGS = (
    "sigma_data",
    "channels_per_head",
    "label_balance",
    "concat_balance",
    "res_balance",
    "attn_balance",
    "clip_act",
)
"""Values of the network that change what weights mean without changing their shapes."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LEVEL = re.compile(r"^(unet\.(?:enc|dec)\.)(\d+)x\2(_.*)$")

NOTE = (
    "The images that the source was trained on are not part of this study: neither the gate nor the audit "
    "compares with them. What the source remembers of people may come out of this network."
)


@dataclass(frozen=True)
class Transfer:
    """`weights`: loaded tensors, float32, under the new network's names; `report`: see `load_start`."""

    weights: dict[str, Tensor]
    report: dict[str, Any]


def flat_settings(values: Any) -> dict[str, Any]:
    """Those of `SETTINGS` that `values`, a constructor's values or a `NetworkConfig` as JSON, hold as numbers."""
    if not isinstance(values, dict):
        return {}
    inner = values.get("block")
    merged = {**(inner if isinstance(inner, dict) else {}), **values}
    return {key: merged[key] for key in SETTINGS if key in merged and type(merged[key]) in (int, float, type(None))}


def start_hash(study: Path, start_from: str) -> str:
    """SHA-256 of the checkpoint that training starts from; one that has gone since keeps the hash of its report."""
    try:
        return sha256_file(locate(study / start_from))
    except InputError:
        report = study / "models" / "diffusion" / "denoiser.start.json"
        return str(read_json(report)["sha256"]) if report.is_file() else ""


def _finest(names: Any) -> int | None:
    sizes = [int(match[2]) for match in map(LEVEL.match, names) if match and len(match[2]) <= 5]
    return max(sizes, default=None)


def match_levels(tensors: dict[str, Tensor], resolution: int) -> tuple[dict[str, Tensor], int | None]:
    """`tensors` under the names of a network for latents of `resolution`, and the resolution that they had."""
    finest = _finest(tensors)
    if finest is None or finest == resolution:
        return tensors, finest

    def renamed(name: str) -> str:
        match = LEVEL.match(name)
        if match is None or len(match[2]) > 5:
            return name
        size, rest = divmod(int(match[2]) * resolution, finest)
        return f"{match[1]}{size}x{size}{match[3]}" if size and not rest else f"{name} (no such level)"

    moved = {renamed(name): value for name, value in tensors.items()}
    return (moved, finest) if len(moved) == len(tensors) else (tensors, finest)


def bound_together(names: list[str]) -> list[tuple[str, ...]]:
    """Groups whose first name decides: where it is new, so are the others."""
    groups = [
        ("unet.out_conv.weight", "unet.out_gain"),
        ("unet.emb_noise.weight", "unet.emb_fourier.freqs", "unet.emb_fourier.phases"),
        ("logvar_linear.weight", "logvar_fourier.freqs", "logvar_fourier.phases"),
    ]
    # and the layer behind Fourier features means nothing behind others
    groups += [(feature, group[0], *group[1:]) for group in groups[1:] for feature in group[1:]]
    gains = [name for name in names if name.endswith(".emb_gain")]
    return groups + [(f"{name.removesuffix('emb_gain')}emb_linear.weight", name) for name in gains]


def _value(name: str, value: Tensor, where: str) -> Tensor:
    """`value` in float32, contiguous and its own; `InputError` unless it holds finite floats."""
    if value.dtype not in FLOATS:
        raise InputError(f"{name} holds {value.dtype}, not floating-point numbers", where=where, how=CONVERT)
    plain = value.detach().to(torch.float32).clone(memory_format=torch.contiguous_format)
    if not bool(torch.isfinite(plain).all()):
        raise InputError(
            f"{name} holds numbers that are not finite", where=where, how="take an earlier checkpoint of that training"
        )
    return plain


def _check_settings(settings: dict[str, Any], where: str) -> None:
    """`InputError` where a setting is no finite number: no record of the training could hold it."""
    for name, value in settings.items():
        try:
            finite = value is None or math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            raise InputError(
                f"The checkpoint's setting {name} is not a finite number",
                where=where,
                how="take another checkpoint, or correct the settings in the .json beside it if there is one",
            )


def load_start(path: Path, config: NetworkConfig) -> Transfer:
    """What the network of `config` can take from `path`, see `checkpoints.read`.

    The report (JSON-able): `source` (name of the file), `sha256`, `share` (of the parameters, that is loaded), `loaded`
    (names), `reinitialised` (`name`, `source` shape or None, `here` shape, `why`), `unused` (`name`, `shape`),
    `resolution` (of the source's and of these latents, None where unknown), `differs` (settings that are not the
    source's: `name`, `source`, `here`) and `note`. A checkpoint with less than `LEAST_SHARE` of the parameters, other
    numbers than floats, values or settings that are not finite are an `InputError`.
    """
    path = locate(path)
    checkpoint = read_checkpoint(path)
    settings = flat_settings(checkpoint.settings)
    _check_settings(settings, str(path))
    with torch.device("meta"):
        network = Denoiser(config)
    here = network.state_dict()
    tensors, finest = match_levels(checkpoint.tensors, config.resolution)
    why = _why_new(here, tensors)
    loaded = [name for name in here if name not in why]
    sizes = {name: value.numel() for name, value in network.named_parameters()}
    share = sum(sizes.get(name, 0) for name in loaded) / sum(sizes.values())
    if share < LEAST_SHARE:
        first = next(iter(why))
        shape = list(tensors[first].shape) if first in tensors else "none"
        raise InputError(
            f"Only {share:.0%} of the network's parameters are in the checkpoint; the first that is not: {first} "
            f"(there {shape}, here {list(here[first].shape)})",
            where=str(path),
            how="set model_channels, channel_mult, num_blocks of [diffusion] as in the checkpoint, or start from none",
        )
    report = {
        "source": path.name,
        "sha256": sha256_file(path),
        "share": share,
        "loaded": loaded,
        "reinitialised": [
            {
                "name": name,
                "source": list(tensors[name].shape) if name in tensors else None,
                "here": list(here[name].shape),
                "why": reason,
            }
            for name, reason in why.items()
        ],
        "unused": [{"name": name, "shape": list(tensors[name].shape)} for name in tensors if name not in here],
        "resolution": {"source": finest, "here": config.resolution},
        "differs": [
            {"name": name, "source": value, "here": getattr(config, name)}
            for name, value in settings.items()
            if value != getattr(config, name)
        ],
        "note": NOTE,
    }
    return Transfer({name: _value(name, tensors[name], str(path)) for name in loaded}, report)


def _why_new(here: dict[str, Tensor], tensors: dict[str, Tensor]) -> dict[str, str]:
    """The names of `here` that nothing of `tensors` serves, and why."""
    why = {}
    for name, value in here.items():
        if name not in tensors:
            why[name] = "the source has no such layer"
        elif tensors[name].shape != value.shape:
            why[name] = "another shape"
    for first, *others in bound_together(list(here)):
        if first in why:
            why.update({name: f"belongs to {first}" for name in others if name in here and name not in why})
    return why


def start_weights(transfer: Transfer, config: NetworkConfig, seed: int) -> dict[str, Tensor]:
    """The full state of `build_denoiser(config, seed)` with the loaded weights in it (float32, CPU, own memory)."""
    fresh = build_denoiser(config, seed).state_dict()
    return {name: transfer.weights.get(name, value).detach().clone() for name, value in fresh.items()}
