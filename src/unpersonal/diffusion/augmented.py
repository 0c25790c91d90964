"""The store of augmented views: their latents on disk, and what the network is told of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..codec.latents import open_mirrored, write_mirrored
from ..codec.store import load_codec, load_images
from ..core.distributed import World
from ..core.hashing import hash_json, sha256_bytes, sha256_file
from .augment import Views, draw_views
from .config import DiffusionConfig
from .rows import Augmented


@dataclass(frozen=True)
class Shown:
    """Whose views are made: the rows of the cohort (int64 [n]), and then further images uint8 [k, C, H, W]."""

    rows: np.ndarray
    more: np.ndarray | None = None


def augmented_latents(
    study: Path,
    folder: Path,
    shown: Shown,
    config: DiffusionConfig,
    *,
    seed: int,
    device: torch.device,
    processes: World,
) -> Augmented | None:
    """`augment_views` views of each image, encoded into `folder` by the first process; None where none are wanted."""
    if not config.augment:
        return None
    images, codec, name = load_images(study), load_codec(study), ""
    more = np.empty((0, *images.shape[1:]), np.uint8) if shown.more is None else shown.more
    values = draw_views((len(shown.rows) + len(more)) * config.augment_views, config, seed)
    if processes.first:
        # what belongs to other images, other views or another codec must never be continued
        files = [sha256_file(path) for path in sorted((study / "store").glob("codec.*"))]
        arrays = [sha256_bytes(array.tobytes()) for array in (shown.rows, more, values)]
        ranges = {key: value for key, value in config.model_dump(mode="json").items() if key.startswith("augment")}
        content = [files, sha256_file(study / "store" / "images.npy"), arrays, ranges]
        name = f"augmented-{hash_json(content)[:16]}"
        write_mirrored(folder / name, Views(images, shown.rows, more, values, config), codec, device)
    latents = open_mirrored(folder / str(processes.broadcast(name)), codec)
    return Augmented(latents, values, config.augment_views)
