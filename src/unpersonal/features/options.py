"""Keys of several plug-ins in one table `options`: each plug-in reads those that it knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.config import Config, check_options, part_config
from ..core.registry import Registry


def part_options(registry: Registry[Any], name: str, table: Config, options: Mapping[str, Any]) -> Config:
    """The own configuration of a part: a plug-in's from its keys of `options`, ours from the keys of `table`."""
    return part_config(registry, name, table, _keys_of(registry, name, options))


def check_shared_options(parts: Iterable[tuple[Registry[Any], str]], options: Mapping[str, Any]) -> None:
    """`ValueError` where a key of `options` belongs to none of the plug-ins among `parts`, or has a wrong value."""
    theirs = [(registry, name) for registry, name in parts if not registry.is_ours(name)]
    known = {key for registry, name in theirs for key in _keys_of(registry, name, options)}
    unknown = {key: value for key, value in options.items() if key not in known}
    if unknown and not theirs:
        raise ValueError(f"options: no plug-in is named; the keys ({', '.join(unknown)}) belong to nothing")
    for registry, name in theirs:
        # what nobody knows is told by the first, with the key of its own that is nearest
        check_options(registry, name, {**_keys_of(registry, name, options), **unknown})


def _keys_of(registry: Registry[Any], name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if registry.is_ours(name):
        return {}
    fields = registry.get(name).config.model_fields
    return {key: value for key, value in options.items() if key in fields}
