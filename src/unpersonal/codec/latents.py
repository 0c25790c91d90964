"""Latents on disk: the mean and, where a codec has one, the standard deviation per image, scaled by their statistics.

Legend: n images, c h w latent channels and cells.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.pixels import to_float
from ..core.tensors import create_array, load_tensors, open_array, save_tensors
from .base import SIGMA_DATA, Codec, PosteriorCodec, RowView, at_once, blocks

if TYPE_CHECKING:
    import torch

SHARD = 1024
"""Images per file of an unfinished pass over the cohort."""

MEANS, DEVIATIONS = "latents.npy", "latents_std.npy"


class LatentRows:
    """Latents float32 [n,c,h,w] as the trainer reads them: the means by `[]`, draws by `sample`.

    `deviation` is None for a codec that gives one latent per image; `sample` is then the mean, and draws nothing.
    """

    def __init__(self, mean: Any, deviation: Any | None = None) -> None:
        if deviation is not None and tuple(mean.shape) != tuple(deviation.shape):
            raise ValueError(f"means {tuple(mean.shape)} and deviations {tuple(deviation.shape)} differ in shape")
        self._mean, self._deviation = mean, deviation

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c, h, w)."""
        return tuple(self._mean.shape)

    @property
    def random(self) -> bool:
        """Whether `sample` draws."""
        return self._deviation is not None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self._mean[rows])

    def sample(self, rows: Any, generator: torch.Generator) -> np.ndarray:
        """mean + deviation · noise of `rows`, float32, the noise standard normal from the CPU `generator`."""
        mean = np.array(self._mean[rows], dtype=np.float32)
        if self._deviation is None:
            return mean
        import torch

        noise = torch.randn(mean.shape, generator=generator).numpy()
        return np.asarray(mean + np.asarray(self._deviation[rows], dtype=np.float32) * noise)

    def view(self, rows: np.ndarray) -> LatentRows:
        """The rows `rows` alone, still on disk."""
        return LatentRows(
            RowView(self._mean, rows), None if self._deviation is None else RowView(self._deviation, rows)
        )


def write_latents(store: Path, images: Any, codec: Codec, device: torch.device) -> tuple[int, ...]:
    """Write latents.npy (float32 [n,c,h,w]) of a codec with one latent per image; returns (c, h, w).

    `images` uint8 [n,C,H,W] is an array or a view of one.
    """
    shape = tuple(codec.encode(to_float(images[:1]).to(device)).shape[1:])
    (store / DEVIATIONS).unlink(missing_ok=True)
    with create_array(store / MEANS, (len(images), *shape), np.float32) as latents:
        for block in blocks(len(images), at_once(images)):
            latents[block] = codec.encode(to_float(images[block]).to(device)).cpu().numpy()
    return shape


class Moments:
    """Unscaled means and deviations of every image, in shards on disk, so that a killed pass goes on where it was.

    `images` uint8 [n,C,H,W] is an array or a view of one.
    """

    def __init__(self, folder: Path, images: Any) -> None:
        self._folder, self._images = folder, images

    def compute(self, codec: PosteriorCodec, device: torch.device) -> None:
        """Write the shards that are missing."""
        from ..core.progress import progress_bar

        with progress_bar("latents", len(self._images)) as bar:
            for number, rows in enumerate(blocks(len(self._images), SHARD)):
                if not self._path(number).is_file():
                    save_tensors(self._path(number), self._shard(codec, rows, device))
                bar.advance(rows.stop - rows.start)

    def statistics(self, train: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation [c] of SAMPLED latents over the rows `train`, all cells, in float64.

        Var(z) = Var(mean) + E[deviation²] (law of total variance).
        """
        import torch

        chosen = np.zeros(len(self._images), dtype=bool)
        chosen[train] = True
        total: Any = 0.0
        square: Any = 0.0
        count = 0
        for rows, mean, deviation in self:
            keep = torch.from_numpy(chosen[rows])
            m, s = mean[keep].double(), deviation[keep].double()
            total, square = total + m.sum((0, 2, 3)), square + (m**2 + s**2).sum((0, 2, 3))
            count += m.shape[0] * m.shape[2] * m.shape[3]
        if count == 0:
            raise InputError("There are no train images for the statistics of the latents", where="cohort split")
        centre = total / count
        return centre, (square / count - centre**2).clamp_min(1e-8).sqrt()

    def write(self, store: Path, mean: torch.Tensor, scale: torch.Tensor) -> tuple[int, ...]:
        """Write latents.npy and latents_std.npy, scaled to mean 0 and standard deviation 0.5; returns (c, h, w)."""
        shape = tuple(next(iter(self))[1].shape[1:])
        centre = mean.float().reshape(-1, 1, 1)
        stretch = SIGMA_DATA / scale.float().reshape(-1, 1, 1)
        for name in (MEANS, DEVIATIONS):
            with create_array(store / name, (len(self._images), *shape), np.float32) as array:
                for rows, m, s in self:
                    array[rows] = ((m - centre) * stretch if name == MEANS else s * stretch).numpy()
        return shape

    def remove(self) -> None:
        """Delete the shards."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def __iter__(self) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
        for number, rows in enumerate(blocks(len(self._images), SHARD)):
            tensors, _ = load_tensors(self._path(number))
            yield rows, tensors["mean"], tensors["deviation"]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.safetensors"

    def _shard(self, codec: PosteriorCodec, within: slice, device: torch.device) -> dict[str, torch.Tensor]:
        import torch

        pairs = []
        for block in blocks(within.stop - within.start, at_once(self._images)):
            rows = slice(within.start + block.start, within.start + block.stop)
            pairs.append([t.cpu() for t in codec.raw_posterior(to_float(self._images[rows]).to(device))])
        return {"mean": torch.cat([m for m, _ in pairs]), "deviation": torch.cat([s for _, s in pairs])}


class Mirrored(RowView):
    """The rows `rows` of uint8 images [n,C,H,W], each mirrored left to right."""

    def __getitem__(self, rows: Any) -> np.ndarray:
        return super().__getitem__(rows)[..., ::-1]

    def content(self) -> str:
        """SHA-256 of the shape and the pixels, read in blocks."""
        images: Any = self
        digest = hashlib.sha256(repr(self.shape).encode())
        for block in blocks(len(images), at_once(images)):
            digest.update(np.ascontiguousarray(images[block]).tobytes())
        return digest.hexdigest()


def write_mirrored(folder: Path, images: Any, codec: Codec, device: torch.device) -> None:
    """Write the latents of `images`, `Mirrored` or changed otherwise, into `folder` as those of a study are written.

    Not where they are there already.

    After a kill only the missing shards are computed: a folder belongs to one codec and to one set of images.
    """
    if all((folder / name).is_file() for name in _names(codec)):
        return
    if isinstance(codec, PosteriorCodec):
        moments = Moments(folder / "moments", images)
        moments.compute(codec, device)
        moments.write(folder, codec.mean, codec.scale)
        moments.remove()
    else:
        write_latents(folder, images, codec, device)


def open_mirrored(folder: Path, codec: Codec) -> LatentRows:
    """What `write_mirrored` wrote, memory-mapped; a missing or broken file is an `InputError`."""
    return LatentRows(*(open_array(folder / name) for name in _names(codec)))


def _names(codec: Codec) -> tuple[str, ...]:
    """The files that hold the latents of `codec`."""
    return (MEANS, DEVIATIONS) if isinstance(codec, PosteriorCodec) else (MEANS,)
