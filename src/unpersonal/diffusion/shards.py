"""Cross-fitted shards: two denoisers, each trained on half of the train people, and who was in which half.

Whoever is in the condition of a draw is unknown to the network that makes it. The halves are those of a swap that is
audited (`halves`).
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.tensors import open_array, save_array
from ..features.store import Component
from .config import DiffusionConfig
from .halves import deal_halves
from .models import FOLDER

SHARDS = (0, 1)
FILE = "shards.npy"
NOBODY = -1
"""Shard of images that are in no shard: nobody trains on them."""
ELSEWHERE = "other shard"
"""Split of the train people of the other shard, in the cohort of one: they are in no subset of it."""
WHERE, HOW = "[diffusion] shards", "set it to 1"


def shard_of_rows(study: Path, cohort: Cohort, seed: int) -> np.ndarray:
    """The shard of every row of the cohort, int64 [n], `NOBODY` of those that do not train.

    `InputError` where the train people cannot be halved.
    """
    halves = deal_halves(cohort, load_images(study), seed, where=WHERE, how=f"give more people, or {HOW}")
    found = np.full(len(cohort), NOBODY, dtype=np.int64)
    subjects, train = cohort.subjects.astype(str), cohort.splits == "train"
    for shard, half in zip(SHARDS, halves, strict=True):
        found[train & np.isin(subjects, sorted(half))] = shard
    return found


def cohort_of_shard(cohort: Cohort, shards: np.ndarray, shard: int) -> Cohort:
    """The same cohort, of whose train people only those of `shard` train; rows stay where they are."""
    split = cohort.table["split"].where(shards != 1 - shard, ELSEWHERE)
    return replace(cohort, table=cohort.table.assign(split=split))


def half_budget(config: DiffusionConfig) -> DiffusionConfig:
    """`config` of one of two trainings that cost as much as one: everybody is seen as often."""
    halved = {name: -(-getattr(config, name) // len(SHARDS)) for name in ("images", "guide_images")}
    return config.model_copy(update=halved)


def check_shards(components: tuple[Component, ...], canaries: int, *, private: bool = False) -> None:
    """`InputError` where conditions or canaries belong to people of both shards, or a proof is of one training."""
    if private:
        raise InputError(
            "Differential privacy is proved of one denoiser and one guide, and shards train two of each",
            where=WHERE,
            how=f"{HOW}, or set dp_epsilon = 0",
        )
    if any(each.shared_by > 1 for each in components):
        raise InputError(
            "A centroid is a condition of people of both shards, so that no denoiser is a stranger to it",
            where=WHERE,
            how=f"{HOW}, or use another [features] condition",
        )
    if canaries:
        raise InputError(
            "Canaries bound what one model remembers, and shards train two",
            where=WHERE,
            how=f"{HOW}, or set audit.canaries = 0",
        )


def write_shards(study: Path, shards: np.ndarray) -> None:
    """Write who is in which shard: it names nobody, but stays in the study."""
    save_array(study.joinpath(*FOLDER, FILE), shards)


def load_shards(study: Path) -> np.ndarray | None:
    """The shard of every row of the cohort, int64 [n]; None where one denoiser knows everybody."""
    path = study.joinpath(*FOLDER, FILE)
    return np.array(open_array(path)) if path.is_file() else None


def remove_others(folder: Path, sharded: bool) -> None:
    """Remove the networks of an earlier training with another number of shards."""
    names = ("denoiser", "guide") if sharded else [f"{n}-{shard}" for n in ("denoiser", "guide") for shard in SHARDS]
    for name in names:
        for path in folder.glob(f"{name}.*"):
            path.unlink()
    if not sharded:
        (folder / FILE).unlink(missing_ok=True)
    for stale in (folder / "samples",) if sharded else (folder / f"shard-{shard}" for shard in SHARDS):
        shutil.rmtree(stale, ignore_errors=True)


def both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Figures of two networks as those of one, the worse of each; what they saw and their sizes are added up."""
    found = dict(first)
    for name, value in second.items():
        mine = first.get(name)
        if mine is None or value is None:
            # None of `memorised` is that nobody looked, and of `ended_early` that it did not
            found[name] = None if name.endswith("_memorised") and not (mine or value) else mine or value
        elif name.endswith(("_parameters", "_images")):
            found[name] = mine + value
        elif name.endswith("_kept_step"):
            found[name] = min(mine, value)
        elif name.endswith("_loss"):
            found[name] = (mine + value) / 2
        elif name.endswith(("_memorised", "_match_rate", "_match_rate_lower", "_match_rate_upper")):
            found[name] = max(mine, value)
    for name in {*first, *second}:
        if name.endswith(("_match_power", "_gap_told")):
            # where one was not looked at, both were not
            found[name] = min(first.get(name) or 0, second.get(name) or 0)
        if name.endswith("_gap_told"):
            found[name] = bool(found[name])
    gap = next((name for name in second if name.endswith("_gap")), None)
    if gap is not None and second[gap] > first.get(gap, -np.inf):
        network = gap.removesuffix("gap")
        errors = ("train_error", "held_out_error", "gap", "gap_lower", "gap_upper")
        found |= {network + name: second[network + name] for name in errors if network + name in second}
    return found
