"""How much memory there is, and the refusal of what does not fit, before it is asked for."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from .errors import InputError

CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use of the control group of a container, of version 2 and 1."""
GIB = 2**30


def memory_free() -> int:
    """Bytes that this process could still have: free memory of the machine, and what its control group leaves."""
    return min([_machine(), *_groups()])


def _machine() -> int:
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    with suppress(OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 2**63


def _groups() -> list[int]:
    found = []
    for limit, used in CGROUPS:
        with suppress(OSError, ValueError):  # "max" where there is none
            found.append(max(0, int(Path(limit).read_text()) - int(Path(used).read_text())))
    return found


def refuse_pictures(count: int, size: int, values: int, *, what: str, where: str) -> None:
    """`InputError` unless `count` squares of `size` pixels fit into memory, `values` bytes for each of their pixels.

    The message names the largest size that fits.
    """
    free = memory_free()
    needed = count * size**2 * values
    if needed <= free:
        return
    fits = math.isqrt(free // max(1, count * values))
    raise InputError(
        f"{what} of {size} pixels take {needed / GIB:,.1f} GiB of memory, and {free / GIB:,.1f} GiB are free",
        where=where,
        how=f"use {fits} pixels at most, fewer pictures, or a machine with more memory",
    )


def refuse_number(value: int, unit: int, *, what: str, where: str, power: int = 1) -> None:
    """`InputError` unless `value` to the `power`, `unit` bytes each, fits into memory; names the largest that does."""
    free = memory_free()
    if value**power * unit <= free:
        return
    fits = free // unit if power == 1 else math.isqrt(free // unit)
    raise InputError(
        f"{what} = {value} takes at least {value**power * unit / GIB:,.1f} GiB of memory, and {free / GIB:,.1f} GiB "
        "are free",
        where=where,
        how=f"use {fits} at most",
    )
