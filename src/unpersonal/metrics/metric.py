"""A generative metric: what it is given, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ..core.config import Config
from ..core.seeds import numpy_rng

Need = Literal["subjects"]
"""What a metric may need beside features: the subject of every row of train or of test."""


@dataclass(frozen=True)
class FeatureSets:
    """Features float64 [n, d] of the train, test and synthetic images, all of one width.

    `subjects_train` and `subjects_test` str [n] name the subject of every row, where that is known.
    """

    train: np.ndarray
    test: np.ndarray
    synthetic: np.ndarray
    seed: int
    subjects_train: np.ndarray | None = None
    subjects_test: np.ndarray | None = None

    def rng(self, *names: str) -> np.random.Generator:
        """The generator of the random choices called `names`; the same names give the same stream."""
        return numpy_rng(self.seed, "metrics", *names)

    @property
    def real(self) -> tuple[tuple[str, np.ndarray, np.ndarray | None], ...]:
        """(name, features, subjects) of both real sets, train first."""
        return ("train", self.train, self.subjects_train), ("test", self.test, self.subjects_test)

    def has(self, need: Need) -> bool:
        """Whether a metric that needs `need` can be measured on these sets."""
        return self.subjects_train is not None or self.subjects_test is not None


@dataclass(frozen=True)
class Noted:
    """A figure with a remark: a biased one, or None with the reason why it could not be measured."""

    value: float | None
    note: str


Figure = float | Mapping[str, float] | Noted


UNMEASURABLE = (ValueError, np.linalg.LinAlgError)
"""What a metric raises where the sets are too small or too degenerate for it."""


def measured(compute: Callable[[], float]) -> Figure:
    """The figure that `compute` returns, or why it cannot be measured; for metrics whose figures fail one by one."""
    try:
        return compute()
    except UNMEASURABLE as error:
        return Noted(None, str(error))


class Metric(Protocol):
    """One generative metric, or a few that are computed together."""

    @property
    def config(self) -> type[Config]:
        """The class of its own configuration."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of its figures."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the sets must have; without it the metric is left out."""

    def compute(self, sets: FeatureSets, options: Any) -> Mapping[str, Figure]:
        """Figures by key; `options` is an instance of `config`.

        A `ValueError` or `LinAlgError` says why none can be measured on these sets.
        """
