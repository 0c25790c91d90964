"""The ledger of attempts: an append-only file, hash-chained, of every audit of a cohort.

It lies beside the stages of a study, or in the folder of the results, and survives what they clear. Each line is a
link of the chain, which may be told, and beside it what may not: hashes of the people and of the release, and the seed.
A line is written with one call under a lock; what a killed process left of a line is no line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.appended import Appended, appending
from ..core.errors import InputError
from ..core.hashing import hash_json
from ..core.places import resolved
from .chain import GENESIS, AttemptFigures, Event, Link, Seal, chain_problems, identities, link
from .figures import AuditFigures

LEDGER = "attempts.jsonl"
SHARED = "audit-attempts.jsonl"
"""The ledger of stand-alone audits, beside the folders of their results."""
PRIVATE = ("people", "config", "seed", "release")


@dataclass(frozen=True)
class Attempt:
    """All that decides an audit: hashes of train and control people, configuration and released images; the seed."""

    people: str
    config: str
    seed: int
    release: str

    @property
    def identity(self) -> str:
        """One hash over them. Whoever does not know all of them, every image among them, cannot make it."""
        return hash_json(asdict(self))


@dataclass(frozen=True)
class _Line:
    link: Link
    private: Mapping[str, Any]

    @property
    def people(self) -> str:
        return str(self.private["people"])

    @property
    def release(self) -> str:
        return str(self.private["release"])


class Ledger:
    """The ledger at `path`. With `people`, a hash, attempts on these people count; without, all of the file."""

    def __init__(self, path: Path, people: str | None = None) -> None:
        self.path, self._people = path, people

    def links(self) -> tuple[Link, ...]:
        """The whole chain; a ledger that is no chain of lines is an `InputError`."""
        return tuple(line.link for line in _parse(self._bytes(), self.path))

    def problems(self) -> list[str]:
        """What is wrong with the ledger."""
        try:
            lines = _parse(self._bytes(), self.path)
        except InputError as error:
            return [error.what]
        problems = chain_problems([line.link for line in lines])
        for number, line in enumerate(lines, 1):
            if line.link.event != "shortened" and Attempt(**line.private).identity != line.link.identity:
                problems.append(f"line {number} was altered")
        return problems

    def begin(self, attempt: Attempt, known: int = 0, sealed: float = 0.0) -> int:
        """Note that `attempt` began; which one it is, from 1. The same attempt again is none, and has its number.

        `sealed` is the share of control that it does not see, or will see alone, and `known` how many attempts others
        remember: a ledger with fewer says so for ever.
        """
        with self._locked() as file:
            if len(file.attempts(self._people)) < known:
                file.add("shortened", "", dict.fromkeys(PRIVATE, ""))
            if attempt.identity not in file.attempts(self._people):
                file.add("begun", attempt.identity, asdict(attempt), sealed=sealed)
            return file.attempts(self._people).index(attempt.identity) + 1

    def unseal(self, attempt: Attempt, sealed: float = 0.0) -> bool:
        """Open the sealed part of control for the release of `attempt`; False where another has opened it."""
        with self._locked() as file:
            opened = [line for line in file.of(self._people) if line.link.event == "opened"]
            if not opened:
                file.add("opened", attempt.identity, asdict(attempt), sealed=sealed)
            return all(line.release == attempt.release for line in opened)

    def opened(self) -> bool:
        """Whether the sealed part of control was opened; not as far as a broken ledger can tell."""
        try:
            return any(each.event == "opened" for each in self.links())
        except InputError:
            return False

    def end(self, attempt: Attempt, figures: AuditFigures, seal: Seal, alpha: float) -> AttemptFigures:
        """Note the verdict and the bounds of an attempt that began, once; what `figures` may tell of all attempts."""
        with self._locked() as file:
            given = figures.verdict, bounds_of(figures)
            ended = [each.link for each in file.lines if each.link.event == "ended"]
            if not any(each.identity == attempt.identity and (each.verdict, each.bounds) == given for each in ended):
                file.add("ended", attempt.identity, asdict(attempt), *given)
            return AttemptFigures(
                attempts=len(file.attempts(self._people)),
                identity=attempt.identity,
                alpha=alpha,
                seal=seal,
                ledger=tuple(line.link for line in file.of(self._people)),
            )

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise InputError(
                f"The ledger of attempts cannot be read ({error.strerror})", where=str(self.path), how=RESTORE
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[_Locked]:
        """The ledger for this process alone."""
        with appending(self.path, "attempts") as file:
            yield _Locked(file, self.path)


class _Locked:
    """The lines of a ledger that no other process may touch now."""

    def __init__(self, file: Appended, path: Path) -> None:
        self._file, self.lines = file, _parse(file.data, path)

    def of(self, people: str | None) -> list[_Line]:
        return [line for line in self.lines if people in (None, line.people)]

    def attempts(self, people: str | None) -> tuple[str, ...]:
        return identities([line.link for line in self.of(people)])

    def add(
        self,
        event: Event,
        identity: str,
        private: Mapping[str, Any],
        verdict: str | None = None,
        bounds: dict[str, float] | None = None,
        sealed: float | None = None,
    ) -> None:
        previous = self.lines[-1].link.hash if self.lines else GENESIS
        share = None if sealed is None else float(sealed)
        new = _Line(link(event, identity, previous, verdict, bounds, share), dict(private))
        data = json.dumps({**new.link.to_json(), **new.private}, sort_keys=True, allow_nan=False).encode() + b"\n"
        self._file.add(data)
        self.lines.append(new)


RESTORE = "restore it from a backup: without it nobody knows how often this cohort was audited"


def _parse(data: bytes, path: Path) -> list[_Line]:
    lines = []
    for number, text in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            values = json.loads(text)
            private = {name: values.pop(name) for name in PRIVATE}
            lines.append(_Line(Link.from_json(values, where=str(path)), private))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError):
            raise InputError(
                f"The ledger of attempts is broken (line {number})", where=str(path), how=RESTORE
            ) from None
    return lines


def shared_ledger(out: Path, people: str) -> Ledger:
    """The ledger of stand-alone audits whose results lie in folders beside `out`, one for each of them.

    Who writes to another folder each time still tries again. Where nothing can be written beside `out`, or an older
    ledger lies within, it is the one within.
    """
    place = resolved(out)
    within, beside = place / LEDGER, place.parent / SHARED
    kept = within.is_file() and not beside.is_file()
    writable = os.access(beside if beside.exists() else beside.parent, os.W_OK) or not beside.parent.exists()
    return Ledger(within if kept or not writable else beside, people)


def bounds_of(figures: AuditFigures) -> dict[str, float]:
    """The upper bounds of the primary figures of an audit, by their names."""
    rows = {re.sub(r"[^a-z0-9]+", "_", row.name): row.upper for row in figures.primary or ()}
    return {f"{name}_upper": upper for name, upper in rows.items()}


def remembered(figures: Mapping[str, Any] | None) -> int:
    """How many attempts the recorded figures of an earlier audit tell of; 0 where they cannot be read."""
    told = (figures or {}).get("attempts")
    count = told.get("attempts") if isinstance(told, Mapping) else None
    return count if isinstance(count, int) else 0


def study_problems(study: Path, figures: AuditFigures | None) -> list[str]:
    """Why the ledger of a study does not carry a release of which the audit found `figures`."""
    if figures is None or figures.attempts is None:
        return []
    ledger = Ledger(study / LEDGER)
    problems = ledger.problems()
    if not problems and ledger.links() != figures.attempts.ledger:
        problems.append("it has other attempts than the audit tells of")
    return [f"{LEDGER}: {problem}" for problem in problems]
