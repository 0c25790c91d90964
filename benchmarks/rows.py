"""Rows of a table in a JSON-lines file, so that a long benchmark that was killed goes on where it was."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unpersonal.core.errors import InputError
from unpersonal.core.hashing import hash_json, sha256_file

Row = dict[str, Any]


class Rows:
    """The rows of a file (None: nowhere), each under a key; `common` is part of every key.

    A last line that a kill cut off is left out, and its row is measured again. Lines that are no rows are an
    `InputError`: the file is then something else.
    """

    def __init__(self, path: Path | None, **common: Any) -> None:
        self._path, self._common = path, common
        self._rows: dict[str, Row] = {}
        for line in _whole_lines(path) if path is not None and path.is_file() else []:
            try:
                row = json.loads(line)
                self._rows[_name(row["key"])] = row
            except (KeyError, TypeError, ValueError):
                raise InputError("Not a file of rows", where=f"--out {path}", how="name another file") from None

    def all(self) -> list[Row]:
        """Every row of the file, in its order."""
        return list(self._rows.values())

    def known(self, **key: Any) -> bool:
        """Whether the row of that key was measured."""
        return _name(self._common | key) in self._rows

    def measured(self, work: Callable[[], Mapping[str, Any]], **key: Any) -> Row:
        """The row of that key: the one of the file, or what `work` gives now, with the seconds that it took."""
        whole = self._common | key
        if (found := self._rows.get(_name(whole))) is not None:
            return found
        start = time.perf_counter()
        values = dict(work())
        row = json.loads(json.dumps({"key": whole, "seconds": time.perf_counter() - start} | values))
        self._rows[_name(whole)] = row
        if self._path is not None:
            _append(self._path, json.dumps(row))
        return dict(row)


def study_key(study: Path, *files: str) -> str:
    """A short hash of files of a study: rows of another study, or of one that was made anew, are not its own."""
    return hash_json([sha256_file(study / name) for name in files])[:12]


def told(values: Any, places: int = 3) -> str:
    """A figure, with its interval where there is one."""
    listed = [values] if not isinstance(values, list) else values
    words = ["not known" if value is None else f"{value:.{places}f}" for value in listed]
    return words[0] if len(words) == 1 else f"{words[0]} ({', '.join(words[1:])})"


def _name(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)


def _whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def _append(path: Path, line: str) -> None:
    """Add a line, in the place of one that was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as stream:
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)
        stream.write(line.encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
