"""Latents of mirrored train images, for `[diffusion] horizontal_flip`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..codec.latents import LatentRows, Mirrored, open_mirrored, write_mirrored
from ..codec.store import load_codec, load_images
from ..core.distributed import World
from ..core.hashing import hash_json, sha256_file


def mirrored_latents(study: Path, folder: Path, rows: np.ndarray, device: torch.device, processes: World) -> LatentRows:
    """Latents of the mirrored images `rows`, in their order, written into `folder` by the first process."""
    codec, name = load_codec(study), ""
    if processes.first:
        images = Mirrored(load_images(study), rows)
        # what belongs to other images or to another codec must never be continued
        files = [sha256_file(path) for path in sorted((study / "store").glob("codec.*"))]
        name = f"mirrored-{hash_json([files, images.content()])[:16]}"
        write_mirrored(folder / name, images, codec, device)
    return open_mirrored(folder / str(processes.broadcast(name)), codec)
