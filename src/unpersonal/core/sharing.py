"""The parts of one stage, made by whoever runs it: this process, the ranks of `torchrun`, or the tasks of Ray."""

from __future__ import annotations

from importlib.util import find_spec

from .distributed import world
from .errors import InputError
from .parts import ClusterConfig, OpenParts, Parts, Shard, make_parts, missing
from .progress import Bar, progress_bar
from .stages import C, Context, Stage


def open_stage(stage: Stage[C], context: Context[C]) -> OpenParts:
    """How the parts of a stage are opened that has such."""
    if stage.parts is None:
        raise RuntimeError(f"{stage.name} is not made in parts")
    return stage.parts(context)


def share_parts(stage: Stage[C], context: Context[C]) -> None:
    """Make all parts of a stage that are not there, with the other processes of the run; all return together."""
    processes, opener = world(), open_stage(stage, context)
    parts = opener()
    with progress_bar(f"{stage.name} (parts)", len(parts)) as bar:
        if context.cluster.engine == "ray":
            _with_ray(context, opener, parts, bar)
        else:
            own = Shard(processes.rank, processes.size).numbers(len(parts))
            make_parts(context.path, parts, own, lambda _: bar.advance(processes.size))
    processes.wait()
    if processes.first:
        # what another machine wrote may not be seen here yet: making it twice is slower, and right
        make_parts(context.path, parts, missing(parts), lambda _: None)


def _with_ray(context: Context[C], opener: OpenParts, parts: Parts, bar: Bar) -> None:
    from .ray_tasks import make_with_ray

    wanted = missing(parts)
    bar.advance(len(parts) - len(wanted))
    gpus = context.device.type == "cuda"
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
