"""An append-only ledger of JSON objects, one a line, each chained by a hash to the one before.

The next line is first written to a journal beside the ledger, `<name>.head.json`, which is whole or absent; then to the
ledger. Whatever moment a process is killed at, a line that was promised is in one of the two. The journal also
remembers how many lines there were: a ledger that has lost more than its last line is broken, and never a short one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .appended import Appended, appending
from .errors import InputError
from .files import read_json, write_json
from .hashing import hash_json

GENESIS = "0" * 64
"""What the first line has for the hash of the one before it."""
Entry = dict[str, Any]


@dataclass(frozen=True)
class Lines:
    """What a ledger holds: its `entries`, and what of the file is not as it should be.

    `pending` is the last entry where the ledger itself lacks it, or has a part of it: the journal has it whole. `torn`
    is text behind the last line that nobody promised.
    """

    entries: tuple[Entry, ...] = ()
    pending: Entry | None = None
    torn: str = ""


class Chained:
    """The ledger at `path`; `what` it records is named by messages ("decisions of a review")."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what

    @property
    def journal(self) -> Path:
        """Where the last entry lies a second time, with the number of lines."""
        return self.path.with_name(f"{self.path.stem}.head.json")

    def read(self) -> Lines:
        """All entries; a ledger that was altered, or lacks lines that it had, is an `InputError`.

        Where there is none there are no entries.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise self._broken(f"cannot be read ({error.strerror})") from None
        return self._lines(data)

    @contextmanager
    def open(self) -> Iterator[Open]:
        """The ledger for this process alone, to add to; what was interrupted is mended first."""
        with appending(self.path, self.what) as file:
            yield Open(self, file, self._lines(file.data + file.torn))

    def _lines(self, data: bytes) -> Lines:
        end = data.rfind(b"\n") + 1
        entries, torn = self._parsed(data[:end]), data[end:]
        head = self._head()
        if head is None:
            return Lines(entries, None, torn.decode("utf-8", "replace"))
        count, last = head
        if count == len(entries) + 1 and last["previous"] == _last_hash(entries) and _line(last).startswith(torn):
            return Lines((*entries, last), last, "")
        if count > len(entries) or (count and entries[count - 1] != last):
            raise self._broken("lacks lines that it had")
        return Lines(entries, None, torn.decode("utf-8", "replace"))

    def _parsed(self, data: bytes) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        for number, text in enumerate(data.split(b"\n")[:-1], 1):
            try:
                entry = json.loads(text)
                whole = isinstance(entry, dict) and entry.get("hash") == _hash(entry)
            except (ValueError, RecursionError):
                raise self._broken(f"is broken (line {number})") from None
            if not whole:
                raise self._broken(f"was altered (line {number})")
            if entry.get("previous") != _last_hash(entries):
                raise self._broken(f"is no chain any more (line {number} does not follow the one before it)")
            entries.append(entry)
        return tuple(entries)

    def _head(self) -> tuple[int, Entry] | None:
        """The number of lines and the last of them, as the journal has them; None where there is no journal."""
        if not self.journal.is_file():
            return None
        try:
            value = read_json(self.journal)
            count, last = value["count"], value["last"]
            whole = type(count) is int and count > 0 and last["hash"] == _hash(last)
        except (InputError, KeyError, TypeError):
            whole = False
        if not whole:
            raise self._broken("has a broken journal beside it")
        return count, last

    def _broken(self, how: str) -> InputError:
        return InputError(
            f"The ledger of {self.what} {how}",
            where=str(self.path),
            how=f"restore it and {self.journal.name} from a backup: without it nobody knows what was decided",
        )


class Open:
    """A ledger that no other process may touch now. `mended` says what an interrupted writer had left, if anything."""

    def __init__(self, ledger: Chained, file: Appended, lines: Lines) -> None:
        self._ledger, self._file, self.entries = ledger, file, list(lines.entries)
        self.mended = ""
        if lines.pending is not None:
            self.mended = "its last line was torn, and is whole again: nothing was lost"
            file.add(_line(lines.pending))
        elif lines.torn:
            self.mended = "its last line was torn, and nobody had been told that it was saved; it is kept as a remark"
            self.add({"event": "mended", "torn": lines.torn})

    def add(self, values: Mapping[str, Any]) -> Entry:
        """Chain an entry to the last one; when this returns it is on the disk."""
        entry = {**values, "previous": _last_hash(self.entries)}
        entry["hash"] = _hash(entry)
        line = _line(entry)
        write_json(self._ledger.journal, {"count": len(self.entries) + 1, "last": entry})
        self._file.add(line)
        self.entries.append(entry)
        return entry


def _hash(entry: Mapping[str, Any]) -> str:
    """The hash that an entry must have."""
    return hash_json({key: value for key, value in entry.items() if key != "hash"})


def _last_hash(entries: list[Entry] | tuple[Entry, ...]) -> str:
    return str(entries[-1]["hash"]) if entries else GENESIS


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, allow_nan=False).encode() + b"\n"
