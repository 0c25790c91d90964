"""Repetitions that a file of JSON lines remembers, so that a run that was killed goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Lines:
    """What was measured, by a key that holds all that decides it; without a `path` in memory alone."""

    path: Path | None = None
    found: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> Lines:
        """What an earlier run wrote to `path`; a last line that was cut off is left out, and measured again."""
        lines = cls(path)
        if path is not None and path.is_file():
            whole = path.read_bytes()
            kept = whole[: whole.rfind(b"\n") + 1]
            if kept != whole:
                path.write_bytes(kept)
            for line in kept.decode().splitlines():
                key, value = json.loads(line)
                lines.found[key] = value
        return lines

    def once(self, key: list[Any], make: Callable[[], Any]) -> Any:
        """The value that was measured under `key`, or that of `make`, which must be JSON."""
        name = json.dumps(key)
        if name not in self.found:
            value = json.loads(json.dumps(make()))
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps([name, value]) + "\n")
            self.found[name] = value
        return self.found[name]
