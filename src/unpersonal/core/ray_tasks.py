"""Parts as Ray tasks: each opens the study from its folder, makes one part, and may be lost and repeated."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
        wants: dict[str, float] = {"num_cpus": 1, "num_gpus": 1} if gpus else {"num_cpus": 1}
        task = ray.remote(max_retries=RETRIES, **wants)(make_one)
        found = ray.cluster_resources().get("GPU" if gpus else "CPU", 1)
        most = config.workers or AHEAD * max(1, int(found))
        waiting, flying = iter(numbers), dict[Any, int]()
        try:
            while True:
                while len(flying) < most and (number := next(waiting, None)) is not None:
                    flying[task.remote(folder, open_parts, token, number)] = number
                if not flying:
                    break
                ready, _ = ray.wait(list(flying), num_returns=1)
                for reference in ready:
                    number = flying.pop(reference)
                    _check(_result(ray, reference, number))
                    done(number)
        finally:
            for reference in flying:
                ray.cancel(reference, force=True)


def make_one(study: Path, open_parts: OpenParts, token: str, number: int) -> tuple[str, str, str] | None:
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


def _result(ray: Any, reference: Any, number: int) -> tuple[str, str, str] | None:
    try:
        refusal: tuple[str, str, str] | None = ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        raise InputError(
            f"Part {number} was lost {RETRIES + 1} times with its worker ({type(error).__name__})",
            where='[cluster] engine = "ray"',
            how="see Ray's logs; a worker that runs out of memory needs fewer workers on a machine",
        ) from None
    return refusal


def _check(refusal: tuple[str, str, str] | None) -> None:
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
