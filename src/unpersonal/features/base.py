"""What a component of a condition, and an encoder of images, offer. Legend: n images of the cohort, L length."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..cohort.table import Cohort
from ..core.config import Config

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ConditionInputs:
    """What a component is made from; `folder` is where an encoder may keep its checkpoint and its weights.

    `made` holds what one component made and another can use.
    """

    study: Path
    cohort: Cohort
    seed: int
    device: torch.device
    made: dict[str, Made] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The study's folder of features."""
        return self.study / "features"

    @property
    def images(self) -> np.ndarray:
        """uint8 [n,C,H,W], memory-mapped."""
        from ..codec.store import load_images

        return load_images(self.study)

    @property
    def texts(self) -> list[str] | None:
        """The text of every image; None where the cohort has none. Personal data: nothing of them may be written."""
        from ..cohort.texts import load_texts

        return load_texts(self.study, self.cohort)


@dataclass(frozen=True)
class Made:
    """Rows float32 [n,L] of unit length. `from_labels`: images with the same labels have the same row.

    `figures` are those of `features.figures.FeatureFigures` that the component knows.
    """

    rows: np.ndarray
    from_labels: bool = False
    figures: dict[str, Any] = field(default_factory=dict)


class ConditionPart(Protocol):
    """One kind of component of a condition. A subclass inherits what is not abstract."""

    config: type[Config]
    """Its own keys. Those of ours stand in the table [features], those of a plug-in in [features.options.NAME]."""
    noisy: bool = True
    """Whether noise may be put on it; not where that would turn it into another one, as a label."""
    summary: str = ""
    """What it is, in a few words."""
    noun: str = ""
    """What it is made of, in one word for the report."""

    def length(self, config: Any, cohort: Cohort | None, assumed: list[str]) -> int:
        """L, at most; what has to be assumed for it is added to `assumed`, a sentence each."""
        ...

    def fingerprint(self, config: Any, study: Path) -> str:
        """A hash of what lies outside the study and decides the rows (foreign weights); "" where it is not at hand."""
        return ""

    def shared_by(self, config: Any) -> int:
        """Every row is the same for at least so many train subjects, or everybody's; 1: it may be of one image."""
        return 1

    def make(self, config: Any, inputs: ConditionInputs) -> Made:
        """The rows of every image."""
        ...


class Encoder(Protocol):
    """Images to vectors."""

    def unit(self, images: np.ndarray) -> np.ndarray:
        """Vectors float32 [n,d] of unit length of uint8 images [n,C,H,W]."""
        ...


@dataclass(frozen=True)
class EncoderInputs:
    """Images uint8 [m,C,H,W] of train, the length of a vector, and where a checkpoint may lie until it is removed."""

    images: np.ndarray
    dimensions: int
    seed: int
    device: torch.device
    checkpoint: Path


class EncoderPart(Protocol):
    """One kind of encoder of images, fitted on train."""

    config: type[Config]
    """Its own keys, beside the length of a vector."""
    summary: str = ""
    """What it is, in a few words."""

    def fit(self, config: Any, inputs: EncoderInputs) -> tuple[Encoder, list[dict[str, float]]]:
        """The encoder, and the history of its training: rows with `loss`, none for a closed form."""
        ...

    def save(self, encoder: Any) -> dict[str, torch.Tensor]:
        """What `load` needs."""
        ...

    def load(self, tensors: dict[str, torch.Tensor]) -> Encoder:
        """Inverse of `save`."""
        ...
