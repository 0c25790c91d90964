"""What `unpersonal match` says: a row for every picture, read or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .layouts.account import Account

UNREAD = "unread"
"""Stands where a matcher would: what nobody could look at is refused."""


@dataclass(frozen=True)
class MatchRow:
    """One picture: whether it would be refused, by which matcher, and the share of strangers as alike as it is.

    `matcher` is the one that strangers satisfy most seldom among those that refuse, None where none does. `subject` is
    whom that matcher saw: for the owner's eyes alone. `why` says why a picture could not be read.
    """

    file: str
    refused: bool
    matcher: str | None
    stranger_rate: float | None
    subject: str | None = None
    why: str = ""

    def to_json(self, private: bool) -> dict[str, Any]:
        """The row as JSON; with `private` it names the subject."""
        told = {
            "file": self.file,
            "refused": self.refused,
            "matcher": self.matcher,
            "stranger_rate": self.stranger_rate,
        }
        return told | {"subject": self.subject} if private else told


@dataclass(frozen=True)
class MatchResult:
    """The rows in the order of their files; `strangers` are behind every rate.

    `notes` are sentences on what was compared and what was not. `blind` are the kinds of copies that the matchers do
    not find reliably, None where that was not measured. `ignored` counts files that certainly hold no picture; `sides`
    are the accounts of the folders that were read.
    """

    rows: tuple[MatchRow, ...]
    strangers: int
    notes: tuple[str, ...]
    blind: tuple[str, ...] | None
    ignored: int
    sides: tuple[Account, ...] = ()

    @property
    def refused(self) -> tuple[MatchRow, ...]:
        """The rows of the pictures that would be refused."""
        return tuple(row for row in self.rows if row.refused)

    def to_json(self, private: bool = False) -> dict[str, Any]:
        """What `--json` prints; without `private` no subject is named."""
        by = Counter(row.matcher for row in self.refused)
        return {
            "images": len(self.rows),
            "refused": len(self.refused),
            "ignored": self.ignored,
            "by": {str(name): count for name, count in sorted(by.items(), key=lambda item: str(item[0]))},
            "sides": [side.to_json() for side in self.sides],
            "rows": [row.to_json(private) for row in self.rows],
        }
