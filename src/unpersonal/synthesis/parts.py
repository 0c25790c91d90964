"""The parts of a plan on disk: `part-00000.npy` (selected images) and, written after it, `part-00000.parquet`.

The table is the mark that a part is whole; it names the plan that the part is of, and the hash of its images.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.files import atomic_path
from ..core.hashing import hash_json, sha256_file
from ..core.tensors import open_array, save_array
from .plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = Path("candidates") / "parts"
KEY = b"unpersonal"
"""Key of the facts, as JSON, in the metadata of a table of candidates."""
COLUMNS = {
    "draw": "int64",
    "source": "int64",
    "attempt": "int16",
    "candidate": "int16",
    "seed": "int64",
    "guidance": "float64",
    "score": "float64",
    "nearest": "int64",
    "flagged": "bool",
    "by": "string",
    "selected": "bool",
    "distance": "float64",
    "sha256": "string",
}
"""Columns of the ledger, and their types in Parquet."""


def schema() -> pa.Schema:
    """Names and types of the ledger's columns."""
    import pyarrow as pa

    return pa.schema([pa.field(name, pa.type_for_alias(kind), nullable=False) for name, kind in COLUMNS.items()])


@dataclass(frozen=True)
class Parts:
    """The parts of the plan of a study: part i has draws i·chunk … (i+1)·chunk - 1.

    `made_from` is a hash of all that candidates are made from besides.
    """

    study: Path
    plan: Plan
    chunk: int
    made_from: str

    def __len__(self) -> int:
        return (len(self.plan) + self.chunk - 1) // self.chunk

    @cached_property
    def key(self) -> str:
        """Hex hash of the plan and of what candidates are made from; a part is of one key."""
        return hash_json([self.plan.fingerprint, self.chunk, self.made_from])

    def draws(self, number: int) -> range:
        """The draws of a part."""
        start = number * self.chunk
        return range(start, min(start + self.chunk, len(self.plan)))

    def files(self, number: int) -> tuple[Path, Path]:
        """Where the selected images of a part are, and its table."""
        folder = self.study / FOLDER
        return folder / f"part-{number:05d}.npy", folder / f"part-{number:05d}.parquet"

    def made(self, number: int) -> bool:
        """Whether a part is there; one that is damaged, or of another plan, is an `InputError`."""
        images, table = self.files(number)
        if not table.exists():
            return False
        facts = self._facts(number)
        if facts.get("images") != (sha256_file(images) if images.is_file() else None):
            raise self._refusal("The images of a part of the candidates are missing or damaged", images, table)
        return True

    def read(self, number: int) -> pa.Table:
        """The candidates of a part; a damaged table is an `InputError`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._facts(number)
        images, path = self.files(number)
        try:
            table = pq.ParquetFile(path, page_checksum_verification=True).read()
        except (pa.ArrowException, OSError):
            raise self._refusal("A part of the candidates is damaged", images, path) from None
        draws = table.column("draw").to_numpy()
        own = self.draws(number)
        if not table.schema.equals(schema()) or (len(draws) and not own.start <= draws.min() <= draws.max() < own.stop):
            raise self._refusal("A part of the candidates holds what is not its own", images, path)
        return table

    def images(self, number: int) -> np.ndarray:
        """The selected images of a part, uint8 [m,C,H,W], memory-mapped."""
        return open_array(self.files(number)[0])

    def _facts(self, number: int) -> dict[str, Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        images, path = self.files(number)
        try:
            facts = json.loads((pq.read_schema(path).metadata or {})[KEY])
            own = facts["key"] == self.key and facts["part"] == number
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
            raise self._refusal("A part of the candidates is damaged", images, path) from None
        if not own:
            raise self._refusal("A part of the candidates is not of this plan", images, path)
        return dict(facts)

    @staticmethod
    def _refusal(what: str, images: Path, table: Path) -> InputError:
        return InputError(
            what, where=str(table), how=f"delete it and {images.name}, and run again: they are drawn anew"
        )


def save_part(
    parts: Parts, number: int, columns: dict[str, list[object]], images: np.ndarray | None
) -> tuple[Path, Path]:
    """Write a part: its selected images [m,C,H,W] (None: there are none), then its table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    array, path = parts.files(number)
    save_array(array, np.zeros((0,), np.uint8) if images is None else images)
    facts = {"key": parts.key, "part": number, "images": sha256_file(array)}
    arrays = [pa.array(columns[name], pa.type_for_alias(kind)) for name, kind in COLUMNS.items()]
    table = pa.Table.from_arrays(arrays, schema=schema())
    with atomic_path(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata({KEY: json.dumps(facts, sort_keys=True).encode()}),
            temporary,
            row_group_size=max(len(table), 1),
            write_page_checksum=True,
        )
    return array, path
