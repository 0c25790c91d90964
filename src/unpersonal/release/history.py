"""How many releases a cohort has had: an append-only ledger beside the stages of a study, chained by hashes.

Security against singling out does not compose: the bounds of two releases hold for each alone, and what they tell
together nobody audited. So releases are counted. The same images with the same labels are the same release, whatever
is written around them; a release that was withdrawn stays counted, for it was given away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..cohort.soft_labels import SoftLabels
from ..core.chained import Chained
from ..core.errors import InputError
from ..core.figures import Figures, absent
from .lock import pixel_hash
from .place import Place

PUBLISHED = "published.jsonl"
CHAIN = ("previous", "hash")
"""What chains a line to the one before it."""
RESTORE = (
    f"restore {PUBLISHED} and published.head.json from a backup: without them nobody knows how many releases this"
    " cohort has had"
)


@dataclass(frozen=True, kw_only=True)
class Entry(Figures):
    """One line: a release was published, or withdrawn, with the hashes of its content and of its manifest.json."""

    event: Literal["released", "withdrawn"]
    content: str
    manifest_sha256: str
    predecessor: str | None = absent()
    """The manifest.json of the release before it, where there was one."""
    reason: str | None = absent()
    """Why it was withdrawn."""


def content_hash(images: np.ndarray, labels: Sequence[Sequence[str]], soft: SoftLabels | None) -> str:
    """Hex SHA-256 of a release's images uint8 [m,C,H,W] with their labels, whatever their order and names."""
    rows: list[list[int]] = [[]] * len(images) if soft is None else soft.thousandths.tolist()
    lines = sorted(
        json.dumps([pixel_hash(image), sorted(names), row])
        for image, names, row in zip(images, labels, rows, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class History:
    """The releases of the study at `study`."""

    def __init__(self, study: Path) -> None:
        self.path = study / PUBLISHED
        self._ledger = Chained(self.path, "releases")

    def entries(self) -> tuple[Entry, ...]:
        """Every line; a ledger that is broken, was altered, or lacks lines that it had is an `InputError`."""
        with self._broken():
            return self._read(self._ledger.read().entries)

    def place(self, content: str) -> Place:
        """Where the release with the hash `content` stands, or would stand."""
        return _place(self.entries(), content)

    def withdrawn(self) -> dict[str, str]:
        """Why releases were withdrawn, by the hashes of their content."""
        return {each.content: each.reason or "" for each in self.entries() if each.event == "withdrawn"}

    def also_published(self, manifest_sha256: str) -> tuple[str, ...]:
        """The other manifests that were published around the images and labels of that one, in order of their hash."""
        released = [each for each in self.entries() if each.event == "released"]
        contents = {each.content for each in released if each.manifest_sha256 == manifest_sha256}
        return tuple(
            sorted({each.manifest_sha256 for each in released if each.content in contents} - {manifest_sha256})
        )

    def publish(self, content: str, manifest_sha256: str) -> None:
        """Note a release, before it is where others find it. The same again is noted once."""
        with self._broken(), self._ledger.open() as file:
            entries = self._read(file.entries)
            if any(_is(each, "released", content, manifest_sha256) for each in entries):
                return
            predecessor = _place(entries, content).predecessor
            new = Entry(event="released", content=content, manifest_sha256=manifest_sha256, predecessor=predecessor)
            file.add(new.to_json())

    def withdraw(self, manifest_sha256: str, reason: str) -> None:
        """Note that a release was withdrawn; one that was not published here is an `InputError`."""
        with self._broken(), self._ledger.open() as file:
            entries = self._read(file.entries)
            found = [each.content for each in entries if each.manifest_sha256 == manifest_sha256]
            if not found:
                what = f"The release is not in the ledger of releases ({manifest_sha256[:12]}…)"
                raise InputError(what, where=str(self.path), how=RESTORE)
            if not any(each.event == "withdrawn" and each.content == found[0] for each in entries):
                new = Entry(event="withdrawn", content=found[0], manifest_sha256=manifest_sha256, reason=reason)
                file.add(new.to_json())

    def check(self, known: int) -> None:
        """An `InputError` where it is broken, or has fewer releases than the `known` of which the study tells."""
        if (count := len(_order(self.entries()))) < known:
            what = f"The ledger of releases has {count} where the study tells of {known}"
            raise InputError(what, where=str(self.path), how=RESTORE)

    def _read(self, entries: Sequence[Mapping[str, Any]]) -> tuple[Entry, ...]:
        ours = [each for each in entries if each.get("event") != "mended"]
        told = [{key: each[key] for key in each if key not in CHAIN} for each in ours]
        return tuple(Entry.from_json(each, where=str(self.path)) for each in told)

    @contextmanager
    def _broken(self) -> Iterator[None]:
        # a writer makes the ledger before its journal
        if self._ledger.journal.is_file() and not self.path.is_file():
            raise InputError("The ledger of releases is missing", where=str(self.path), how=RESTORE)
        try:
            yield
        except InputError as error:
            raise InputError(
                error.what, where=error.where, how=RESTORE if "ledger" in error.what else error.how
            ) from None


def _is(entry: Entry, event: str, content: str, manifest_sha256: str) -> bool:
    return (entry.event, entry.content, entry.manifest_sha256) == (event, content, manifest_sha256)


def _order(entries: Sequence[Entry]) -> list[str]:
    """Every release once, by the hash of its content, in the order in which they were published."""
    return list(dict.fromkeys(each.content for each in entries if each.event == "released"))


def _place(entries: Sequence[Entry], content: str) -> Place:
    order = _order(entries)
    first = next((each for each in entries if each.event == "released" and each.content == content), None)
    if first is not None:
        return Place(number=order.index(content) + 1, predecessor=first.predecessor)
    last = [each.manifest_sha256 for each in entries if each.event == "released"]
    return Place(number=len(order) + 1, predecessor=last[-1] if last else None)
