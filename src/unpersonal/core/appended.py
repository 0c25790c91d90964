"""An append-only file of lines, for one process at a time: each line is written with one call, and synced."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import InputError
from .files import free_space_for
from .places import writing


class Appended:
    """A file of lines that no other process may touch now.

    `data` are its whole lines, and `torn` what a killed process left of a line behind them, which is no line.
    """

    def __init__(self, stream: BinaryIO, data: bytes) -> None:
        self._stream, self._end = stream, data.rfind(b"\n") + 1
        self.data, self.torn = data[: self._end], data[self._end :]

    def add(self, line: bytes) -> None:
        """Write a line, which ends in a line break, in place of what is torn; all of it or, with an `OSError`, none."""
        self._stream.truncate(self._end)
        try:
            written = self._stream.write(line)
            os.fsync(self._stream.fileno())
        except OSError:
            self._stream.truncate(self._end)
            raise
        if written != len(line):
            self._stream.truncate(self._end)
            raise OSError(28, os.strerror(28))
        self._end += len(line)
        self.torn = b""


@contextmanager
def appending(path: Path, what: str) -> Iterator[Appended]:
    """The file at `path`, made where it is absent, for this process alone.

    `what` stands in it, and could be lost where the file system cannot lock files: an `InputError`, as is a place that
    cannot be written.
    """
    with writing(path), free_space_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b", buffering=0) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX)
            except OSError as error:
                raise InputError(
                    f"The file system cannot lock files ({error.strerror}), so that {what} could be lost from their "
                    "ledger",
                    where=str(path),
                    how="write to a local disk, or have this one mounted with locks (Lustre: -o flock)",
                ) from None
            stream.seek(0)
            yield Appended(stream, stream.read())
