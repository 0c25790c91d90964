"""The doors of the program: which kinds of parts another package may add, and where each kind's registry is.

Nothing is imported until a registry is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .core.config import Config
from .core.registry import Plugin, Registry

REGISTRIES = {
    "layout": ("layouts.registry", "LAYOUTS"),
    "codec": ("codec.registry", "CODECS"),
    "condition": ("features.registry", "CONDITIONS"),
    "encoder": ("features.registry", "ENCODERS"),
    "solver": ("diffusion.registry", "SOLVERS"),
    "network": ("judges.registry", "NETWORKS"),
    "matcher": ("matching.registry", "MATCHERS"),
    "attack": ("audit.registry", "ATTACKS"),
    "metric": ("metrics.registry", "METRICS"),
}
"""Kind of part to the module (within this package) and the name of its registry."""


def registry(kind: str) -> Registry[Any]:
    """The registry of the parts of one kind; a kind that does not exist is a `KeyError`."""
    module, name = REGISTRIES[kind]
    found: Registry[Any] = getattr(import_module(f"{__package__}.{module}"), name)
    return found


def used_by(config: Config) -> tuple[Plugin, ...]:
    """The plug-ins that a table of study.toml (or the whole of it) names, each with the hash of its distribution."""
    found = (registry(kind).plugin(name) for kind, name in config.named_parts())
    return tuple(plugin for plugin in found if plugin is not None)
