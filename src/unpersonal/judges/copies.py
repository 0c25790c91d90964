"""Copies of people of the cohort, of every kind that is named in `matching/kinds.py`.

By other code than the views that the re-identifier trains on (`augmentations.py`): no training has seen them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..codec.base import Codec
from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.pixels import to_float, to_uint8
from ..core.seeds import derive_seed, numpy_rng
from ..matching.kinds import KINDS, Kind
from .config import JudgesConfig
from .perturbations import codec_round_trip
from .views import one_row_per_subject

OTHER_VISIT = "other-visit"
LEAST_HOSTS, MOST_HOSTS = 4, 48
"""Subjects whose pictures others' pieces are put into: one in `HOST_SHARE` of aux, within these limits."""
HOST_SHARE = 4


@dataclass(frozen=True)
class CopyMaker:
    """Copies of rows of the cohort.

    `hosts` are rows of people whom pieces are put into and who are mixed with others; they must be in no gallery.
    """

    study: Path
    images: np.ndarray
    hosts: np.ndarray
    codec: Codec
    config: JudgesConfig
    seed: int
    device: torch.device

    def most(self, kind: Kind) -> int | None:
        """How many subjects' copies are made at most, where that is costly; None where all are."""
        return {"re-noised": self.config.renoised, "over-fitted": self.config.overfitted}.get(kind.name)

    def can_make(self, kind: Kind) -> bool:
        """Whether this study has what copies of this kind take."""
        if kind.make is not None or kind.name == "codec":
            return True
        from .generated import has_denoiser

        return kind.name in ("re-noised", "over-fitted") and bool(self.most(kind)) and has_denoiser(self.study)

    def make(self, kind: Kind, strength: float, rows: np.ndarray) -> np.ndarray:
        """uint8 [n, C, H, W]: one copy of each of `rows` int64 [n] of the cohort."""
        if kind.make is not None:
            rng = numpy_rng(self.seed, "copies", kind.named(strength), int(rows[0]))
            originals, hosts = np.array(self.images[rows]), np.array(self.images[self.hosts])
            return kind.copies(originals, hosts, strength, rng)
        if kind.name == "codec":
            return to_uint8(codec_round_trip(to_float(np.array(self.images[rows]), self.device), self.codec))
        return self._generated(kind, strength, rows)

    def _generated(self, kind: Kind, strength: float, rows: np.ndarray) -> np.ndarray:
        """Copies that the study's own denoiser draws."""
        if kind.name not in ("re-noised", "over-fitted"):
            raise ValueError(f"copies of the kind {kind.name} cannot be made")
        from .generated import overfitted_samples, renoised_copies

        seed = derive_seed(self.seed, "generated", kind.name)
        if kind.name == "re-noised":
            return renoised_copies(self.study, rows, strength, seed, self.device)
        return overfitted_samples(self.study, rows, seed, self.device)


def every_kind() -> Iterator[tuple[Kind, float]]:
    """Every kind at every strength."""
    for kind in KINDS:
        for strength in kind.strengths:
            yield kind, strength


def pick_hosts(cohort: Cohort, seed: int) -> np.ndarray:
    """Rows int64, ascending, of one image each of some aux people; nobody there is an `InputError`."""
    rows = cohort.rows("aux")
    if not len(rows):
        raise InputError("No subject is in aux", where="cohort.parquet", how="give the cohort more subjects")
    rng = numpy_rng(seed, "hosts")
    one = rng.permutation(one_row_per_subject(cohort.subjects[rows], rng))
    count = min(MOST_HOSTS, max(len(one) // HOST_SHARE, LEAST_HOSTS))
    return np.sort(rows[one[:count]])


def one_row_each(cohort: Cohort, subset: str, seed: int) -> np.ndarray:
    """One random row of every subject of a subset, int64, in random order: the first of them are a random sample."""
    rows = cohort.rows(subset)
    rng = numpy_rng(seed, "one row each", subset)
    return rng.permutation(rows[one_row_per_subject(cohort.subjects[rows], rng)])


def two_rows_each(cohort: Cohort, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two rows of every train subject with at least two different pictures, int64 [m] each."""
    rows = cohort.rows("train")
    rows = numpy_rng(seed, "two rows each").permutation(rows)
    content, names = cohort.table["sha256"].to_numpy(), cohort.subjects
    first: dict[str, int] = {}
    second: dict[str, int] = {}
    for row in rows.tolist():
        name = str(names[row])
        if name not in first:
            first[name] = row
        elif name not in second and content[row] != content[first[name]]:
            second[name] = row
    both = sorted(second)
    return np.array([first[name] for name in both], np.int64), np.array([second[name] for name in both], np.int64)
