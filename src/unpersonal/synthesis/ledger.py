"""The ledger of every candidate and the selected images, joined out of the parts; neither enters a release.

Joining streams: no more than one part is in memory at a time, however many draws there are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.files import atomic_path
from ..core.hashing import sha256_file
from ..core.tensors import create_array, open_array
from .known import unrepeated
from .parts import KEY, Parts, schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LEDGER = Path("candidates") / "ledger.parquet"
SELECTED = Path("candidates") / "selected.npy"
TARGETS = Path("candidates") / "selected_targets.npy"
LABELS = Path("candidates") / "selected_labels.json"


def joined(parts: Parts) -> bool:
    """Whether the ledger of these parts is there, with the images that belong to it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        facts = json.loads((pq.read_schema(parts.study / LEDGER).metadata or {})[KEY])
        files = {path.name: sha256_file(parts.study / path) for path in (SELECTED, TARGETS, LABELS)}
        return bool(facts == {"key": parts.key, **files})
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return False


def join(parts: Parts, cohort: Cohort) -> None:
    """Write the selected images, their labels and, last, the ledger of all parts, which must be made."""
    unselected = repeated(parts)
    _write_selected(parts, cohort, unselected)
    files = {path.name: sha256_file(parts.study / path) for path in (SELECTED, TARGETS, LABELS)}
    _write_ledger(parts, unselected, {"key": parts.key, **files})


def repeated(parts: Parts) -> frozenset[int]:
    """Draws whose image is left out, so that no number of released images is one that is known of the cohort.

    The last draws of a label set, as few as can be.
    """
    draws = np.concatenate([_selected_draws(parts.read(number)) for number in range(len(parts))])
    found: list[int] = []
    for number, label_set in enumerate(parts.plan.label_sets):
        own = draws[parts.plan.label_set[draws] == number]
        found += own[unrepeated(len(own), label_set.known) :].tolist()
    return frozenset(found)


def _selected_draws(table: pa.Table) -> np.ndarray:
    return np.asarray(table.column("draw").to_numpy()[table.column("selected").to_numpy(zero_copy_only=False)])


def _write_selected(parts: Parts, cohort: Cohort, unselected: Collection[int]) -> None:
    """Copy the selected images of one part after the other, with their labels and targets."""
    draws = [_selected_draws(parts.read(number)) for number in range(len(parts))]
    kept = [~np.isin(own, list(unselected)) for own in draws]
    sources = [parts.plan.sources[own[keep]] for own, keep in zip(draws, kept, strict=True)]
    count, shape = sum(map(len, sources)), open_array(parts.study / "store" / "images.npy").shape[1:]
    with create_array(parts.study / SELECTED, (count, *shape), np.uint8) as images:
        start = 0
        for number, keep in enumerate(kept):
            if keep.any():
                own = parts.images(number)[keep]
                images[start : start + len(own)] = own
                start += len(own)
    every, targets = cohort.labels, cohort.targets
    with create_array(parts.study / TARGETS, (count, targets.shape[1]), np.float32) as rows:
        start = 0
        for own in sources:
            rows[start : start + len(own)] = targets[own]
            start += len(own)
    with atomic_path(parts.study / LABELS) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        stream.write("[")
        for number, row in enumerate(row for own in sources for row in own):
            stream.write((",\n " if number else "\n ") + json.dumps(every[int(row)]))
        stream.write("\n]\n")


def _write_ledger(parts: Parts, unselected: Collection[int], facts: dict[str, str]) -> None:
    """One group of rows per part; a draw of `unselected` has no selected candidate."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = {KEY: json.dumps(facts, sort_keys=True).encode()}
    with (
        atomic_path(parts.study / LEDGER) as temporary,
        pq.ParquetWriter(temporary, schema().with_metadata(metadata)) as writer,
    ):
        for number in range(len(parts)):
            table = parts.read(number)
            if unselected:
                selected = table.column("selected").to_numpy(zero_copy_only=False)
                selected = selected & ~np.isin(table.column("draw").to_numpy(), list(unselected))
                place = table.schema.get_field_index("selected")
                table = table.set_column(place, table.schema.field(place), pa.array(selected))
            if len(table):
                writer.write_table(table, row_group_size=len(table))


def ledger_groups(study: Path, columns: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """The ledger part by part, every candidate of a draw in the same one: an array for each of `columns`."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(study / LEDGER)
    for number in range(file.num_row_groups):
        table = file.read_row_group(number, columns=list(columns))
        yield {name: table.column(name).to_numpy() for name in columns}


def load_ledger(study: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Every candidate: the columns of `COLUMNS`, or those of them that are asked for.

    `draw` is a number of the plan; `source` and `nearest` are rows of the cohort; `by` is the name of the matcher that
    flagged the candidate, empty where none did, and `nearest` the image that it names, or else the re-identifier's;
    `sha256` is of the uint8 pixels. Selected rows are in the order of the selected images. The ledger links images to
    people and never enters `release/`.
    """
    import pandas as pd

    path = study / LEDGER
    try:
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except FileNotFoundError:
        raise InputError("There is no ledger", where=str(path), how="run the synthesis stage") from None
