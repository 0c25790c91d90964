"""One shard of a stage that is made in parts: several, each a process of its own, share a study at the same time.

A run holds its study alone; shards share it with each other, with nothing else. The first of them begins the stage
(withdraws, clears) as a run does; the last one, or a run, joins the parts.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from .core.claims import open_claims
from .core.distributed import world
from .core.errors import InputError
from .core.parts import Shard, missing
from .core.places import StudyHeld, StudyLock, check_writable, study_lock
from .core.sharing import make_shard, open_stage
from .core.stages import C, Context, Stage
from .engine import Engine

CLAIMS = ".shards.lock"
GATE = 0
"""The number that a shard holds while it begins; shard i of n has one of those above."""


@dataclass(frozen=True)
class ShardDone:
    """What a shard found and made: `made` parts by itself, and `there` of all `parts` of the stage are there now.

    `joined` says whether the stage has ended: nothing is left to do for any shard.
    """

    stage: str
    made: int
    there: int
    parts: int
    joined: bool = False


def run_shard(engine: Engine[C], shard: Shard) -> ShardDone:
    """Make the parts of `shard` that are not there; those of other shards are left to them.

    `InputError` where a stage before is not fresh, where a run or the same shard is at work (a `StudyHeld`), and for
    what a part refuses.
    """
    context, started = engine.context, time.monotonic()
    stage = stage_in_parts(context)
    if world().size > 1:
        raise InputError("torchrun shares the parts by itself", where="--shard", how="leave it out")
    with ExitStack() as held:
        claims = held.enter_context(open_claims(context.path / CLAIMS))
        with claims.held(GATE):
            lock = held.enter_context(study_lock(context.path, shared=True))
            if not claims.take(_number(shard), wait=False):
                raise StudyHeld(f"Shard {shard} is at work already", where=str(context.path), how="wait for it to end")
            check_writable(context.path, stage.outputs)
            begun = engine.begun(stage)
            if not begun and not _begin(engine, stage, lock):
                return ShardDone(stage.name, 0, 0, 0, joined=True)
        if begun:
            _check_before(engine, stage)
        context = engine.of(stage)
        parts = open_stage(stage, context)()
        made = make_shard(stage, context, parts, shard)
        there = len(parts) - len(missing(parts))
        with claims.held(GATE):
            engine.spend(stage, time.monotonic() - started)
    return ShardDone(stage.name, made, there, len(parts))


def stage_in_parts(context: Context[C]) -> Stage[C]:
    """The stage that is made in parts."""
    return next(stage for stage in context.stages if stage.parts is not None)


def _number(shard: Shard) -> int:
    """A number for each (i, n), each another, from 1 on."""
    return GATE + 1 + shard.of * (shard.of - 1) // 2 + shard.index


def _begin(engine: Engine[C], stage: Stage[C], lock: StudyLock) -> bool:
    """Begin the stage, alone; False where it has ended already."""
    if engine.states()[stage.name].word == "fresh":
        return False
    _check_before(engine, stage)
    if stage.foresee is not None:
        stage.foresee(engine.context)
    try:
        lock.take(shared=False)
    except StudyHeld:
        raise StudyHeld(
            "Other shards of this study are at work with other settings or inputs",
            where=str(engine.context.path),
            how="wait for them to end, or end them",
        ) from None
    engine.begin(stage)
    lock.take(shared=True)
    return True


def _check_before(engine: Engine[C], stage: Stage[C]) -> None:
    """`InputError` unless everything that the stage reads is fresh."""
    states, names = engine.states(), [other.name for other in engine.context.stages]
    for name in stage.inputs:
        if states[name].word != "fresh":
            last = names[names.index(stage.name) - 1]
            raise InputError(
                f"A shard makes parts of {stage.name}, and {name} before it is {states[name]}",
                where=str(engine.context.path),
                how=f"run `unpersonal run STUDY --until {last}` first",
            )
