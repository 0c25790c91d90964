"""The record of a stage that ran: what it was made from, which files it wrote, and what it found."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from .errors import InputError
from .files import read_json, write_json
from .hashing import hash_json

LAYOUT = 6
"""Raised when a study's files or keys change meaning: studies of another layout are refused."""


@dataclass(frozen=True)
class StageRecord:
    """What `<stage>/stage.json` holds.

    `config` holds the seed and the tables of study.toml that the stage read; `inputs` a hash for each stage that it
    built on and for each input from outside the study; `outputs` the SHA-256 of every file it wrote, by its path in the
    study; `key` is the hash of everything that decides the outputs; `seconds` include interrupted runs.
    """

    stage: str
    key: str
    config: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    figures: dict[str, Any]
    seconds: float
    versions: dict[str, str]
    plugins: list[dict[str, str]]
    layout: int = LAYOUT

    @property
    def output_hash(self) -> str:
        """One hash over all outputs: it stands for the stage among the inputs of others.

        A plug-in that the stage used counts: others may use what it wrote through the same plug-in.
        """
        return hash_json([self.outputs, self.plugins] if self.plugins else self.outputs)

    def write(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        write_json(path, {**asdict(self), "output_hash": self.output_hash})

    @classmethod
    def read(cls, path: Path) -> StageRecord | None:
        """The record at `path`, or None where there is none; one of another layout, or broken, is an `InputError`."""
        if not path.is_file():
            return None
        values = read_json(path)
        if not isinstance(values, dict) or values.get("layout") != LAYOUT:
            raise old_layout(path)
        try:
            record = cls(**{item.name: values[item.name] for item in fields(cls)})
        except KeyError as error:
            raise InputError(
                f"A stage's record lacks {error}", where=str(path), how="delete it, and run the study again"
            ) from None
        kinds = {
            "config": dict,
            "inputs": dict,
            "outputs": dict,
            "figures": dict,
            "plugins": list,
            "seconds": float | int,
        }
        for name, kind in kinds.items():
            if not isinstance(getattr(record, name), kind):
                raise _wrong(name, path)
        if not math.isfinite(record.seconds):
            raise _wrong("seconds", path)
        named = (isinstance(plugin, dict) and {"kind", "name"} <= plugin.keys() for plugin in record.plugins)
        if not all(named):
            raise _wrong("plugins", path)
        return record


def _wrong(name: str, path: Path) -> InputError:
    how = "delete it, and run the study again"
    return InputError(f"A stage's record has a wrong {name}", where=str(path), how=how)


def old_layout(where: Path) -> InputError:
    """The refusal of a study that another version of this program made."""
    return InputError(
        "This study has the layout of an older version of unpersonal, which this version does not continue",
        where=str(where),
        how="create the study anew with `unpersonal init`, in a new folder, or run it with the version that made it",
    )
