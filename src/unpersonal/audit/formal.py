"""What differential privacy proves of singling out, to be read beside what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.figures import Figures
from ..core.records import StageRecord


@dataclass(frozen=True, kw_only=True)
class FormalFigures(Figures):
    """The bound of `singling_out_bound` for a generator that is (`epsilon`, `delta`)-differentially private per person.

    `subjects` is n and `weight` is w. It holds for every attacker, tested or not, and is empty where it is 1.
    """

    epsilon: float
    delta: float
    subjects: int
    weight: float
    bound: float


def singling_out_bound(epsilon: float, delta: float, subjects: int, weight: float) -> float:
    """Largest probability that anybody isolates one of n subjects by a predicate of weight <= w: e^ε n w + n δ, or 1.

    Cohen & Nissim, "Towards formalizing the GDPR's notion of singling out" (PNAS 2020), the theorem on differential
    privacy: n independent people, ε and δ per person. `ValueError` for what is no such ε, δ, n or w.
    """
    if not (math.isfinite(epsilon) and epsilon >= 0 and 0 <= delta <= 1 and subjects >= 1 and 0 <= weight <= 1):
        raise ValueError(f"no guarantee: epsilon {epsilon}, delta {delta}, subjects {subjects}, weight {weight}")
    if weight == 0:
        return min(1.0, subjects * delta)
    exponent = epsilon + math.log(subjects * weight)
    return 1.0 if exponent >= 0 else min(1.0, math.exp(exponent) + subjects * delta)


def formal_of(record: Path, subjects: int, weight: float) -> FormalFigures | None:
    """The bound where the stage that trained the generator, by its `record`, found an epsilon; None where it did not.

    A guarantee that is none is an `InputError`.
    """
    found = StageRecord.read(record)
    figures = {} if found is None else found.figures
    epsilon, delta = figures.get("epsilon"), figures.get("delta", 0.0)
    if epsilon is None:
        return None
    try:
        bound = singling_out_bound(float(epsilon), float(delta), subjects, weight)
    except (TypeError, ValueError) as error:
        raise InputError(f"This is no differential privacy: {error}", where=str(record), how="train again") from None
    return FormalFigures(epsilon=float(epsilon), delta=float(delta), subjects=subjects, weight=weight, bound=bound)
