"""Spaces in which generative metrics are told: what an extractor of features is given, and what it gives.

Legend: n images, C channels, S pixels a side, d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..core.errors import InputError
from ..core.figures import Figures
from ..core.registry import Registry

if TYPE_CHECKING:
    import torch

COMPONENTS = 64
"""Dimensions of a space that is fitted on the images themselves, at most."""
OLD_NAMES = {"pca": "closed-form"}
OPTION = "--features"


@dataclass(frozen=True, kw_only=True)
class SpaceFigures(Figures):
    """The space that figures are told in: distances of one say nothing of those of another.

    `name` as it was asked for, without folders; `what` it is, in words; `dimensions`; the `size` in pixels of the
    squares that its network sees; and, where it is one of somebody's, the `sha256` of its weights.
    """

    name: str
    what: str
    dimensions: int
    size: int
    sha256: str | None


@dataclass(frozen=True)
class Fitting:
    """What a space may be fitted on: all real images uint8 [n,C,S,S], those held out among them; and how."""

    real: np.ndarray
    seed: int
    device: torch.device


@dataclass(frozen=True)
class Space:
    """A space: `rows` float [n,d] of images uint8 [n,C,S,S], and what is told of it.

    `label` stands in place of what was asked for, where that was the path of a file or folder.
    """

    rows: Callable[[np.ndarray], np.ndarray]
    what: str
    size: int
    label: str = ""
    sha256: str | None = None


class Extractor(Protocol):
    """One kind of space, or, where it `takes` something, a family of them: `hf:MODEL`."""

    takes: str
    """What is named behind a colon, such as MODEL; empty where nothing is."""

    def size(self, argument: str) -> int:
        """Pixels a side at which images are best read."""

    def open(self, argument: str, fitting: Fitting) -> Space:
        """The space; whatever is wrong with `argument` is an `InputError`."""


EXTRACTORS: Registry[Extractor] = Registry("extractor", package="unpersonal.utility.extractors", attribute="EXTRACTOR")
"""The modules of `utility.extractors`, and the entry points `unpersonal.extractors` of other packages."""


def find_extractor(features: str) -> tuple[Extractor, str]:
    """The extractor that `features` names (`ssl`, `hf:MODEL`), and what stands behind the colon.

    An unknown name is an `InputError` that lists all, as is a name without what it takes, or with what it does not.
    """
    features = OLD_NAMES.get(features, features)
    name, colon, argument = features.partition(":")
    if name not in EXTRACTORS.names():
        raise InputError(
            f"There is no feature space {features!r}", where=OPTION, how=f"use one of {', '.join(spellings())}"
        )
    found = EXTRACTORS.get(name, where=OPTION)
    if bool(found.takes) != bool(argument) or bool(colon) != bool(argument):
        raise InputError(f"{features!r} is not how {name} is named", where=OPTION, how=f"write {_spelling(name)}")
    return found, argument


def spellings() -> tuple[str, ...]:
    """How each extractor is named."""
    return tuple(_spelling(name) for name in EXTRACTORS.names())


def _spelling(name: str) -> str:
    takes = EXTRACTORS.get(name, where=OPTION).takes
    return f"{name}:{takes}" if takes else name


def told_of(features: str, space: Space, dimensions: int) -> SpaceFigures:
    """What the figures say of their space."""
    name = OLD_NAMES.get(features, features)
    return SpaceFigures(
        name=f"{name.partition(':')[0]}:{space.label}" if space.label else name,
        what=space.what,
        dimensions=dimensions,
        size=space.size,
        sha256=space.sha256,
    )
