"""The desk of a review: what was decided so far, and the one way to decide more. Knows nothing of HTTP."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from ..synthesis.reviewed import Opinion, Review, other_selection, review_ledger, review_of
from .review_items import Material, material_of

Action = Literal["keep", "remove", "note"]


class Unknown(Exception):
    """There is no such image to decide about."""


@dataclass(frozen=True)
class Answer:
    """What was recorded, and what another tab had decided otherwise before, if anything."""

    opinion: Opinion
    conflict: Opinion | None


class Desk:
    """A review of one study, by one process. `mended` says what an interrupted one had left."""

    def __init__(self, study: Path, threshold: float | None = None, *, anew: bool = False) -> None:
        self.study, self._ledger = study, review_ledger(study)
        lines = self._ledger.read()
        self.mended = ""
        if lines.pending is not None or lines.torn:
            with self._ledger.open() as ledger:
                self.mended = ledger.mended
            lines = self._ledger.read()
        self.review: Review = review_of(lines.entries, self._ledger.path)
        self.material: Material = material_of(study, self.review, threshold)
        self.items = {item.image: item for item in self.material.items}
        if self.review.selection not in ("", self.material.selection):
            if not anew:
                raise other_selection(study)
            self._add({"event": "begun", "selection": self.material.selection})

    def opinion(self, image: str) -> Opinion:
        """What is thought of an image so far."""
        return self.review.opinions.get(image, Opinion())

    def decide(self, image: str, action: Action, *, note: str = "", tab: str, seen: int) -> Answer:
        """Record a decision of a `tab` that had `seen` the ledger's line of this image; on the disk when it returns.

        The last decision counts. Another one that the tab had not seen is a conflict, which is recorded and told.
        """
        if image not in self.items:
            raise Unknown(image)
        before = self.opinion(image)
        entry: dict[str, Any] = {
            "event": action,
            "selection": self.material.selection,
            "image": image,
            "tab": tab,
            "seen": seen,
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        if action == "note":
            entry["note"] = note
        self._add(entry)
        after = self.opinion(image)
        unseen = before.line > seen and before.tab != tab
        other = before.note != after.note if action == "note" else before.decision not in (None, after.decision)
        return Answer(after, before if unseen and other else None)

    def _add(self, entry: dict[str, Any]) -> None:
        with self._ledger.open() as ledger:
            ledger.add(entry)
            self.review = review_of(ledger.entries, self._ledger.path)

    def counts(self) -> dict[str, int]:
        """Images shown, decided on, and removed."""
        found = [self.opinion(image).decision for image in self.items]
        return {
            "images": len(found),
            "decided": sum(decision is not None for decision in found),
            "removed": found.count("remove"),
        }

    def state(self) -> dict[str, Any]:
        """All opinions about the images shown, and the counts, as JSON."""
        opinions = {image: asdict(self.opinion(image)) for image in self.items}
        return {"opinions": opinions, "counts": self.counts(), "lines": self.review.lines}
