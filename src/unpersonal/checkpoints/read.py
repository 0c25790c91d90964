"""Foreign checkpoints: where they lie, what form they have, and the network that is in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..core.errors import InputError
from ..core.files import read_json
from ..core.tensors import load_tensors
from ..core.workers import Lost, alone
from .load import unpickle
from .pickles import CONVERT, Record

NETWORK_KEYS = ("ema", "net", "model", "state_dict")
"""Where a checkpoint that holds several things keeps the network, best first."""
MAX_MODULES, MAX_DEPTH, MAX_NAME = 20_000, 32, 200
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.\-]+")
SECONDS, BYTES_PER_SECOND = 60.0, 10 * 2**20
"""Time in which a pickled checkpoint must be read, and what a larger one may take besides."""
MEMORY, MEMORY_PER_BYTE = 2**29, 8
"""Bytes that reading may take, whatever the size of the file, and besides for each byte of it."""


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by the names of a `state_dict`, and the plain values that the network was built with, as far as the file
    tells them (those of a part, such as a block, in a dictionary of their own)."""

    tensors: dict[str, Tensor]
    settings: dict[str, Any]


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


def read_checkpoint(path: Path, *, seconds: float = SECONDS, memory: int = MEMORY) -> Checkpoint:
    """The network in `path` (see `locate`); the form is told by the content, never by the name.

    A pickled one is read in a process of its own, which gets `seconds` and `memory` bytes, and more for a large file.
    What holds no network, or nothing that can be read within these limits, is an `InputError`.
    """
    path = locate(path)
    try:
        with open(path, "rb") as stream:
            head = stream.read(9)
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"A checkpoint cannot be read ({error})", where=str(path), how="give another path") from None
    # a safetensors file: the length of its header in 8 bytes, less than 2^32, then JSON
    if head[4:] == b"\0\0\0\0{":
        return _of_safetensors(path)
    seconds, memory = seconds + size / BYTES_PER_SECOND, memory + MEMORY_PER_BYTE * size
    try:
        answer = alone(_network_of, path, seconds=seconds, memory=memory)
    except Lost as error:
        raise InputError(f"The checkpoint cannot be read: {error}", where=str(path), how=CONVERT) from None
    length = int.from_bytes(answer[:8], "little")
    return Checkpoint(load(answer[8 + length :]), json.loads(answer[8 : 8 + length]))


def _network_of(path: Path) -> bytes:
    """The network in a pickled checkpoint: length of the settings, settings as JSON, tensors as safetensors."""
    # a forked process hangs where it would use the threads of its parent
    torch.set_num_threads(1)
    content = unpickle(path)
    candidates = [content]
    if isinstance(content, dict):
        candidates += [content[key] for key in NETWORK_KEYS if key in content]
    found = next((one for one in (_checkpoint(candidate, str(path)) for candidate in candidates) if one), None)
    if found is None:
        raise InputError(
            "The checkpoint holds no network: neither a dictionary of tensors nor one under " + ", ".join(NETWORK_KEYS),
            where=str(path),
            how=CONVERT,
        )
    settings = json.dumps(found.settings).encode()
    # tensors that share memory cannot be written
    tensors = {
        name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in found.tensors.items()
    }
    return len(settings).to_bytes(8, "little") + settings + save(tensors)


def _of_safetensors(path: Path) -> Checkpoint:
    try:
        tensors, _ = load_tensors(path)
    except InputError as error:
        raise InputError(error.what, where=str(path), how="fetch the checkpoint again") from None
    found = _checkpoint(tensors, str(path))
    if found is None:
        raise InputError("The checkpoint holds no tensors", where=str(path), how="fetch it again")
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return found
    try:
        values = read_json(sidecar)
    except (ValueError, RecursionError):  # numbers of thousands of digits, objects within objects within objects
        values = None
    if not isinstance(values, dict):
        raise InputError("The settings beside a checkpoint are not a JSON object", where=str(sidecar), how="remove it")
    return Checkpoint(found.tensors, plain_values(values.get("constructor", values)))


def _checkpoint(value: Any, where: str) -> Checkpoint | None:
    """The network in `value`, if it is one: a pickled module, or a dictionary of tensors."""
    if isinstance(value, Record) and not value.name.startswith("numpy."):
        state = module_state(value)
        return Checkpoint(module_tensors(value, where), plain_values((state or {}).get("_init_kwargs")))
    tensors = {name: tensor_of(item) for name, item in value.items()} if isinstance(value, dict) else {}
    if not tensors or any(item is None for item in tensors.values()):
        return None
    if not all(isinstance(name, str) and len(name) <= MAX_NAME and PLAIN_NAME.fullmatch(name) for name in tensors):
        raise InputError("A name in the checkpoint is none of a parameter", where=where, how=CONVERT)
    return Checkpoint({name: item for name, item in tensors.items() if item is not None}, {})


def tensor_of(value: Any) -> Tensor | None:
    """The tensor that `value` is, or is the record of."""
    found = value.state if isinstance(value, Record) and value.name.startswith("torch._utils.") else value
    return found if isinstance(found, Tensor) else None


def plain_values(values: Any, *, inner: bool = True) -> dict[str, Any]:
    """The numbers, texts and None among `values`, and with `inner` those of dictionaries in it."""
    if not isinstance(values, Mapping):
        return {}
    kept = {key: value for key, value in values.items() if type(value) in (bool, int, float, str, type(None))}
    if inner:
        kept |= {key: plain_values(value, inner=False) for key, value in values.items() if isinstance(value, Mapping)}
    return kept


def module_state(module: Record) -> dict[Any, Any] | None:
    """The attributes of a pickled module: those of the persistence mechanism, else its plain state."""
    persistent = module.name.endswith("_reconstruct_persistent_obj") and module.args
    meta = module.args[0] if persistent else None
    state = meta.get("state") if isinstance(meta, dict) else module.state
    return state if isinstance(state, dict) else None


def module_tensors(network: Record, where: str) -> dict[str, Tensor]:
    """Parameters and buffers of a pickled network by their dotted names, as `state_dict` would name them."""
    found: dict[str, Tensor] = {}
    waiting: list[tuple[str, Any, int]] = [("", network, 0)]
    visited = 0
    while waiting:
        prefix, module, depth = waiting.pop()
        visited += 1
        if visited > MAX_MODULES or depth > MAX_DEPTH:
            raise _refused(f"The network has more than {MAX_MODULES} modules or {MAX_DEPTH} levels of them", where)
        state = module_state(module) or {}
        groups = [state.get(name) for name in ("_parameters", "_buffers", "_modules")]
        if not all(isinstance(group, dict) for group in groups):
            root = prefix[:MAX_NAME] or "its root"
            raise _refused(f"The checkpoint's network has no parameters and modules at {root!r}", where)
        for name, value, is_child in _entries(groups, prefix, where):
            tensor = tensor_of(value)
            if is_child and isinstance(value, Record) and tensor is None:
                waiting.append((f"{name}.", value, depth + 1))
            elif not is_child and tensor is not None:
                found[name] = tensor
            elif value is not None:
                raise _refused(f"{name} is neither a tensor nor a module", where)
    return found


def _entries(groups: list[Any], prefix: str, where: str) -> list[tuple[str, Any, bool]]:
    """Full name, value, and whether it should be a module, of all that one module holds."""
    entries = []
    for number, group in enumerate(groups):
        for name, value in group.items():
            if not isinstance(name, str) or len(prefix) + len(name) > MAX_NAME or not PLAIN_NAME.fullmatch(name):
                raise _refused("A name in the checkpoint's network is none of a parameter or module", where)
            entries.append((f"{prefix}{name}", value, number == 2))
    return entries


def _refused(what: str, where: str) -> InputError:
    return InputError(what, where=where, how=CONVERT)
