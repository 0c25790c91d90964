"""Who is learnt from and who is tested on: nobody is both, whatever lies on which side.

Legend: n images of a side, K labels that all sides have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.seeds import numpy_rng
from ..core.words import plural
from .arms import hold_out
from .sides import LabelledSide

TESTED = 0.3
"""Share of the people of a side that is trained and tested on who are kept for the test."""
SMALLEST = 20
"""Fewer images than this are neither learnt from nor tested on."""


@dataclass(frozen=True)
class Part:
    """Rows int64 of a side, and their targets float32 [n, K]."""

    side: LabelledSide
    rows: np.ndarray
    targets: np.ndarray

    @property
    def images(self) -> np.ndarray:
        """uint8 [n, C, S, S]."""
        return self.side.images[self.rows]

    @property
    def groups(self) -> np.ndarray:
        """Who is on each image, [n]."""
        return np.asarray(self.side.groups[self.rows])


@dataclass(frozen=True)
class Division:
    """The parts that are learnt from and those that are tested on, by side; the labels; and what is to be said."""

    classes: tuple[str, ...]
    learnt: dict[str, Part]
    tested: dict[str, Part]
    notes: tuple[str, ...]


def common_labels(sides: Sequence[LabelledSide]) -> tuple[str, ...]:
    """The labels that occur on every side, sorted; none is an `InputError`."""
    common = set(sides[0].classes).intersection(*(side.classes for side in sides))
    if not common:
        told = "; ".join(f"{side.name}: {_some(side.classes)}" for side in sides)
        raise InputError(
            f"No label is on all sides ({told})",
            where="the labels of --train and --test",
            how="write the same labels alike, or say with --labels where they stand",
        )
    return tuple(sorted(common))


def divide(learners: Sequence[LabelledSide], tests: Sequence[LabelledSide], seed: int) -> Division:
    """Divide the sides: one that is on both lists keeps `TESTED` of its people, or of its pictures, for the test.

    Whoever has a picture among those learnt from, on any side, is left out of the test. `InputError` where too few
    images remain, or a label without both outcomes.
    """
    sides = list(dict.fromkeys([side.name for side in (*learners, *tests)]))
    by_name = {side.name: side for side in (*learners, *tests)}
    classes = common_labels([by_name[name] for name in sides])
    notes: list[str] = []
    rows: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, side in by_name.items():
        every = np.arange(len(side.images))
        both = name in {side.name for side in learners} and name in {side.name for side in tests}
        rng = numpy_rng(seed, "utility", "divide")
        rows[name] = hold_out(side.targets(classes), TESTED, rng, side.groups) if both else (every, every)
        if both:
            unit = "people" if side.known else "pictures (nobody says who is on them)"
            notes.append(f"{name} is trained and tested on: {TESTED:.0%} of its {unit} are kept for the test")
    learnt = {side.name: _part(side, rows[side.name][0], classes) for side in learners}
    seen = {str(pixels) for part in learnt.values() for pixels in part.side.pixels[part.rows]}
    tested = {}
    for side in tests:
        kept = _unseen(side, rows[side.name][1], seen)
        if left := len(rows[side.name][1]) - len(kept):
            pictures = plural(left, "picture")
            notes.append(
                f"{pictures} of {side.name} show people with a picture that was learnt from, and were left out"
            )
        tested[side.name] = _part(side, kept, classes)
    for name, part in learnt.items():
        _refuse_unlearnable(name, part, classes)
    for name, part in tested.items():
        _refuse_untestable(name, part)
    return Division(classes, learnt, tested, (*notes, *_of_one_name(learnt, tested)))


def _part(side: LabelledSide, rows: np.ndarray, classes: tuple[str, ...]) -> Part:
    return Part(side, rows, side.targets(classes)[rows])


def _unseen(side: LabelledSide, rows: np.ndarray, seen: set[str]) -> np.ndarray:
    """Those of `rows` whose people have no picture among the `seen` ones."""
    known = {str(group) for group, pixels in zip(side.groups, side.pixels, strict=True) if str(pixels) in seen}
    return np.array([row for row in rows if str(side.groups[row]) not in known], dtype=np.int64)


def _refuse_unlearnable(name: str, part: Part, classes: tuple[str, ...]) -> None:
    if len(part.rows) < SMALLEST:
        raise InputError(
            f"{plural(len(part.rows), 'picture')} of {name} to learn from; at least {SMALLEST} are needed",
            where=f"--train {part.side.path}",
            how="name a data set with more pictures",
        )
    positives = part.targets.sum(axis=0)
    for label, count in zip(classes, positives, strict=True):
        if not 0 < count < len(part.rows):
            every = "every picture" if count else "no picture"
            raise InputError(
                f"The label {label!r} is on {every} of {name} that is learnt from",
                where=f"--train {part.side.path}",
                how="name a data set in which some pictures have the label and others do not",
            )


def _refuse_untestable(name: str, part: Part) -> None:
    positives = part.targets.sum(axis=0)
    if len(part.rows) < SMALLEST or not ((positives > 0) & (positives < len(part.rows))).any():
        raise InputError(
            f"{plural(len(part.rows), 'picture')} of {name} remain to test on, "
            f"{'fewer than ' + str(SMALLEST) if len(part.rows) < SMALLEST else 'all with the same labels'}",
            where=f"--test {part.side.path}",
            how="name a data set with other pictures of other people; one that is trained on too is divided by itself",
        )


def _of_one_name(learnt: dict[str, Part], tested: dict[str, Part]) -> list[str]:
    """Sentences where two sides call people alike: they may be the same, or two data sets that count from one."""
    told = []
    for name, part in learnt.items():
        for other, test in tested.items():
            if name == other or not (part.side.known and test.side.known):
                continue
            if shared := len({*map(str, part.groups)} & {*map(str, test.groups)}):
                people = plural(shared, "person", "people")
                told.append(
                    f"{people} of {name} and {other} have one name: if they are the same, they were learnt from"
                )
    return told


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "") if labels else "none"
