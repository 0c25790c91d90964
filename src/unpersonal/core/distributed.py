"""Processes that train one network together, as `torchrun` starts them. One process needs nothing of this."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    import torch

PATIENCE = timedelta(days=7)
"""How long a process waits for the first: it measures, samples and writes alone."""


@dataclass(frozen=True)
class World:
    """The processes of one run: this one's number `rank`, of `size`, and its number on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that measures, writes and talks."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The rows, of `count`, that this process works on; `count` is a multiple of `size`."""
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def mean(self, value: float) -> float:
        """The mean of `value` over all processes, the same number in each."""
        if self.size == 1:
            return value
        import torch
        from torch import distributed

        total = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(total, group=_control())
        return float(total) / self.size

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self.mean(0.0)

    def broadcast(self, value: Any) -> Any:
        """The value (plain JSON) of the first process, in every process."""
        if self.size == 1:
            return value
        from torch import distributed

        values = [value]
        distributed.broadcast_object_list(values, src=0, group=_control())
        return values[0]


_group: Any = None


def _control() -> Any:
    """The group of CPU messages: small, and patient."""
    if _group is None:
        raise RuntimeError("the processes of this run were not joined")
    return _group


def world() -> World:
    """The processes that `torchrun` started together with this one, from its environment; else this one alone."""
    try:
        rank, size, local = (int(os.environ.get(name, given)) for name, given in _NAMES)
    except ValueError:
        raise InputError(
            "RANK, WORLD_SIZE and LOCAL_RANK are not whole numbers",
            where="the environment",
            how="start the processes with torchrun",
        ) from None
    return World(rank, size, local)


_NAMES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


@contextmanager
def joined(found: World, device: torch.device) -> Iterator[World]:
    """Join the processes of a run for as long as the context lasts: NCCL between GPUs, gloo between CPUs.

    A run inside another one finds them joined.
    """
    global _group  # noqa: PLW0603  (a process belongs to one run)
    if found.size == 1 or _group is not None:
        yield found
        return
    from torch import distributed

    nccl = device.type == "cuda" and distributed.is_nccl_available()
    distributed.init_process_group("nccl" if nccl else "gloo", timeout=PATIENCE)
    _group = distributed.new_group(backend="gloo", timeout=PATIENCE) if nccl else distributed.group.WORLD
    # a process that fails leaves at once: torchrun ends the others, which may wait for it in any message
    yield found
    # all leave together, and nothing that still holds the group outlives it: either can abort a process at its end
    gc.collect()
    distributed.barrier(group=_control())
    _group = None
    distributed.destroy_process_group()
