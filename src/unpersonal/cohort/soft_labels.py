"""Class probabilities of images as they are released: whole thousandths, beside the hard labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FILE = "probabilities.csv"
"""Its name in a release: a line for each image, a column for each class."""
WHOLE = 1000


@dataclass(frozen=True)
class SoftLabels:
    """Probabilities of m images: `thousandths` int16 [m,C] of `classes`; `exclusive` rows sum to 1000.

    They are rounded once, when they are made, so that whoever attacks, trains or releases has the same numbers.
    """

    thousandths: np.ndarray
    classes: tuple[str, ...]
    exclusive: bool

    def __len__(self) -> int:
        return len(self.thousandths)

    @property
    def probabilities(self) -> np.ndarray:
        """float32 [m,C]."""
        found: np.ndarray = self.thousandths.astype(np.float32) / WHOLE
        return found

    def only(self, rows: np.ndarray) -> SoftLabels:
        """Those of the images `rows` (int64)."""
        return SoftLabels(self.thousandths[rows], self.classes, self.exclusive)


def rounded(probabilities: np.ndarray, classes: Sequence[str], *, exclusive: bool) -> SoftLabels:
    """`probabilities` [m,C] in thousandths; exclusive rows sum to 1000 by largest remainders (Hamilton's method).

    These need not sum to 1: some classes may have been left out. Where none is left every class has the same.
    """
    exact = np.clip(np.asarray(probabilities, dtype=np.float64), 0.0, 1.0) * WHOLE
    if not exclusive:
        return SoftLabels(np.rint(exact).astype(np.int16), tuple(classes), exclusive)
    exact[exact.sum(axis=1) <= 0.0] = 1.0
    exact *= WHOLE / exact.sum(axis=1, keepdims=True)
    whole = np.floor(exact)
    lacking = np.rint(WHOLE - whole.sum(axis=1)).astype(np.int64)
    # of equal remainders the first class has it, so that the same numbers come out everywhere
    rank = np.argsort(np.argsort(whole - exact, axis=1, kind="stable"), axis=1, kind="stable")
    return SoftLabels((whole + (rank < lacking[:, None])).astype(np.int16), tuple(classes), exclusive)


def to_csv(soft: SoftLabels, names: Sequence[str]) -> bytes:
    """`file,<class>…`, a line for each of `names` [m], probabilities with three digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", *soft.classes])
    for name, row in zip(names, soft.thousandths.tolist(), strict=True):
        writer.writerow([name, *(f"{value // WHOLE}.{value % WHOLE:03d}" for value in row)])
    return stream.getvalue().encode("utf-8")


def from_csv(text: str) -> tuple[list[str], SoftLabels]:
    """Names and probabilities of a table as `to_csv` writes it; `ValueError` says in words what is wrong with it.

    It is exclusive where every line sums to 1 within what rounding leaves. Digits beyond the third are rounded.
    """
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        raise ValueError("not a table") from None
    if not rows or rows[0][:1] != ["file"] or len(rows[0]) < 2 or len(set(rows[0])) < len(rows[0]):
        raise ValueError("the first line must be file and the classes, each once")
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("every line must have a file and a probability for each class")
    names = [row[0] for row in rows[1:]]
    if len(set(names)) < len(names):
        raise ValueError("a file is named twice")
    try:
        values = np.array([[float(value) for value in row[1:]] for row in rows[1:]], dtype=np.float64)
    except ValueError:
        raise ValueError("a probability is no number") from None
    values = values.reshape(len(names), len(rows[0]) - 1)
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError("a probability is not between 0 and 1")
    exclusive = bool((np.abs(values.sum(axis=1) - 1.0) <= 0.5 * values.shape[1] / WHOLE).all())
    return names, rounded(values, rows[0][1:], exclusive=exclusive)
