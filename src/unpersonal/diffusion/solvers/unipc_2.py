"""UniPC of order 2 with data prediction (arXiv 2302.04867, algorithm 1)."""

from __future__ import annotations

from ..multistep import UniPC

SOLVER = UniPC(2)
