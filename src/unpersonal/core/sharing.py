"""The parts of one stage, made by whoever runs it: this process, the ranks of `torchrun`, or the tasks of Ray."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from .distributed import world
from .errors import InputError
from .parts import ClusterConfig, OpenParts, Parts, Shard, make_in_processes, missing
from .progress import progress_bar
from .stages import C, Context, Stage
from .threads import one_thread


def open_stage(stage: Stage[C], context: Context[C]) -> OpenParts:
    """How the parts of a stage are opened that has such."""
    if stage.parts is None:
        raise RuntimeError(f"{stage.name} is not made in parts")
    return stage.parts(context)


def share_parts(stage: Stage[C], context: Context[C]) -> None:
    """Make all parts of a stage that are not there, with the other processes of the run; all return together."""
    processes, opener = world(), open_stage(stage, context)
    if context.cluster.engine == "ray":
        _with_ray(stage, context, opener)
    else:
        make_shard(stage, context, opener(), Shard(processes.rank, processes.size))
    processes.wait()
    if processes.first:
        # what another machine wrote may not be seen here yet: making it twice is slower, and right
        make_shard(stage, context, opener(), Shard())


def make_shard(stage: Stage[C], context: Context[C], parts: Parts, shard: Shard) -> int:
    """Make the parts of a shard that are not there, in processes on this machine; returns how many were made."""
    wanted = missing(parts, shard.numbers(len(parts)))
    if not wanted:
        return 0
    gpu = context.device.type == "cuda"
    with one_thread() as threads, progress_bar(f"{stage.name} (parts)", len(wanted)) as bar:
        workers = 1 if gpu or sys.platform != "linux" else context.cluster.workers or threads
        return make_in_processes(context.path, parts, wanted, lambda _: bar.advance(), workers)


def _with_ray(stage: Stage[C], context: Context[C], opener: OpenParts) -> None:
    from .ray_tasks import make_with_ray

    wanted, gpus = missing(opener()), context.device.type == "cuda"
    with progress_bar(f"{stage.name} (parts)", len(wanted)) as bar:
        make_with_ray(context.path, opener, wanted, context.cluster, lambda _: bar.advance(), gpus=gpus)


def check_cluster(config: ClusterConfig) -> None:
    """`InputError` where parts are to be made in a way that is not at hand: told before hours of training."""
    if config.engine != "ray":
        return
    if world().size > 1:
        raise InputError(
            "Both torchrun and Ray were asked to share the parts of a stage",
            where='[cluster] engine = "ray"',
            how='start one process with `unpersonal run`, or set engine = "local"',
        )
    if find_spec("ray") is None:
        raise InputError(
            "Ray is not installed",
            where='[cluster] engine = "ray"',
            how="pip install 'unpersonal[cluster]', or set engine = \"local\"",
        )
