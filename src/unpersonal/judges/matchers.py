"""The matchers of the gate beside the re-identifier: fitted on the same people as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..core.config import part_config
from ..core.errors import InputError
from ..core.seeds import derive_seed
from ..core.tensors import load_tensors, save_tensors
from ..matching.base import Matcher
from ..matching.registry import MATCHERS
from .config import JudgesConfig
from .panel import check_names, named
from .subset import Subset


def fit_matchers(train: Subset, config: JudgesConfig, seed: int, device: torch.device) -> dict[str, Matcher[Any]]:
    """Every matcher that `config` names, fitted on `train`; one that raises is an `InputError`."""
    check_names(config.matchers)
    found = {}
    for name in config.matchers:
        with named(name):
            own = part_config(MATCHERS, name, config, config.options_of(name))
            found[name] = MATCHERS.get(name).fit(
                train.images.copy(), train.subjects, own, seed=derive_seed(seed, "matcher", name), device=device
            )
    return found


def path_of(folder: Path, index: int) -> Path:
    """Where the matcher number `index` of `[judges] matchers` is kept."""
    return folder / f"matcher-{index}.safetensors"


def save_matchers(folder: Path, matchers: Mapping[str, Matcher[Any]]) -> None:
    """Write what each matcher has learned; `matchers` in the order of the configuration."""
    for index, (name, matcher) in enumerate(matchers.items()):
        with named(name):
            save_tensors(path_of(folder, index), dict(MATCHERS.get(name).save(matcher)), {"matcher": name})


def load_matchers(folder: Path, config: JudgesConfig, device: torch.device) -> dict[str, Matcher[Any]]:
    """The matchers that `save_matchers` wrote; a file that is missing or of another matcher is an `InputError`."""
    found = {}
    for index, name in enumerate(config.matchers):
        path = path_of(folder, index)
        tensors, metadata = load_tensors(path)
        if metadata.get("matcher") != name:
            raise InputError(f"Not the matcher {name!r}", where=str(path), how="run the judges stage again")
        with named(name):
            own = part_config(MATCHERS, name, config, config.options_of(name))
            found[name] = MATCHERS.get(name).load(tensors, own, device=device)
    return found
