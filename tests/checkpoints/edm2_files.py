"""Checkpoints of the public form, made here: modules pickled by a persistence mechanism under the authors' names."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from unpersonal.diffusion.network import Denoiser


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> Any:
    raise AssertionError("the reader never calls this")


class EasyDict(dict):
    """A dictionary under another name."""


class Persistent:
    """Pickled as a call of `_reconstruct_persistent_obj` on what a module is."""

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.class_name, self.state = class_name, state

    def __reduce__(self) -> Any:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('source text is only text')\n",
            "class_name": self.class_name,
            "state": self.state,
        }
        return _reconstruct_persistent_obj, (meta,), None


@contextmanager
def authors_modules() -> Iterator[None]:
    """The functions above, importable under the names that the public checkpoints use."""
    persistence, util = ModuleType("torch_utils.persistence"), ModuleType("dnnlib.util")
    persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    util.EasyDict = EasyDict  # type: ignore[attr-defined]
    made = {
        "torch_utils": ModuleType("torch_utils"),
        "dnnlib": ModuleType("dnnlib"),
        "torch_utils.persistence": persistence,
        "dnnlib.util": util,
    }
    own = _reconstruct_persistent_obj.__module__, EasyDict.__module__
    sys.modules.update(made)
    _reconstruct_persistent_obj.__module__, EasyDict.__module__ = "torch_utils.persistence", "dnnlib.util"
    try:
        yield
    finally:
        _reconstruct_persistent_obj.__module__, EasyDict.__module__ = own
        for name in made:
            del sys.modules[name]


def persistent(module: nn.Module, constructor: dict[str, Any] | None = None) -> Any:
    """`module` in the public form: its own modules persistent, torch's containers as they are."""
    children = {name: persistent(child) for name, child in module.named_children()}
    state = {
        "training": False,
        "_parameters": OrderedDict(module._parameters),
        "_buffers": OrderedDict(module._buffers),
        "_non_persistent_buffers_set": set(),
        "_modules": children,
        "_backward_hooks": OrderedDict(),
        "_is_full_backward_hook": None,
    }
    if isinstance(module, nn.ModuleDict):
        container = nn.ModuleDict()
        container.__dict__.update(state)
        return container
    state |= {"_init_args": (), "_init_kwargs": EasyDict(constructor or {})}
    return Persistent(type(module).__name__, state)


def snapshot(network: Denoiser, constructor: dict[str, Any]) -> dict[str, Any]:
    """A training snapshot: encoder, settings of the data set, loss, EMA weights."""
    encoder = Persistent(
        "StabilityVAEEncoder",
        {"scale": np.float32([0.5, 2.0]), "bias": np.zeros((2, 3), order="F"), "raw_std": np.float32(2.5)},
    )
    loss = Persistent("EDM2Loss", {"P_mean": -0.4, "P_std": 1.0, "device": torch.device("cpu"), "big": 2**70})
    return EasyDict(
        encoder=encoder,
        dataset_kwargs=EasyDict(path="data.zip", use_labels=True, names=frozenset({"a", "b"})),
        loss_fn=loss,
        blob=b"\x00\xff",
        dtype=torch.float16,
        ema=persistent(network, constructor),
    )


def write_snapshot(path: Path, network: Denoiser, constructor: dict[str, Any], protocol: int = 4) -> Path:
    """Write the snapshot of `network` with Python's own pickler."""
    with authors_modules():
        path.write_bytes(pickle.dumps(snapshot(network, constructor), protocol=protocol))
    return path
