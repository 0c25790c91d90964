"""What a person decided about the selected images: the ledger of a review, and which images it takes out.

A person may remove an image that gate and audit let pass, and never add one. The last decision about an image counts;
once a release was made, what was removed before stays out for ever. Images are named by their pixels, so that all
images with the same pixels go together, also in another selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.chained import Chained, Entry
from ..core.errors import InputError
from ..core.hashing import hash_json, sha256_bytes
from ..core.tensors import open_array
from .ledger import SELECTED

LEDGER = "review.jsonl"
DECISIONS = ("keep", "remove")
EVENTS = (*DECISIONS, "note", "begun", "released", "mended")
ELSEWHERE = "of another selection"
Decision = Literal["keep", "remove"]


@dataclass(frozen=True)
class Opinion:
    """What a person thinks of an image: the last decision, if there is one, and the last note.

    `line` is the line of the ledger that said so last, `tab` who wrote it. `final`: a release was made without it.
    """

    decision: Decision | None = None
    note: str = ""
    line: int = 0
    tab: str = ""
    final: bool = False


@dataclass(frozen=True)
class Review:
    """All decisions so far, by image. `selection` is what the last of them was about; "" where there is none."""

    selection: str = ""
    opinions: dict[str, Opinion] = field(default_factory=dict)
    lines: int = 0
    released: frozenset[str] | None = None
    """What the last release was made without; None where none was made since the review began."""

    @property
    def removed(self) -> frozenset[str]:
        """The images that were removed."""
        return frozenset(image for image, opinion in self.opinions.items() if opinion.decision == "remove")


def review_ledger(study: Path) -> Chained:
    """The ledger of a study's review; it need not exist."""
    return Chained(study / LEDGER, "decisions of the review")


def read_review(study: Path) -> Review:
    """The decisions of a study's review; a ledger that is damaged, or has a torn line, is an `InputError`."""
    ledger = review_ledger(study)
    lines = ledger.read()
    if lines.torn:
        raise InputError(
            "The ledger of decisions of the review ends in a torn line, which may have been a removal",
            where=str(ledger.path),
            how="give `unpersonal review` again, which mends it, and look whether a decision is missing",
        )
    return review_of(lines.entries, ledger.path)


def review_of(entries: Sequence[Entry], path: Path) -> Review:
    """What the entries of a ledger say, in their order; one that no review writes is an `InputError`."""
    found = Review()
    for number, entry in enumerate(entries, 1):
        try:
            found = _with(found, entry, number)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"The ledger of decisions of the review has a line that no review writes (line {number})",
                where=str(path),
                how="restore it from a backup: without it nobody knows what was decided",
            ) from None
    return found


def _with(review: Review, entry: Entry, line: int) -> Review:
    """The review after one more entry."""
    event, opinions = entry["event"], dict(review.opinions)
    if event not in EVENTS:
        raise ValueError(event)
    if event == "mended":
        return replace(review, lines=line)
    if event == "released":
        removed = review.removed
        opinions |= {image: replace(opinions[image], final=True) for image in removed}
        return replace(review, opinions=opinions, lines=line, released=removed)
    review = replace(review, selection=_text(entry["selection"]), lines=line)
    if event == "begun":
        return review
    image = _text(entry["image"])
    was = opinions.get(image, Opinion())
    told: dict[str, Any] = {"line": line, "tab": _text(entry["tab"])}
    if event == "note":
        told["note"] = _text(entry["note"], empty=True)
    elif not was.final:
        # what a release was made without never comes back
        told["decision"] = event
    opinions[image] = replace(was, **told)
    return replace(review, opinions=opinions)


def _text(value: object, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise ValueError("no text")
    return value


def pixel_names(images: np.ndarray) -> list[str]:
    """Hex SHA-256 of the pixels of each of uint8 images [m,C,H,W]: by these a review names images."""
    return [sha256_bytes(np.ascontiguousarray(image).tobytes()) for image in images]


def selection_of(names: Iterable[str]) -> str:
    """One hash of all selected images, in their order."""
    return hash_json(list(names))


def removed_rows(study: Path, images: np.ndarray) -> tuple[int, ...]:
    """Rows of the selected `images` uint8 [m,C,H,W] that a person removed; none where nobody reviewed them.

    A ledger that is damaged, or about another selection, is an `InputError`: it never means that nothing was removed.
    """
    review = read_review(study)
    if not review.selection:
        return ()
    names = pixel_names(images)
    if review.selection != selection_of(names):
        raise other_selection(study)
    return tuple(row for row, name in enumerate(names) if name in review.removed)


def refuse_lost(study: Path) -> None:
    """`InputError` where the ledger of a review is gone that an audit has heeded: its removals would be forgotten."""
    if not (study / LEDGER).is_file():
        raise InputError(
            "The ledger of decisions of the review is missing, and the audit was made without the images it removed",
            where=str(study / LEDGER),
            how="restore it from a backup: without it nobody knows what was removed",
        )


def other_selection(study: Path) -> InputError:
    """The refusal of a review that was about other images."""
    return InputError(
        "The review is about other images than those that are selected now",
        where=str(study / LEDGER),
        how="look at these with `unpersonal review STUDY --anew`; what was removed before stays removed",
    )


def check_review(study: Path) -> None:
    """`InputError` where the review of a study is damaged or about another selection than the one that is there."""
    if read_review(study).selection:
        removed_rows(study, open_array(study / SELECTED))


def review_key(study: Path) -> str:
    """What a review changes of all that follows: a hash of what was removed; "" where nothing was.

    A review of other images than those that lie in the study is not taken for one of these.
    """
    review = read_review(study)
    if not review.selection:
        return ""
    try:
        there = selection_of(pixel_names(open_array(study / SELECTED)))
    except InputError:
        there = review.selection
    if there != review.selection:
        return ELSEWHERE
    return hash_json(sorted(review.removed)) if review.removed else ""


def note_release(study: Path) -> None:
    """Note that a release was made without what was removed: these decisions are final. Nothing without a review."""
    if not (study / LEDGER).exists():
        return
    review = read_review(study)
    if review.removed and review.released != review.removed:
        with review_ledger(study).open() as ledger:
            ledger.add({"event": "released"})
