"""What an attack is: it learns from auxiliary people and the release, and is then shown train and control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ..core.config import Config

if TYPE_CHECKING:
    from .background import Background
    from .distances import Hits
    from .target import Target


@dataclass(frozen=True)
class AttackNeeds:
    """What an attack cannot do without; where it is lacking the attack is not run and the audit inconclusive."""

    labels: bool = False
    """Labels of the train and of the control images."""
    released_labels: bool = False
    """Labels of train, control, auxiliary and released images, all of them, to be inferred: where nobody gave any there
    is nothing to infer. The attack is then *not applicable*: it is named in the notes and makes no verdict worse."""
    probabilities: bool = False
    """Class probabilities of the released images; where none are released the attack is *not applicable*."""
    spaces: tuple[str, ...] = ()
    """Kinds of the spaces in which it measures, see `spaces.KINDS`."""
    cost: Literal["low", "high"] = "low"
    """`high` where it trains networks on the release: it is not repeated on sham releases."""
    model: bool = False
    """The trained model. An attacker who has the release only cannot play it: it is then *not applicable*."""


@dataclass(frozen=True)
class Statistic:
    """What an attack measured: large where it finds more in train subjects than in control subjects.

    `null` float64 [P] is the same statistic under every permutation in `Target.codes`. The audit tests it one-sided,
    and its sign-reversed twin as well: whoever sees that train subjects are met less often reads membership from that.
    """

    observed: float
    null: np.ndarray
    chance: float = 0.0
    """What is expected without a leak: 0 for a difference, 0.5 for an AUROC. The reversed twin is mirrored about it."""
    name: str = ""
    """Added to the name of the attack; empty for its only or first statistic."""

    @property
    def reversed_value(self) -> float:
        """The statistic of the sign-reversed twin."""
        return 2.0 * self.chance - self.observed if self.chance else -self.observed


@dataclass(frozen=True)
class SubjectScores:
    """Membership: a score of every subject, float64 [N] in the order of their names; high = guessed to have trained.

    The score of a subject may depend on its own images, the release and auxiliary people only. AUROC, true-positive
    rate at 1 % false positives, their bounds and the sign-reversed twin are the audit's to compute.
    """

    values: np.ndarray
    name: str = ""
    """Added to the name of the attack; empty for its only or first result."""


@dataclass(frozen=True)
class Predicates:
    """Isolation: predicates fixed before train and control were read, and which subjects satisfy them.

    `confidence` float64 [p] orders them: the attacker would bet on the highest first, and has not seen a hit.
    `weight` is the mean weight to which they were fitted.
    """

    hits: Hits
    confidence: np.ndarray
    weight: float
    name: str = ""


@dataclass(frozen=True)
class Guesses:
    """Inference: the share of right guesses about every subject, float64 [N] in [0, 1]; NaN where none was made."""

    right: np.ndarray
    name: str = ""


Found = Statistic | SubjectScores | Predicates | Guesses
"""What an attack may give. A `Statistic` is tested alone, and can make a verdict worse but decides no pass."""


class FittedAttack(Protocol):
    """An attack that has learnt all it will learn."""

    def run(self, target: Target) -> Sequence[Found]:
        """Attack train and control subjects alike."""


class Attack(Protocol):
    """One way to tell train subjects from control subjects by the release."""

    @property
    def config(self) -> type[Config]:
        """The class of its own configuration."""

    @property
    def needs(self) -> AttackNeeds:
        """What it cannot do without."""

    def fit(self, background: Background, options: Any) -> FittedAttack:
        """Learn what can be learnt before train and control are read; `options` is an instance of `config`."""
