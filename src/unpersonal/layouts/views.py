"""Frontal and lateral radiographs, for the data sets that say which is which."""

from __future__ import annotations

from collections.abc import Sequence

from ..images.reasons import Reason
from .config import CohortConfig
from .rows import Settled

FRONTAL = ("pa", "ap", "frontal")


def leave_out_lateral(config: CohortConfig, views: Sequence[str], settled: Sequence[Settled]) -> list[Settled]:
    """The rows, with `views = "frontal"` those refused (reason `view`) whose view is not PA, AP or Frontal."""
    if config.views == "all":
        return list(settled)
    return [
        row if view.lower() in FRONTAL else ((), Reason.VIEW, f"view {view}" if view else "the view is not given")
        for view, row in zip(views, settled, strict=True)
    ]
