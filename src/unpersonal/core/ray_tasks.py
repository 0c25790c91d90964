"""Ray tasks, each of which may be lost and repeated: parts of a study opened from its folder, and items of `spread`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from .errors import InputError
from .parts import ClusterConfig, OpenParts, Parts, make_parts
from .threads import one_thread

RETRIES = 8
"""How often a part is tried anew whose worker or node was lost; what kills so many workers is no accident."""
AHEAD = 2
"""Tasks submitted per core or GPU: enough to keep each busy."""

SHARED = 4
"""Things in common that are kept on the cluster at once."""

Refusal = tuple[str, str, str]
"""What, where and how of an `InputError`."""

_opened: dict[str, Parts] = {}


def make_with_ray(
    study: Path,
    open_parts: OpenParts,
    numbers: Sequence[int],
    config: ClusterConfig,
    done: Callable[[int], None],
    *,
    gpus: bool = False,
) -> None:
    """Make the parts `numbers` as Ray tasks, in any order, calling `done(number)` after each.

    The study must lie on a file system that all nodes share, at the same path. What a part refuses is raised here.
    """
    if not numbers:
        return
    with ray_cluster(config) as ray:
        folder, token = study.resolve(), uuid4().hex
        task = ray.remote(max_retries=RETRIES, num_cpus=1, **({"num_gpus": 1} if gpus else {}))(make_one)
        most = _at_once(ray, config, "GPU" if gpus else "CPU")
        started = ((number, lambda number=number: task.remote(folder, open_parts, token, number)) for number in numbers)
        for number, refusal in _results(ray, started, most):
            _check(refusal)
            done(number)


def make_one(study: Path, open_parts: OpenParts, token: str, number: int) -> Refusal | None:
    """Make one part in this worker, which opens the study once for all tasks of a `token`; a refusal is the result."""
    try:
        if token not in _opened:
            _opened.clear()
            _opened[token] = open_parts()
        with one_thread():
            make_parts(study, _opened[token], [number], lambda _: None)
    except InputError as error:
        return error.what, error.where, error.how
    return None


class RayMap:
    """Maps as `spread` does, item by item as Ray tasks; connected from the first item on, until the block is left."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config, self._open, self._ray = config, ExitStack(), None
        self._shared: list[tuple[Any, Any]] = []

    def __enter__(self) -> RayMap:
        return self

    def __exit__(self, *_: object) -> None:
        self._shared.clear()
        self._open.close()

    def __call__(
        self, task: Callable[[Any, Any], Any], common: Any, items: Sequence[Any], done: Callable[[], None]
    ) -> list[Any]:
        """`task(common, item)` of every item, in their order, computed in any."""
        if self._ray is None:
            self._ray = self._open.enter_context(ray_cluster(self._config))
        ray: Any = self._ray
        shared = self._reference(ray, common)
        remote = ray.remote(max_retries=RETRIES, num_cpus=1)(do_one)
        started = ((place, lambda item=item: remote.remote(task, shared, item)) for place, item in enumerate(items))
        found: list[Any] = [None] * len(items)
        for place, (refusal, result) in _results(ray, started, _at_once(ray, self._config, "CPU")):
            _check(refusal)
            found[place] = result
            done()
        return found

    def _reference(self, ray: Any, common: Any) -> Any:
        """What is in common, on the cluster; it is put there once for the calls that follow one another."""
        for thing, reference in self._shared:
            if thing is common:
                return reference
        self._shared = [*self._shared[1 - SHARED :], (common, ray.put(common))]
        return self._shared[-1][1]


def do_one(task: Callable[[Any, Any], Any], common: Any, item: Any) -> tuple[Refusal | None, Any]:
    """One item in this worker: its refusal, or its result."""
    try:
        with one_thread():
            return None, task(common, item)
    except InputError as error:
        return (error.what, error.where, error.how), None


def _at_once(ray: Any, config: ClusterConfig, resource: str) -> int:
    """How many tasks are submitted at once, so that every core or GPU is kept busy."""
    return config.workers or AHEAD * max(1, int(ray.cluster_resources().get(resource, 1)))


def _results(ray: Any, started: Iterator[tuple[int, Callable[[], Any]]], most: int) -> Iterator[tuple[int, Any]]:
    """The number and the result of each task of `started` (its number, and what submits it), as they are there."""
    flying: dict[Any, int] = {}
    try:
        while True:
            while len(flying) < most and (new := next(started, None)) is not None:
                flying[new[1]()] = new[0]
            if not flying:
                break
            ready, _ = ray.wait(list(flying), num_returns=1)
            for reference in ready:
                number = flying.pop(reference)
                yield number, _result(ray, reference, number)
    finally:
        for reference in flying:
            ray.cancel(reference, force=True)


def _result(ray: Any, reference: Any, number: int) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        raise InputError(
            f"Part {number} was lost {RETRIES + 1} times with its worker ({type(error).__name__})",
            where='[cluster] engine = "ray"',
            how="see Ray's logs; a worker that runs out of memory needs fewer workers on a machine",
        ) from None


def _check(refusal: Refusal | None) -> None:
    if refusal is not None:
        what, where, how = refusal
        raise InputError(what, where=where, how=how)


@contextmanager
def ray_cluster(config: ClusterConfig) -> Iterator[Any]:
    """The module `ray`, connected to a cluster for the block; one on this machine where no address is given.

    A cluster that does not answer is an `InputError`. Ray is there: `sharing.check_cluster` has looked.
    """
    # neither usage reports nor a dashboard: a study speaks to nobody
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    if ray.is_initialized():
        yield ray
        return
    own: dict[str, Any] = {} if config.address else {"include_dashboard": False, "num_cpus": config.workers or None}
    try:
        ray.init(
            address=config.address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **own,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"The Ray cluster does not answer ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
            where=f"[cluster] address = {config.address!r}",
            how="start it with `ray start --head`, or leave the address empty for one on this machine",
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()
