"""Variants of a study's generator: settings of study.toml that are laid over a base study, in a folder of its own.

What stays fresh under them (images, codec, judges) is linked from the base study, never written in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from unpersonal.core.errors import InputError
from unpersonal.core.files import read_text
from unpersonal.core.records import StageRecord
from unpersonal.study import Study, stage_list

Settings = Mapping[str, Any]
"""Values by their key in study.toml, `diffusion.images` for one; None takes the key out."""

PLAIN: Settings = {"diffusion.augment": 0.0}
"""What every variant begins with, whatever the base study says."""
CONDITIONS: dict[str, Settings] = {
    "feature": {"features.condition": "feature"},
    "centroid-5": {"features.condition": "centroid", "features.k_same": 5},
    "centroid-20": {"features.condition": "centroid", "features.k_same": 20},
    "label": {"features.condition": "label"},
    "uncond": {"features.condition": "uncond"},
}
"""What the denoiser is told: a code of each image (k = 1), the mean of k people, the labels, nothing."""
EXTRAS: dict[str, Settings] = {
    "augmented": {"diffusion.augment": 0.7},
    "ambient": {"diffusion.ambient_sigma": 0.2},
    "phantom": {"diffusion.start_from": "phantom"},
    "shards": {"diffusion.shards": 2},
    "dp-10": {"diffusion.start_from": "phantom", "diffusion.dp_epsilon": 10.0, "codec.fitted_on": "phantom-cxr"},
    "dp-3": {"diffusion.start_from": "phantom", "diffusion.dp_epsilon": 3.0, "codec.fitted_on": "phantom-cxr"},
}
"""What may be added to any of them, one after the other, joined by `+`."""
KEPT = ("cohort", "encode", "features", "diffusion", "judges")
"""The stages whose files are linked where they stay fresh."""


def all_variants() -> tuple[str, ...]:
    """Every condition, plain and augmented."""
    return tuple(name + more for name in CONDITIONS for more in ("", "+augmented"))


def settings_of(variant: str) -> dict[str, Any]:
    """The settings of a variant such as `label+augmented`; an unknown part is an `InputError`."""
    first, *rest = variant.split("+")
    found = dict(PLAIN)
    for name, known in ((first, CONDITIONS), *((each, EXTRAS) for each in rest)):
        if name not in known:
            raise InputError(
                f"No variant: {variant!r}",
                where="--variant",
                how=f"use {', '.join(CONDITIONS)}, and add any of {', '.join(f'+{each}' for each in EXTRAS)}",
            )
        found |= known[name]
    return found


def _places(document: Mapping[str, Any], base: Path) -> dict[str, str]:
    """Keys that name a place as seen from `base`, with the place itself."""
    named = {"cohort.images": ("cohort", "images"), "diffusion.start_from": ("diffusion", "start_from")}
    values = {name: str(document.get(table, {}).get(key, "")) for name, (table, key) in named.items()}
    relative = {name: base / value for name, value in values.items() if value and not os.path.isabs(value)}
    return {name: str(place.resolve()) for name, place in relative.items() if place.exists()}


def written(toml: str, settings: Settings, base: Path) -> str:
    """study.toml with other values, and a place of the images that holds from any folder."""
    document = tomlkit.parse(toml)
    for name, value in {**_places(document, base), **settings}.items():
        *tables, key = name.split(".")
        inner: Any = document
        for table in tables:
            inner = inner.setdefault(table, {})
        if value is None:
            inner.pop(key, None)
        else:
            inner[key] = value
    return tomlkit.dumps(document)


def derived(base: Path, folder: Path, settings: Settings) -> Study:
    """A study like `base` with other settings in `folder`; one that is there already is opened as it is."""
    if not (folder / "study.toml").is_file():
        unfinished = folder.with_name(f".{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        text = written(read_text(base / "study.toml"), settings, base)
        (unfinished / "study.toml").write_text(text, encoding="utf-8")
        _link(base, unfinished)
        _unlink_stale(unfinished)
        unfinished.rename(folder)
    return Study.open(folder)


def _stages() -> list[tuple[str, str]]:
    return [(stage.name, stage.record) for stage in stage_list() if stage.name in KEPT]


def _link(base: Path, folder: Path) -> None:
    """Give `folder` every file that the stages of `base` recorded, and their records."""
    for _, place in _stages():
        record = StageRecord.read(base / place)
        if record is None:
            break
        for name in (*record.outputs, place):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(base / name, target)
            except OSError:
                # on another disk
                shutil.copy2(base / name, target)


def _unlink_stale(folder: Path) -> None:
    """Take out again what the settings of `folder` make anew."""
    states = Study.open(folder).states()
    for name, place in _stages():
        if states[name].word != "fresh" and (record := StageRecord.read(folder / place)) is not None:
            for file in (*record.outputs, place):
                (folder / file).unlink(missing_ok=True)
