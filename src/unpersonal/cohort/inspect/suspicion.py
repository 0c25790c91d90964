"""Suspicions about an input: what `unpersonal init` warns of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

EXAMPLES = 3
"""Examples of one suspicion that are kept and shown."""
LONGEST_LIST = 8
"""Labels that a sentence names; the JSON has them all."""


@dataclass(frozen=True)
class Suspicion:
    """One suspicion: its kind (a fixed word), a sentence without subject or path, how many, and how to mend it."""

    kind: str
    sentence: str
    count: int
    how_to_mend: str


@dataclass
class Findings:
    """Suspicions about subjects, the subjects behind each by its kind, and sentences that only inform."""

    suspicions: list[Suspicion] = field(default_factory=list)
    examples: dict[str, list[str | list[str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, suspicion: Suspicion, examples: Sequence[str | list[str]]) -> None:
        """Take a suspicion and the first of its examples."""
        self.suspicions.append(suspicion)
        self.examples[suspicion.kind] = list(examples[:EXAMPLES])
