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

from ..checkpoints.pickles import CONVERT, Record, read_pickle
from ..core.errors import InputError
from ..core.files import read_json
from ..core.hashing import sha256_file
from ..core.tensors import load_tensors
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

NETWORK_KEYS = ("ema", "net", "model", "state_dict")
"""Where a checkpoint that holds several things keeps the network, best first."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
MAX_MODULES, MAX_DEPTH, MAX_NAME = 20_000, 32, 200
LEVEL = re.compile(r"^(unet\.(?:enc|dec)\.)(\d+)x\2(_.*)$")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.\-]+")

NOTE = (
    "The images that the source was trained on are not part of this study: neither the gate nor the audit "
    "compares with them. What the source remembers of people may come out of this network."
)


@dataclass(frozen=True)
class Source:
    """What a checkpoint holds: tensors by name, and the network's settings as far as the file tells them."""

    tensors: dict[str, Tensor]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Transfer:
    """`weights`: loaded tensors, float32, under the new network's names; `report`: see `load_start`."""

    weights: dict[str, Tensor]
    report: dict[str, Any]


def module_tensors(network: Record, where: str) -> dict[str, Tensor]:
    """Parameters and buffers of a pickled network by their dotted names, as `state_dict` would name them."""

    def refuse(what: str) -> InputError:
        return InputError(what, where=where, how=CONVERT)

    found: dict[str, Tensor] = {}
    waiting: list[tuple[str, Any, int]] = [("", network, 0)]
    visited = 0
    while waiting:
        prefix, module, depth = waiting.pop()
        visited += 1
        if visited > MAX_MODULES or depth > MAX_DEPTH:
            raise refuse(f"The network has more than {MAX_MODULES} modules or {MAX_DEPTH} levels of them")
        state = module_state(module) or {}
        children = state.get("_modules")
        parts = [part for part in (state.get("_parameters"), state.get("_buffers"), children) if isinstance(part, dict)]
        if len(parts) < 3:
            raise refuse(
                f"The checkpoint's network has no parameters and modules at {prefix[:MAX_NAME] or 'its root'!r}"
            )
        for part in parts:
            for name, value in part.items():
                if not isinstance(name, str) or len(prefix) + len(name) > MAX_NAME or not PLAIN_NAME.fullmatch(name):
                    raise refuse("A name in the checkpoint's network is none of a parameter or module")
                if isinstance(value, Record) and part is children:
                    waiting.append((f"{prefix}{name}.", value, depth + 1))
                elif isinstance(value, Tensor) and part is not children:
                    found[f"{prefix}{name}"] = value
                elif value is not None:
                    raise refuse(f"{prefix}{name} is neither a tensor nor a module")
    return found


def module_state(module: Record) -> dict[Any, Any] | None:
    """The attributes of a pickled module: those of the persistence mechanism, else its plain state."""
    meta = module.args[0] if module.name == "persistent object" and module.args else None
    state = meta.get("state") if isinstance(meta, dict) else module.state
    return state if isinstance(state, dict) else None


def flat_settings(values: Any) -> dict[str, Any]:
    """Those of `SETTINGS` that `values`, a constructor's values or a `NetworkConfig` as JSON, hold as numbers."""
    if not isinstance(values, dict):
        return {}
    inner = values.get("block")
    merged = {**(inner if isinstance(inner, dict) else {}), **values}
    return {key: merged[key] for key in SETTINGS if key in merged and type(merged[key]) in (int, float, type(None))}


def _of_mapping(value: Any, where: str) -> Source | None:
    """The network in `value`, if it is one: a pickled module, or a dict of tensors."""
    if isinstance(value, Record) and value.name != "numpy.ndarray":
        state = module_state(value)
        return Source(module_tensors(value, where), flat_settings((state or {}).get("_init_kwargs")))
    if isinstance(value, dict) and value and all(isinstance(item, Tensor) for item in value.values()):
        names = [name for name in value if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name[: MAX_NAME + 1])]
        if names or max(map(len, value)) > MAX_NAME:
            raise InputError("A name in the checkpoint is none of a parameter", where=where, how=CONVERT)
        return Source(value, {})
    return None


def _of_pickle(path: Path) -> Source:
    content = read_pickle(path)
    candidates = [content]
    if isinstance(content, dict):
        candidates += [content[key] for key in NETWORK_KEYS if key in content]
    for candidate in candidates:
        source = _of_mapping(candidate, str(path))
        if source is not None:
            return source
    raise InputError(
        "The checkpoint holds no network: neither a dictionary of tensors nor one under " + ", ".join(NETWORK_KEYS),
        where=str(path),
        how=CONVERT,
    )


def _of_safetensors(path: Path) -> Source:
    try:
        tensors, _ = load_tensors(path)
    except InputError as error:
        raise InputError(error.what, where=str(path), how="fetch the checkpoint again") from None
    source = _of_mapping(tensors, str(path))
    if source is None:
        raise InputError("The checkpoint holds no tensors", where=str(path), how="fetch it again")
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return source
    try:
        values = read_json(sidecar)
    except (ValueError, RecursionError):  # numbers of thousands of digits, objects within objects within objects
        values = None
    if not isinstance(values, dict):
        raise InputError("The settings beside a checkpoint are not a JSON object", where=str(sidecar), how="remove it")
    return Source(source.tensors, flat_settings(values.get("constructor", values)))


def locate(path: Path) -> Path:
    """The checkpoint that `path` means: a file, a study's folder, or its folder `models/diffusion`."""
    if not path.is_dir():
        if path.is_file():
            return path
        raise InputError("There is no checkpoint to start from", where=str(path), how="correct [diffusion] start_from")
    for inside in (path / "models" / "diffusion" / "denoiser.safetensors", path / "denoiser.safetensors"):
        if inside.is_file():
            return inside
    raise InputError(
        "A folder to start from holds no denoiser",
        where=str(path),
        how="give a checkpoint, or a study whose diffusion stage is done",
    )


def start_hash(study: Path, start_from: str) -> str:
    """SHA-256 of the checkpoint that training starts from; one that has gone since keeps the hash of its report."""
    try:
        return sha256_file(locate(study / start_from))
    except InputError:
        report = study / "models" / "diffusion" / "denoiser.start.json"
        return str(read_json(report)["sha256"]) if report.is_file() else ""


def read_source(path: Path) -> Source:
    """The network in the checkpoint `path`; told by its content, never by its name. Unusable files: `InputError`."""
    path = locate(path)
    try:
        with open(path, "rb") as stream:
            head = stream.read(9)
    except OSError as error:
        raise InputError(f"A checkpoint cannot be read ({error})", where=str(path), how="give another path") from None
    # a safetensors file: the length of its header in 8 bytes, less than 2^32, then JSON
    return _of_safetensors(path) if head[4:] == b"\0\0\0\0{" else _of_pickle(path)


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
    """What the network of `config` can take from `path`, see `locate` and `read_source`.

    The report (JSON-able): `source` (name of the file), `sha256`, `share` (of the parameters, that is loaded), `loaded`
    (names), `reinitialised` (`name`, `source` shape or None, `here` shape, `why`), `unused` (`name`, `shape`),
    `resolution` (of the source's and of these latents, None where unknown), `differs` (settings that are not the
    source's: `name`, `source`, `here`) and `note`. A checkpoint with less than `LEAST_SHARE` of the parameters, other
    numbers than floats, values or settings that are not finite are an `InputError`.
    """
    path = locate(path)
    source = read_source(path)
    _check_settings(source.settings, str(path))
    with torch.device("meta"):
        network = Denoiser(config)
    here, parameters = network.state_dict(), dict(network.named_parameters())
    tensors, finest = match_levels(source.tensors, config.resolution)
    why = {}
    for name, value in here.items():
        if name not in tensors:
            why[name] = "the source has no such layer"
        elif tensors[name].shape != value.shape:
            why[name] = "another shape"
    for first, *others in bound_together(list(here)):
        if first in why:
            why.update({name: f"belongs to {first}" for name in others if name in here and name not in why})
    loaded = [name for name in here if name not in why]
    count = sum(parameters[name].numel() for name in loaded if name in parameters)
    share = count / sum(value.numel() for value in parameters.values())
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
            for name, value in source.settings.items()
            if value != getattr(config, name)
        ],
        "note": NOTE,
    }
    return Transfer({name: _value(name, tensors[name], str(path)) for name in loaded}, report)


def start_weights(transfer: Transfer, config: NetworkConfig, seed: int) -> dict[str, Tensor]:
    """The full state of `build_denoiser(config, seed)` with the loaded weights in it (float32, CPU, own memory)."""
    fresh = build_denoiser(config, seed).state_dict()
    return {name: transfer.weights.get(name, value).detach().clone() for name, value in fresh.items()}
