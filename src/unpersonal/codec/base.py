"""What every codec offers. Legend: B batch, C image channels, H W pixels, c h w latent channels and cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from ..core.config import Config
from ..core.hashing import hash_json, sha256_file

if TYPE_CHECKING:
    import torch

    from ..cohort.table import Cohort
    from .autoencoder import Autoencoder

SIGMA_DATA = 0.5
"""Standard deviation of latents, the value that EDM2 assumes (arXiv 2312.02696, table 6)."""

BLOCK = 256
"""Images handled at once, at most."""

PIXELS = 2**24
"""Pixels handled at once, at most."""


class Codec(Protocol):
    """Pixels in [0, 1], float32 [B,C,H,W], to latents float32 [B,c,h,w] with standard deviation 0.5, and back."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Latents [B,c,h,w] of images [B,C,H,W] in [0, 1]; the mean where the codec has a distribution per image."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images [B,C,H,W], clipped to [0, 1], of latents [B,c,h,w]."""
        ...


@runtime_checkable
class PosteriorCodec(Codec, Protocol):
    """A codec with a normal distribution per image; the statistics of its latents over train are measured for it."""

    mean: torch.Tensor
    scale: torch.Tensor

    def raw_posterior(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation [B,c,h,w] of the latents of images [B,C,H,W] in [0, 1], not scaled."""
        ...

    def scaled(self, mean: torch.Tensor, scale: torch.Tensor) -> PosteriorCodec:
        """The same codec, whose latents have `mean` [c] and standard deviation `scale` [c] before they are scaled."""
        ...


@dataclass(frozen=True)
class FitInputs:
    """What a codec is made from; `fit` may write into `store`, the folder of the study that is cleared before.

    A checkpoint named `checkpoint-codec-*` there is removed when the stage is done; with `key` in its name it is never
    continued under other images, settings, seeds or foreign weights.
    """

    images: np.ndarray
    """uint8 [n,C,size,size], memory-mapped: every image of the cohort."""
    train: np.ndarray
    """Rows (int64) of the images that a codec may be fitted on."""
    held_out: np.ndarray
    """Rows (int64) of other people's images, on which training may be stopped."""
    store: Path
    study: Path
    """Where a relative path in the configuration starts."""
    content: tuple[Any, ...]
    """Everything but the images that decides the result, as JSON: settings, seed, splits, foreign weights."""
    seed: int
    device: torch.device

    @cached_property
    def key(self) -> str:
        """A hash of the images and of everything else that decides the result; the images are read for it."""
        return hash_json([*self.content, sha256_file(self.store / "images.npy")])[:16]


@dataclass(frozen=True)
class FittedCodec:
    """A codec, and figures of how it came about: `steps`, `kept_step`, `held_out_error`, `pretrained`."""

    codec: Codec
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CodecState:
    """A codec on disk: `tensors`, and plain JSON `facts` (none: no file) from which it is built again."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Images that are not encoded yet; what has to be assumed of them is added to `assumed`, a sentence each."""

    study: Path
    size: int
    cohort: Cohort | None
    """None: it is not read yet."""
    assumed: list[str] = field(default_factory=list)

    @property
    def channels(self) -> int:
        """Channels of the images."""
        if self.cohort is None:
            self.assumed.append("grey images: the cohort is not read yet")
        return 3 if self.cohort is not None and self.cohort.colour else 1


class CodecPart(Protocol):
    """One kind of codec: how it is configured, fitted, written and read. A subclass inherits what is not abstract."""

    config: type[Config]
    """Its own keys. Those of ours stand in the table [codec], those of a plug-in in [codec.options]."""
    argument: str = ""
    """The field of `config` that is told behind the name (`vae:FOLDER`), where there is one."""
    summary: str = ""
    """What it is, in a few words."""
    lossless: bool = False
    """Whether an image comes back as it was."""

    def check(self, config: Any, size: int) -> None:
        """`ValueError` where images of `size` pixels do not fit `config`; asked when study.toml is read."""
        return None

    def latent_shape(self, config: Any, plan: Plan) -> tuple[int, int, int]:
        """(c, h, w) that images as in `plan` will have; `InputError` where they cannot have any."""
        ...

    def network(self, config: Any, plan: Plan) -> Autoencoder | None:
        """The network on torch's device `meta`, so that its memory can be planned; None where there is none."""
        return None

    def fingerprint(self, config: Any, study: Path) -> str:
        """A hash of files outside the study that decide what the codec is (foreign weights); "" without such files."""
        return ""

    def fit(self, config: Any, inputs: FitInputs) -> FittedCodec:
        """The codec, with latents of standard deviation 0.5 over train, or a `PosteriorCodec` that is not scaled."""
        ...

    def save(self, codec: Any) -> CodecState:
        """What `load` needs."""
        ...

    def load(self, state: CodecState, where: str) -> Codec:
        """Inverse of `save`; what is damaged is an `InputError` at `where`."""
        ...


class RowView:
    """The rows `rows` of `array`, read only when asked for; slices and arrays of row numbers are understood."""

    def __init__(self, array: Any, rows: np.ndarray) -> None:
        self._array, self._rows = array, np.asarray(rows, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the view."""
        return (len(self._rows), *self._array.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self._array[self._rows[rows]])


def at_once(images: np.ndarray) -> int:
    """How many of `images` [n,C,H,W] are turned into floats at once: their memory is bounded, whatever their size."""
    pixels: int = images.shape[-1] * images.shape[-2]
    return min(BLOCK, max(PIXELS // pixels, 1))


def blocks(count: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices that cover 0..count in steps of `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
