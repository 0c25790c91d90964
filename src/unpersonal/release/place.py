"""Where a release stands among those of its cohort, and what that means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.figures import Figures, absent, called


@dataclass(frozen=True, kw_only=True)
class Place(Figures):
    """Where a release stands among those of its cohort: which one it is, from 1, and which was published before it."""

    number: int = called("releases")
    predecessor: str | None = absent()

    def told(self) -> dict[str, Any]:
        """What manifest and evidence tell; the number as text, as all settings that count no people."""
        return {**self.to_json(), "releases": str(self.number)}


def statement(place: Place | None) -> str:
    """What card and shortfalls say of a release that is not the first of its cohort; empty for the first."""
    if place is None or place.number < 2:
        return ""
    return (
        f"This is release {place.number} of this cohort. Security against singling out does not compose: each bound"
        f" holds for one release alone, and what {place.number} releases tell together was not audited."
    )


def number_told(told: object) -> int | None:
    """Which release of its cohort a history tells that it is; None where it tells none."""
    count = told.get("releases") if isinstance(told, Mapping) else None
    return int(count) if isinstance(count, str) and re.fullmatch("[1-9][0-9]{0,5}", count) else None


def place_problems(told: object, evidence: object) -> list[str]:
    """What is wrong with what a manifest has `told` of the releases before, beside its parsed evidence."""
    found = evidence.get("history") if isinstance(evidence, Mapping) else None
    if told is None and found is None:
        return []
    if found != told:
        return ["manifest.json: history: not what evidence.json tells of the releases before"]
    count, predecessor = (told.get(name) if isinstance(told, Mapping) else None for name in ("releases", "predecessor"))
    known = predecessor is None or (isinstance(predecessor, str) and re.fullmatch("[0-9a-f]{64}", predecessor))
    if number_told(told) and known and (count == "1") == (predecessor is None):
        return []
    return ["manifest.json: history: not what a release tells of those before it"]
