"""Text that may be burned into pixels: which images are suspected, what was read in them, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.words import plural
from ...images.burned_text import GLYPHS
from ...images.text_reader import EXTRA, TextReading, TextReadings
from .suspicion import Suspicion

MEND = "look at the examples; mask or crop text before a study, synthetic images may repeat it"
UNREAD = f"{MEND}; `{EXTRA}` tells what can be read from mere markers"


@dataclass(frozen=True)
class TextCheck:
    """Rows of the suspected images, the most telling first, and how many are of each kind (None: nothing was read)."""

    rows: np.ndarray
    readings: TextReadings | None = None

    @classmethod
    def of(cls, scores: Sequence[float] | np.ndarray, readings: Mapping[int, TextReading] | None) -> TextCheck:
        """Of `burned_text.text_score` of each image [n], and what was read in suspected ones, by row."""
        rows = np.flatnonzero(np.asarray(scores) >= GLYPHS)
        if readings is None:
            return cls(rows)
        rank = {row: (reading.kind == "marker", -reading.characters) for row, reading in readings.items()}
        ordered = sorted(rows.tolist(), key=lambda row: (*rank.get(row, (False, 0)), row))
        found = TextReadings.of(list(readings.values()), len(rows) - len(readings))
        return cls(np.array(ordered, dtype=np.int64), found)

    @property
    def harmless(self) -> bool:
        """Whether every suspected image was looked at, and none holds more than markers."""
        return self.readings is not None and self.readings.harmless

    def suspicions(self) -> list[Suspicion]:
        """The warning, unless there is no image or all are harmless."""
        if not len(self.rows) or self.harmless:
            return []
        mend = UNREAD if self.readings is None else MEND
        return [Suspicion("burned-in-text", self._sentence(), len(self.rows), mend)]

    def notes(self) -> list[str]:
        """A sentence where the reader took the suspicion away."""
        return [f"{self._sentence()}."] if len(self.rows) and self.harmless else []

    def _sentence(self) -> str:
        suspected = f"{plural(len(self.rows), 'image')} may have text burned into the pixels"
        if self.readings is None:
            return f"{suspected} (nothing was read)"
        kinds, most = self.readings.kinds, self.readings.characters
        parts = [
            (kinds.get("read", 0), f"with text that was read (up to {most} letters and digits in one)"),
            (kinds.get("unreadable", 0), "with something that could not be read"),
            (kinds.get("marker", 0), "with no more than markers such as L or R, which identify nobody"),
            (kinds.get("none", 0), "in which the reader found nothing"),
            (kinds.get("failed", 0), "in which the reader failed"),
            (self.readings.left, "not read"),
        ]
        return f"{suspected}: " + ", ".join(f"{count:,} {what}" for count, what in parts if count)

    def to_json(self) -> dict[str, int] | None:
        """Images of each kind, those `left` unread, and the most `characters` in one; None where nothing was read."""
        if self.readings is None:
            return None
        return {**self.readings.kinds, "left": self.readings.left, "characters": self.readings.characters}
