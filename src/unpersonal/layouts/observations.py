"""Columns of CheXpert's 14 observations, which several public data sets have."""

from __future__ import annotations

from collections.abc import Sequence

from .columns import Columns
from .config import CohortConfig
from .labels import CHEXPERT14, Policy, settle
from .listing import Problems
from .rows import Settled, read_flags


def chosen_observations(config: CohortConfig, problems: Problems) -> tuple[str, ...]:
    """The observations that `--classes` names, in its order, or all 14; another name is a problem.

    Under `chest8` all 14 are read, for what is not read cannot be a second finding.
    """
    if config.labels == "chest8":
        return CHEXPERT14
    for name in config.classes:
        if name not in CHEXPERT14:
            problems.add(
                f"{name!r} is no observation of CheXpert", f"name some of: {', '.join(CHEXPERT14)} in --classes"
            )
    return tuple(config.classes) or CHEXPERT14


def settle_columns(
    columns: Columns, observations: Sequence[str], config: CohortConfig, problems: Problems
) -> list[Settled]:
    """Labels of every row from the columns of observations, or why it is left out."""
    before = [name for name in observations if name not in columns.cells]
    for name in before:
        columns.require(name, "restore the table as it is published, or leave it out of --classes", problems)
    if before:
        return []
    policy = Policy.of(config)
    return [settle(observations, row, policy) for row in read_flags(columns, observations, problems)]
