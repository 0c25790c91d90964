"""Work on many items that may be done anywhere: in this process, in others of this machine, or as tasks of Ray.

Every result is a function of its item and of what all items have in common, computed with one thread: so it is the same
to the last bit wherever it is computed, in any order, however often a lost worker's item is tried anew. Only a process
that cannot be divided (one that has spoken to a GPU, or not on Linux) takes all threads, and may differ in last bits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from .errors import InputError
from .parts import PATIENCE, ClusterConfig
from .progress import stay_behind
from .threads import one_thread
from .workers import Pool

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

Map = Callable[[Callable[[Any, Any], Any], Any, Sequence[Any], Callable[[], None]], list[Any]]
"""How the results of a task are made, given what is in common, the items, and what to call after each."""


def _nothing() -> None:
    """Nobody waits for an item."""


def spread(
    task: Callable[[S, T], R],
    common: S,
    items: Sequence[T],
    *,
    worth: bool = True,
    done: Callable[[], None] = _nothing,
) -> list[R]:
    """`task(common, item)` of every item, in their order, calling `done` after each; its `InputError` is raised here.

    `task` is a function of a module; it writes to nothing that it is given. Work that is not `worth` the start of other
    processes (a fraction of a second) is done in this one.
    """
    if not worth or len(items) < 2:
        with one_thread():
            return _loop(task, common, items, done)
    return (_how.get() or _Processes())(task, common, items, done)


@contextmanager
def spreading(config: ClusterConfig) -> Iterator[None]:
    """Whatever is `spread` in the block is so as `[cluster]` says: connected to Ray from the first time on."""
    with ExitStack() as open_till_the_end:
        if config.engine == "ray":
            from .ray_tasks import RayMap

            how: Map = open_till_the_end.enter_context(RayMap(config))
        else:
            how = _Processes(config.workers)
        token = _how.set(how)
        open_till_the_end.callback(_how.reset, token)
        yield


def _loop(task: Callable[[S, T], R], common: S, items: Sequence[T], done: Callable[[], None]) -> list[R]:
    found = []
    for item in items:
        found.append(task(common, item))
        done()
    return found


class _Processes:
    """Maps in processes of this machine: `workers`, or as many as this one has threads."""

    def __init__(self, workers: int = 0) -> None:
        self._workers = workers

    def __call__(
        self, task: Callable[[Any, Any], Any], common: Any, items: Sequence[Any], done: Callable[[], None]
    ) -> list[Any]:
        if not _divides():
            return _loop(task, common, items, done)
        with one_thread() as threads:
            workers = min(self._workers or threads, len(items))
            if workers < 2:
                return _loop(task, common, items, done)
            pool = Pool(
                _some,
                lost=_lost,
                prepare=_take,
                arguments=(task, common),
                workers=workers,
                limit=PATIENCE,
                silent=False,
            )
            found = []
            for results in pool.map([item] for item in items):
                found += results
                done()
            return found


def _divides() -> bool:
    """Whether this process can be divided: elsewhere the new one has nothing in common, and CUDA forbids it."""
    import torch

    return sys.platform == "linux" and not torch.cuda.is_initialized()


_how: ContextVar[Map | None] = ContextVar("how work is spread", default=None)

_work: list[tuple[Callable[[Any, Any], Any], Any]] = []
"""What a process of `_Processes` works on: the memory that it was divided with."""


def _take(task: Callable[[Any, Any], Any], common: Any) -> None:
    _work[:] = [(task, common)]
    # what this process spreads in turn it does itself
    _how.set(_Processes(1))
    stay_behind()


def _some(items: Sequence[Any]) -> list[Any]:
    return [_work[0][0](_work[0][1], item) for item in items]


def _lost(item: Any, why: str) -> Any:
    raise InputError(
        f"A part of the work could not be done: its process died twice ({why})",
        where="[cluster] workers",
        how="lower it where memory runs out, then give the same command again",
    )
