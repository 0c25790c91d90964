"""The two generators of `[audit] design = "swap"`: each half of the train people goes through the stages of a study.

Codec, features, denoiser, guide, judges and synthesis are fitted anew on each half, under the study's own
configuration. What a stage learns from train people it learns from those of the half alone: a codec or encoder of all
of them would bring what it remembers of one half into the images of the other, where nobody would look for it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .audit.halves import HalfFigures, deal_halves, write_half
from .core.distributed import world
from .core.errors import InputError
from .core.hashing import hash_json
from .core.progress import console
from .core.seeds import derive_seed
from .core.stages import Context, Stage
from .engine import Engine

if TYPE_CHECKING:
    from .study import StudyConfig

Half = Callable[[], frozenset[str]]
"""Gives the train people of a half."""
FOLDER = Path("audit") / "swap"
HALVES = ("A", "B")
LEARNT = ("encode", "features", "diffusion", "judges", "synthesis")
"""The stages that each half goes through."""
TABLES = ("codec", "features", "diffusion", "judges", "synthesis")
"""The tables of these stages."""
GENERATORS = 3
"""That are trained in all: one of everybody, for the release, and one of each half."""


def run_halves(context: Context[StudyConfig]) -> tuple[Path, ...]:
    """Train a generator on each half of the train people and draw its images; the folders of the two.

    What is fresh of an earlier run is used again, stage by stage, and one that was killed goes on. Every process of a
    `torchrun` calls it.
    """
    _refuse_known_people(context)
    halves = cache(lambda: _dealt(context))
    folders = []
    for number, name in enumerate(HALVES):
        if world().first:
            console.print(f"audit: half {name} of the swap", style="bold")
        inner = half_context(context, name, partial(_nth, halves, number))
        inner.path.mkdir(parents=True, exist_ok=True)
        Engine(inner).run()
        folders.append(inner.path)
    return tuple(folders)


def remove_halves(study: Path) -> None:
    """Remove what an earlier run with this design left: models of people for which there is no use any more."""
    shutil.rmtree(study / FOLDER, ignore_errors=True)


def procedure_hash(config: StudyConfig) -> str:
    """A hash of everything in study.toml that decides what the generators of the halves are."""
    return hash_json([config.seed, {name: getattr(config, name).model_dump(mode="json") for name in TABLES}])


def half_config(config: StudyConfig, study: Path, name: str) -> StudyConfig:
    """The configuration of one half: the study's own, with a seed of its own and paths from its own folder."""
    audit = config.audit.model_copy(update={"design": "split", "canaries": 0})
    codec, diffusion = config.codec, config.diffusion
    kind, colon, place = codec.kind.partition(":")
    if colon and (study / place.strip()).is_dir():
        codec = codec.model_copy(update={"kind": f"{kind}:{_from_half(place.strip())}"})
    if diffusion.source:
        diffusion = diffusion.model_copy(update={"start_from": _from_half(diffusion.source)})
    # one seed for both would draw the same noise for both, and their images would be alike whoever trained them
    seed = derive_seed(config.seed, "swap", name)
    return config.model_copy(update={"seed": seed, "audit": audit, "codec": codec, "diffusion": diffusion})


def _from_half(place: str) -> str:
    """A path of the study, as its halves know it: it stays what it is when the study is moved."""
    return place if os.path.isabs(place) else str(Path(*[".."] * (len(FOLDER.parts) + 1), place))


def half_context(context: Context[StudyConfig], name: str, half: Half) -> Context[StudyConfig]:
    """What the stages of one half run with; `half` is called for its people when they are needed."""
    folder = context.path / FOLDER / name
    config = half_config(context.config, context.path, name)
    stages = (_cohort_stage(context, half), *(stage for stage in context.stages if stage.name in LEARNT))
    return replace(context, path=folder, config=config, stages=stages, reasons=[], until=None)


def _cohort_stage(context: Context[StudyConfig], half: Half) -> Stage[StudyConfig]:
    """The first stage of a half: its people out of those of the study."""

    def run(inner: Context[StudyConfig]) -> HalfFigures:
        return write_half(context.path, inner.path, half())

    def fingerprint(_: Any) -> Mapping[str, str]:
        # with the seed, which is part of every stage's settings, it decides who is in which half
        record = context.record("cohort")
        return {"study": record.output_hash if record else ""}

    return Stage(
        name="cohort",
        tables=(),
        inputs=(),
        outputs=("cohort.parquet", "texts.parquet", "store/images.npy"),
        record="cohort.stage.json",
        figures=HalfFigures,
        run=run,
        fingerprint=fingerprint,
    )


def _refuse_known_people(context: Context[StudyConfig]) -> None:
    """`InputError` where training starts from a model of train people: both halves would begin with all of them."""
    if not context.config.diffusion.source:
        return
    from .diffusion.origin_subjects import shared_train

    if shared := shared_train(context.path, context.path / context.config.diffusion.source):
        raise InputError(
            f"The model that training starts from knows people of {shared} train images: what it remembers of them is"
            " in the images of both halves, where a swap cannot see it",
            where='[audit] design = "swap"',
            how="start from a model of other people or from none, or use the design split",
        )


def _nth(halves: Callable[[], Sequence[frozenset[str]]], number: int) -> frozenset[str]:
    return halves()[number]


def _dealt(context: Context[StudyConfig]) -> Sequence[frozenset[str]]:
    from .codec.store import load_images
    from .cohort.table import load_cohort

    return deal_halves(load_cohort(context.path), load_images(context.path), context.seed)
