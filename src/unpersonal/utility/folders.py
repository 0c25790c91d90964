"""`unpersonal utility`: anyone's data sets as training sets, tested on anyone's; synthetic beside real."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.config import build_config
from ..core.device import pick_device
from ..core.errors import InputError
from ..images.preprocess import PreprocessConfig
from ..layouts.registry import AUTO
from .arms import Trainer, default_trainer
from .config import UtilityConfig
from .division import Division, divide
from .matrix import cells_of, gaps_of, learn
from .matrix_figures import LabelledSideFigures, MatrixFigures
from .sides import LabelledSide, Question, read_labelled, same_place

Paths = Sequence[Path | str] | Path | str
Place = tuple[str, Path]
"""The option that named a side, and its path."""


def utility_folders(
    train: Paths,
    test: Paths,
    *,
    synthetic: Paths = (),
    labels: Sequence[str] | str = (),
    subject: str | None = None,
    layout: str = AUTO,
    size: int = 64,
    fit: str = "crop",
    network: str = "small",
    seeds: int = 3,
    steps: int | None = None,
    seed: int = 0,
    device: str = "auto",
    trainer: Trainer | None = None,
) -> MatrixFigures:
    """Train on every `train` and `synthetic` side, test on every `test` side, each a folder, zip, table or release.

    `synthetic` are none, or as many as `train`: each stands beside the real side of the same position, and what is lost
    by it is measured. `labels` (see `sides.read_labelled`) is one for all, or one for each side, `train`, `synthetic`
    and `test` in this order. `size` and `fit` say how pictures become squares, `seeds` how many classifiers are trained
    a side, `steps` for how long (None: as their number of images says). A side that is trained and tested on is divided
    by people. Raises `InputError` for a wrong input, and where no label is on all sides.
    """
    places = _places(train, synthetic, test)
    config = build_config(
        UtilityConfig, {"network": network, "repeats": seeds, "steps": steps}, where="the options of utility"
    )
    form = build_config(PreprocessConfig, {"size": size, "fit": fit}, where="--size or --fit")
    asked = _per_side([labels] if isinstance(labels, str) else list(labels), len(places))
    read = _read(places, [Question(each, subject, layout, form) for each in asked])
    sides = {side.name: side for side in read}
    if subject not in (None, "file") and not any(side.known for side in read):
        raise InputError("The pattern finds nobody in any path", where="--subject", how="correct the pattern")
    roles: dict[str, list[str]] = {"--train": [], "--synthetic": [], "--test": []}
    for (option, _), side in zip(places, read, strict=True):
        roles[option].append(side.name)
    reals, drawn, tests = roles.values()
    learners = [sides[name] for name in [*reals, *drawn]]
    division = divide(learners, [sides[name] for name in tests], seed)
    said, used = learn(division, config, seed=seed, device=pick_device(device), train=trainer or default_trainer())
    pairs = dict(zip(reals, drawn, strict=True)) if drawn else {}
    return MatrixFigures(
        labels=division.classes,
        size=size,
        network=network,
        seeds=seeds,
        steps=used,
        sides=tuple(_told(side, roles, division) for side in sides.values()),
        cells=cells_of(said, division, drawn, config.replicates, seed),
        gaps=gaps_of(said, division, pairs, config.replicates, seed),
        notes=tuple(_notes(sides, division, seeds)),
    )


def paths_of(given: Paths) -> list[Path]:
    """One path or several, as several."""
    several = [given] if isinstance(given, Path | str) else given
    return [Path(path).expanduser() for path in several]


def _places(train: Paths, synthetic: Paths, test: Paths) -> list[Place]:
    """Every side with the option that names it; too few, too many and one that is named twice are an `InputError`."""
    learners, drawn, tests = (
        [(option, path) for path in paths_of(given)]
        for option, given in (("--train", train), ("--synthetic", synthetic), ("--test", test))
    )
    if not learners or not tests:
        raise InputError("Nothing to train or to test on", where="--train, --test", how="name one of each at least")
    if drawn and len(drawn) != len(learners):
        raise InputError(
            f"{len(drawn)} synthetic and {len(learners)} real data sets to train on",
            where="--synthetic",
            how="name one --synthetic for each --train, in the same order, or none",
        )
    for places in ([*learners, *drawn], tests):
        for position, (option, path) in enumerate(places):
            if any(same_place(path, other) for _, other in places[:position]):
                raise InputError("A data set is named twice", where=f"{option} {path}", how="name each once")
    return [*learners, *drawn, *tests]


def _per_side(given: list[str], count: int) -> list[str | None]:
    if len(given) not in (0, 1, count):
        raise InputError(
            f"{len(given)} times --labels for {count} data sets",
            where="--labels",
            how="give it once for all, or once for each: those of --train, --synthetic and --test in this order",
        )
    return list(given) if len(given) == count else [given[0] if given else None] * count


def _read(places: Sequence[Place], questions: Sequence[Question]) -> list[LabelledSide]:
    """The sides, those of one place read once."""
    read: list[LabelledSide] = []
    names = _names([path for _, path in places])
    for (option, path), name, question in zip(places, names, questions, strict=True):
        known = next((side for side in read if same_place(side.path, path)), None)
        read.append(known or read_labelled(path, name, option, question))
    return read


def _names(paths: Sequence[Path]) -> list[str]:
    """A short name of each path; as many of its last folders as tell it from the others."""
    real = [Path(os.path.realpath(path)) for path in paths]
    different = list(dict.fromkeys(real))
    named = {}
    for path in different:
        length = 1
        while length < len(path.parts) and any(
            other.parts[-length:] == path.parts[-length:] for other in different if other != path
        ):
            length += 1
        # a name becomes part of the path of a checkpoint: one that begins at the root would lead there
        named[path] = "/".join(path.parts[-length:]).lstrip("/") or "root"
    return [named[path] for path in real]


def _told(side: LabelledSide, by_role: Mapping[str, Sequence[str]], division: Division) -> LabelledSideFigures:
    """The account of a side."""
    refused, read = sum(side.refused.values()), len(side.images)
    trained, tested = (parts.get(side.name) for parts in (division.learnt, division.tested))
    return LabelledSideFigures(
        side=side.name,
        role=" and ".join(option[2:] for option, names in by_role.items() if side.name in names),
        path=str(side.path),
        release=side.release,
        found=read + refused + side.ignored,
        read=read,
        refused=refused,
        ignored=side.ignored,
        refused_by_reason=dict(side.refused),
        refused_by_suffix=dict(side.refused_by_suffix),
        ignored_by_suffix=dict(side.ignored_by),
        labels=side.classes,
        left_out=tuple(label for label in side.classes if label not in division.classes),
        subjects_known=side.known,
        trained=0 if trained is None else len(trained.rows),
        tested=0 if tested is None else len(tested.rows),
    )


def _notes(sides: Mapping[str, LabelledSide], division: Division, seeds: int) -> list[str]:
    told = [f"{name}: {note}" for name, side in sides.items() for note in side.notes]
    for name, side in sides.items():
        if left := [label for label in side.classes if label not in division.classes]:
            told.append(f"{name}: not compared, since another side lacks it: {', '.join(left)}")
    if seeds == 1:
        told.append("one classifier a side: the intervals hold for its seed alone")
    return [*told, *division.notes]
