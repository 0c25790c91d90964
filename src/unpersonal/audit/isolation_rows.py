"""Figures of isolation: people isolated at least once, and how often the attacker's surest predicates succeed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..metrics.intervals import clopper_pearson_lower, clopper_pearson_upper
from .attack import Predicates
from .game import Roles, isolations
from .rows import IsolationRow, TopRow

TOP = (1, 5, 10, 50)
"""How many of the attacker's surest predicates are looked at."""


def isolation_rows(
    families: Sequence[Predicates],
    names: Sequence[str],
    roles: Roles,
    confidence: float,
    own: int,
    pictures: np.ndarray | None = None,
) -> tuple[IsolationRow, ...]:
    """A row for each family; lower bounds hold for all `own` first families together, those of others for all.

    `pictures` int64 [m] is which released picture each released image is a view of: in a family with a predicate for
    each image, only the surest of a picture is among the surest.
    """
    return tuple(
        _row(family, name, roles, confidence, own if number < own else len(families), pictures)
        for number, (family, name) in enumerate(zip(families, names, strict=True))
    )


def _row(
    family: Predicates, name: str, roles: Roles, confidence: float, tests: int, pictures: np.ndarray | None
) -> IsolationRow:
    predicate, subject = isolations(family.hits, roles)
    alone = np.unique(subject)
    train, control = int(roles.train[alone].sum()), int((~roles.train[alone]).sum())
    people = int(roles.train.sum())
    # half of the error for each of the two bounds of a difference
    sure = 1.0 - (1.0 - confidence) / (2 * tests)
    excess = clopper_pearson_lower(train, people, sure) - clopper_pearson_upper(control, roles.side, sure)
    return IsolationRow(
        name=name,
        weight=float(family.weight),
        predicates=family.hits.predicates,
        isolated=train / people,
        isolated_upper=clopper_pearson_upper(train, people, confidence),
        isolated_control=control / roles.side,
        excess_lower=excess,
        top=_top(family, _surest(family, pictures), predicate, roles.train[subject], confidence, tests),
    )


def _surest(family: Predicates, pictures: np.ndarray | None) -> np.ndarray:
    """The predicates in the order of their confidence, int64; of those about one picture the surest alone."""
    order = np.argsort(-np.asarray(family.confidence), kind="stable")
    if pictures is None or len(pictures) != len(order):
        return order
    found: np.ndarray = order[np.sort(np.unique(pictures[order], return_index=True)[1])]
    return found


def _top(
    family: Predicates, order: np.ndarray, predicate: np.ndarray, train: np.ndarray, confidence: float, tests: int
) -> tuple[TopRow, ...]:
    """Success of the surest predicates, in `order`; `predicate` [k] isolates a train person where `train` [k] is."""
    sure = 1.0 - (1.0 - confidence) / (tests * len(TOP))
    right, other = np.zeros(family.hits.predicates, dtype=bool), np.zeros(family.hits.predicates, dtype=bool)
    right[predicate[train]], other[predicate[~train]] = True, True
    rows = []
    for count in TOP:
        if len(order) < count:
            break
        found = int(right[order[:count]].sum())
        rows.append(
            TopRow(
                predicates=count,
                success=found / count,
                success_lower=clopper_pearson_lower(found, count, sure),
                success_upper=clopper_pearson_upper(found, count, confidence),
                success_control=float(other[order[:count]].mean()),
            )
        )
    return tuple(rows)
