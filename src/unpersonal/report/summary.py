"""What summary.json holds: the figures of all stages, how long they took, and whether there is a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InputError
from ..core.figures import Figures, absent
from ..core.records import StageRecord
from ..release.figures import ReleaseFigures, StudyFigures


@dataclass(frozen=True, kw_only=True)
class Outcome(Figures):
    """Whether there is a release, its figures, and the reasons why the last run refused one."""

    released: bool
    reasons: tuple[str, ...]
    images: int | None = absent()
    files: int | None = absent()
    bytes: int | None = absent()
    shortfalls: tuple[str, ...] | None = absent()

    @classmethod
    def of(cls, figures: ReleaseFigures | None, *, released: bool, reasons: tuple[str, ...]) -> Outcome:
        """The outcome of a release stage with these `figures`; None where it has not run to its end."""
        if figures is None:
            return cls(released=released, reasons=reasons)
        return cls(
            released=released,
            reasons=reasons,
            images=figures.images,
            files=figures.files,
            bytes=figures.bytes,
            shortfalls=figures.shortfalls,
        )


@dataclass(frozen=True, kw_only=True)
class Summary(Mapping[str, Any]):
    """The figures of a study: `seconds` of every stage that ran, by its name, and what each of them found.

    `summary["audit"]` is what `to_json` has under that key.
    """

    seed: int
    outcome: Outcome
    figures: StudyFigures = field(default_factory=StudyFigures)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def recorded(
        cls, records: Mapping[str, StageRecord], *, seed: int, released: bool, reasons: tuple[str, ...]
    ) -> Summary:
        """What the stages recorded, by their names; `released` says whether a release lies in the study."""
        record = records.get("release")
        figures = None if record is None else ReleaseFigures.from_json(record.figures, where="the record of release")
        return cls(
            seed=seed,
            outcome=Outcome.of(figures, released=released, reasons=reasons),
            figures=StudyFigures.recorded(records),
            seconds={name: record.seconds for name, record in records.items()},
        )

    @classmethod
    def from_json(cls, values: object, *, where: str) -> Summary:
        """What `to_json` gave; anything else is an `InputError`. Settings and plug-ins are not part of it."""
        if not isinstance(values, Mapping):
            raise InputError("A summary is no table", where=where, how="run the study again")
        own = ("seed", "seconds", "release")
        head = _Head.from_json({key: values[key] for key in own if key in values}, where=where)
        figures = StudyFigures.from_json({key: values[key] for key in values if key not in own}, where=where)
        return cls(seed=head.seed, outcome=head.release, figures=figures, seconds=head.seconds)

    def __getitem__(self, key: str) -> Any:
        return self.to_json()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_json())

    def __len__(self) -> int:
        return len(self.to_json())

    def to_json(self) -> dict[str, object]:
        """The summary as JSON: a key for every stage that ran; `metrics` beside `utility`."""
        head = _Head(seed=self.seed, seconds=dict(self.seconds), release=self.outcome)
        return {**head.to_json(), **self.figures.to_json()}


@dataclass(frozen=True, kw_only=True)
class _Head(Figures):
    """What is in a summary whatever ran."""

    seed: int
    seconds: dict[str, float]
    release: Outcome
