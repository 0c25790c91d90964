"""What report.html may show of figures: aggregates only, and no text that holds a name of the cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.figures import Figures
from ..release.evidence import aggregates_only, safe_evidence
from ..release.names import withhold


@dataclass(frozen=True)
class Public:
    """Turns figures into what may be shown; `names` are the subjects and files of the cohort."""

    names: frozenset[str] = frozenset()

    def table(self, figures: Figures | None) -> dict[str, object]:
        """Figures as JSON, every table in alphabetical order, as they are published; empty where there are none."""
        return {} if figures is None else withhold(safe_evidence(_in_order(figures.to_json())), self.names)

    def texts(self, texts: Sequence[str]) -> tuple[str | None, ...]:
        """Texts; None in place of one that holds a path."""
        return tuple(None if aggregates_only(text) is None else withhold(text, self.names) for text in texts)


def _in_order(table: Mapping[str, object]) -> dict[str, object]:
    return {key: _ordered(table[key]) for key in sorted(table)}


def _ordered(value: object) -> object:
    if isinstance(value, Mapping):
        return _in_order(value)
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def inner(table: Mapping[str, object], key: str) -> dict[str, object]:
    """A table inside of a table, empty where there is none."""
    found = table.get(key)
    return dict(found) if isinstance(found, Mapping) else {}
