"""Numbers of study.toml that no memory holds are refused when it is read, with the largest that would fit.

What is counted is the least that a number takes whatever the network; what training needs is told by `--dry-run`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from .core.memory import refuse_number

if TYPE_CHECKING:
    from .study import StudyConfig

FLOAT, WEIGHT = 4, 4 * 4
"""Bytes of a value, and of a weight with its gradient and the two means of the optimiser."""
KERNEL = 3 * 3
PROCESS = 50 * 2**20
"""Bytes that a process takes before it does anything."""
PICTURES = frozenset(
    {"evaluation_images", "monitor_samples", "generated_views", "renoised", "overfitted", "planted_copies"}
    | {"kind_copies", "placebo_images", "chunk"}
)
"""Keys that count pictures which are held at once."""
WIDTHS = frozenset({"width", "model_channels", "guide_channels"})
BLOCKS = frozenset({"num_blocks"})
ROWS = frozenset({"permutations", "replicates"})
PROCESSES = frozenset({"workers"})


@dataclass(frozen=True)
class _Number:
    """A whole number of a table, by its key."""

    table: str
    key: str
    value: int


def refuse_excess(config: StudyConfig, where: str) -> None:
    """`InputError` for the first number that takes more memory than there is."""
    pixels = config.images.size**2
    for number in _numbers(config):
        unit, power = _cost(number.key, pixels)
        if unit:
            refuse_number(number.value, unit, power=power, what=f"[{number.table}] {number.key}", where=where)


def _cost(key: str, pixels: int) -> tuple[int, int]:
    """Bytes of one unit of a key, and the power in which it counts; no bytes for what is no size."""
    if key == "batch" or key.endswith("_batch"):
        return FLOAT * pixels, 1
    if key in PICTURES:
        return pixels, 1
    if key in WIDTHS:
        return KERNEL * WEIGHT, 2
    if key == "components":
        return FLOAT * pixels, 1
    if key in BLOCKS:
        return KERNEL * WEIGHT * 4**2, 1
    if key in ROWS:
        return 8, 1
    return (PROCESS, 1) if key in PROCESSES else (0, 1)


def _numbers(config: BaseModel, table: str = "") -> Iterator[_Number]:
    for key in type(config).model_fields:
        value = getattr(config, key)
        if isinstance(value, BaseModel):
            yield from _numbers(value, f"{table}.{key}" if table else key)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield _Number(table, key, value)
