"""What a person is asked to look at: images that may be released, nearest to the gate's limit or to exposed people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..audit.figures import Named
from ..core.errors import InputError
from ..core.files import read_json
from ..core.tensors import open_array
from ..synthesis.ledger import load_ledger
from ..synthesis.reviewed import Review, pixel_names, selection_of
from ..synthesis.selected import load_selected, read_dropped
from .private import BROKEN, borderline_rows

if TYPE_CHECKING:
    import pandas as pd

    from ..cohort.table import Cohort

BORDERLINE = 48
"""Images shown because the gate passed them narrowly."""
PEOPLE = 24
"""People shown, of each kind, with the released image nearest to them."""
BESIDE = 3
"""Real images shown beside one that may be released."""
EDGE = 16
"""Edge in pixels at which images are compared for likeness."""
BLOCK = 4096
"""Images that are brought to that edge at once."""


@dataclass(frozen=True)
class Item:
    """An image that may be released, by the hash of its pixels and its row, and why it is shown.

    `real` are rows of the cohort: images to be shown beside it.
    """

    image: str
    row: int
    reasons: tuple[str, ...]
    real: tuple[int, ...]


@dataclass(frozen=True)
class Material:
    """All that a review shows: items in the order in which they are shown; uint8 [m,C,H,W] and [n,C,H,W] images."""

    items: tuple[Item, ...]
    selection: str
    selected: np.ndarray
    real: np.ndarray
    subjects: tuple[str, ...]


def material_of(study: Path, review: Review, threshold: float | None) -> Material:
    """What is to be looked at in a study; `threshold` is the gate's limit of the score.

    Before the audit has run there are no exposed people to show. Images that the audit dropped, and those that a
    release was made without, are gone for good and not shown. A study without selected images is an `InputError`.
    """
    from ..cohort.table import load_cohort

    selected, cohort = load_selected(study), load_cohort(study)
    names, real = pixel_names(selected.images), open_array(study / "store" / "images.npy")
    gone = {name for name, opinion in review.opinions.items() if opinion.final}
    dropped: tuple[int, ...] = ()
    with suppress(InputError):
        dropped = read_dropped(study, selected)
    free = np.ones(len(names), dtype=bool)
    free[list(dropped)] = False
    # what is removed by hand is among the dropped after an audit; until a release is made it can be kept after all
    free |= np.isin(names, list(review.removed))
    free &= ~np.isin(names, list(gone))
    shown = _Shown(names, cohort)
    shown.borderline(load_ledger(study), free, threshold)
    named = Named((), ())
    with suppress(*BROKEN):
        named = Named.from_json(read_json(study / "audit" / "private.json"), where="audit/private.json")
    shown.people(named, free, selected.images, real)
    for name in review.opinions:
        if name in shown.rows and free[shown.rows[name]]:
            shown.add(shown.rows[name], "decided on before", ())
    return Material(
        shown.items(), selection_of(names), selected.images, real, tuple(str(name) for name in cohort.subjects)
    )


class _Shown:
    """Items while they are collected; an image that is found for several reasons is shown once."""

    def __init__(self, names: list[str], cohort: Cohort) -> None:
        self._names, self._cohort = names, cohort
        self.rows = {name: row for row, name in reversed(list(enumerate(names)))}
        self._found: dict[int, tuple[dict[str, None], dict[int, None]]] = {}

    def add(self, row: int, reason: str, real: Iterable[int]) -> None:
        reasons, beside = self._found.setdefault(self.rows[self._names[row]], ({}, {}))
        reasons[reason] = None
        beside |= dict.fromkeys(map(int, real))

    def items(self) -> tuple[Item, ...]:
        return tuple(
            Item(self._names[row], row, tuple(reasons), tuple(beside)[:BESIDE])
            for row, (reasons, beside) in self._found.items()
        )

    def borderline(self, ledger: pd.DataFrame, free: np.ndarray, threshold: float | None) -> None:
        """The free images with the highest scores, each beside the real image that the gate named."""
        allowed = {name for name, row in self.rows.items() if free[row]}
        near = borderline_rows(ledger[ledger["sha256"].isin(allowed)], BORDERLINE)
        limit = "" if threshold is None else f", refused from {threshold:.3g}"
        for digest, nearest, score in zip(near["sha256"], near["nearest"], near["score"], strict=True):
            row = int(nearest)
            self.add(
                self.rows[str(digest)],
                f"near the gate's limit: score {float(score):.3g}{limit}",
                self._with_others(row),
            )

    def people(self, named: Named, free: np.ndarray, images: np.ndarray, real: np.ndarray) -> None:
        """The free image nearest to each of the people of whom the audit says most."""
        for pair in named.pairs[:PEOPLE]:
            if pair.synthetic < len(free) and free[pair.synthetic]:
                self.add(
                    pair.synthetic, f"nearest to a person, by the audit: distance {pair.distance:.3g}", [pair.train]
                )
        kinds: tuple[Mapping[int, str], ...] = (
            {each.train: "nearest to a person of whom all attacks together say most" for each in named.exposed or ()},
            {each.train: "nearest to a person whom the attacks singled out often" for each in named.worst},
        )
        paired = {str(self._cohort.subjects[pair.train]): pair.synthetic for pair in reversed(named.pairs)}
        asked = {row: reason for kind in reversed(kinds) for row, reason in list(kind.items())[:PEOPLE]}
        if not asked or not free.any():
            return
        likeness = Likeness(images, free)
        for row, reason in asked.items():
            beside = self._with_others(row)
            nearest = paired.get(str(self._cohort.subjects[row]))
            if nearest is None or not free[nearest]:
                nearest = likeness.nearest(real[list(beside)])
            self.add(nearest, reason, beside)

    def _with_others(self, row: int) -> tuple[int, ...]:
        """A row of the cohort, and others of the same person."""
        of_person = np.flatnonzero(self._cohort.subjects == self._cohort.subjects[row])
        return (row, *(int(other) for other in of_person if other != row))[:BESIDE]


class Likeness:
    """Finds the image that correlates best with others, among those of uint8 [m,C,H,W] `images` that are `free`."""

    def __init__(self, images: np.ndarray, free: np.ndarray) -> None:
        self._rows = np.flatnonzero(free)
        blocks = [self._rows[start : start + BLOCK] for start in range(0, len(self._rows), BLOCK)]
        self._points = np.concatenate([_small(np.asarray(images[block])) for block in blocks])

    def nearest(self, others: np.ndarray) -> int:
        """The row of the image that is most like any of `others` uint8 [k,C,H,W]."""
        alike = (self._points @ _small(np.asarray(others)).T).max(axis=1)
        return int(self._rows[int(alike.argmax())])


def _small(images: np.ndarray) -> np.ndarray:
    """Images as float32 [m, ≤ EDGE²] vectors of mean 0 and length 1, so that a product of two is their correlation."""
    step = max(1, images.shape[-1] // EDGE)
    side = images.shape[-1] // step
    grey = images.astype(np.float32).mean(axis=1)[:, : side * step, : side * step]
    points = grey.reshape(len(grey), side, step, side, step).mean(axis=(2, 4)).reshape(len(grey), -1)
    points -= points.mean(axis=1, keepdims=True)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    small: np.ndarray = points / np.maximum(length, 1e-6)
    return small
