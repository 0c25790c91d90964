"""The course of a training for people's eyes: metrics.jsonl and TensorBoard events, in `logs/` of the study.

They hold clock times and rates, hence are not among what a stage is checked by; `history.json` is.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = "logs"


class Logbook:
    """Appends rows of one training to `folder`; rows of steps that a resumed run repeats are dropped first."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._jsonl = folder / f"{name}.metrics.jsonl"
        self._writer: Any = None
        self._begun = False

    def write(self, row: dict[str, float], rate: float) -> None:
        """Take in a history row (its `step` and scalars) and the images per second since the last one."""
        if not self._begun:
            self._begin(row["step"])
        line = {**row, "images_per_second": round(rate, 3)}
        with open(self._jsonl, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, sort_keys=True) + "\n")
        if self._writer is not None:
            for key, value in line.items():
                if key != "step":
                    self._writer.add_scalar(f"{self.name}/{key}", value, int(row["step"]))
            self._writer.flush()

    def close(self) -> None:
        """Close the events file."""
        if self._writer is not None:
            self._writer.close()

    def _begin(self, step: float) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        earlier = _rows_before(self._jsonl, step)
        temporary = self._jsonl.with_suffix(".tmp")
        temporary.write_text("".join(f"{line}\n" for line in earlier), encoding="utf-8")
        os.replace(temporary, self._jsonl)
        self._writer = _events(self.folder / "events" / self.name, int(step))
        self._begun = True


def _rows_before(path: Path, step: float) -> list[str]:
    """The lines of a file of rows that come before `step`; what a kill left half-written is dropped."""
    if not path.is_file():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] < step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    return kept


def _events(folder: Path, step: int) -> Any:
    """A writer of TensorBoard events, or None where the package is absent."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step)
