"""The cohort: one row per image, with its subject, labels, split and content hash; row order is that of every array."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.files import atomic_path
from .dealing import CONTROL, SPLITS, Dealing
from .strata import halve, subject_strata

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image", "subject", "labels", "split", "sha256")
HALVES = {
    "val-stop": ("val", 0),
    "val-calibration": ("val", 1),
    "aux-network": ("aux", 0),
    "aux-weights": ("aux", 1),
}
METADATA_KEY = b"unpersonal"


@dataclass(frozen=True)
class Cohort:
    """Images × subjects × labels × split of one study.

    `table` has the columns `image` (str, relative path with `/`), `subject` (str), `labels` (list[str]), `split`
    (train, val, aux, test, or control) and `sha256` (str, of the file's content), with a plain 0..n-1 index. `classes`
    fixes the order of the columns of `targets`; `seed` is that of the halves of val and aux; `colour` says whether the
    images carry colour (most of the images have channels that differ). `unlabelled` are images of train that nobody
    labelled: their `labels` are empty, which for all others means that none is present. `dealing` says how the splits
    came about.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    seed: int = 0
    colour: bool = False
    unlabelled: frozenset[str] = frozenset()
    dealing: Dealing = field(default_factory=Dealing)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def subjects(self) -> np.ndarray:
        """Subject of every row, object array [n] of str."""
        return self.table["subject"].to_numpy(dtype=object)

    @property
    def splits(self) -> np.ndarray:
        """Split of every row, object array [n] of str."""
        return self.table["split"].to_numpy(dtype=object)

    @property
    def labelled(self) -> np.ndarray:
        """Whether the labels of each row were given, bool [n]."""
        if not self.unlabelled:
            return np.ones(len(self), dtype=bool)
        return ~self.table["image"].isin(self.unlabelled).to_numpy(dtype=bool)

    @property
    def labels(self) -> list[list[str]]:
        """Labels of every row, in the order of `classes`."""
        order = {name: i for i, name in enumerate(self.classes)}
        return [sorted((str(label) for label in labels), key=order.__getitem__) for labels in self.table["labels"]]

    @property
    def targets(self) -> np.ndarray:
        """Multi-hot labels, float32 [n, C], columns in the order of `classes`."""
        column = {name: i for i, name in enumerate(self.classes)}
        targets = np.zeros((len(self), len(self.classes)), dtype=np.float32)
        for row, labels in enumerate(self.table["labels"]):
            targets[row, [column[str(label)] for label in labels]] = 1.0
        return targets

    def rows(self, subset: str) -> np.ndarray:
        """Row numbers int64, ascending, of a split (train, val, aux, test, control) or of a half of one.

        Halves are made of whole subjects, stratified by label: `val-stop` (early stopping), `val-calibration`
        (thresholds), `aux-network` (the auditor's networks), `aux-weights` (predicate weights). An unknown subset is a
        `KeyError`.
        """
        if subset in (*SPLITS, CONTROL):
            return np.flatnonzero(self.splits == subset).astype(np.int64)
        if subset not in HALVES:
            raise KeyError(f"no subset {subset!r}; subsets are {', '.join((*SPLITS, *HALVES))}")
        split, half = HALVES[subset]
        rows = np.flatnonzero(self.splits == split)
        subjects = self.subjects[rows]
        labels = self.table["labels"].to_numpy()[rows]
        second = halve(subject_strata(subjects, [[str(x) for x in row] for row in labels]), self.seed, split)
        keep = np.fromiter((second[subject] == half for subject in subjects), dtype=bool, count=len(rows))
        return rows[keep].astype(np.int64)

    def _given_labels(self) -> list[list[str] | None]:
        """Labels of every row as they are written; None where nobody gave any."""
        rows = zip(self.table["labels"], self.labelled, strict=True)
        return [[str(x) for x in row] if labelled else None for row, labelled in rows]

    def save(self, study: Path) -> None:
        """Write `study/cohort.parquet` atomically; all that is no column travels in the file's metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        facts = {"classes": list(self.classes), "seed": self.seed, "colour": self.colour}
        facts["dealing"] = self.dealing.to_json()
        arrays = [
            pa.array(self._given_labels(), pa.list_(pa.string()))
            if name == "labels"
            else pa.array([str(x) for x in self.table[name]], pa.string())
            for name in COLUMNS
        ]
        table = pa.table(arrays, names=list(COLUMNS)).replace_schema_metadata(
            {METADATA_KEY: json.dumps(facts).encode()}
        )
        with atomic_path(study / "cohort.parquet") as temporary:
            pq.write_table(table, temporary)


def load_cohort(study: Path) -> Cohort:
    """Read `study/cohort.parquet`; a missing or broken file is an `InputError`."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = study / "cohort.parquet"
    if not path.is_file():
        raise InputError("The study has no cohort yet", where=str(path), how="run the cohort stage")
    try:
        table = pq.ParquetFile(path).read()
        facts = json.loads((table.schema.metadata or {})[METADATA_KEY])
        frame = pd.DataFrame({name: table.column(name).to_pylist() for name in COLUMNS})
        bare = [row is None for row in table.column("labels").to_pylist()]
        frame["labels"] = [[] if none else row for none, row in zip(bare, frame["labels"], strict=True)]
        unlabelled = frozenset(frame["image"][bare])
        classes, seed, colour = tuple(facts["classes"]), int(facts["seed"]), bool(facts["colour"])
        dealing = Dealing.from_json(facts["dealing"], where=str(path))
        _check_values(frame, facts["classes"])
        if not set(frame["split"][bare]) <= {"train"}:
            raise ValueError("an image outside train has no labels")
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The cohort file cannot be read ({type(error).__name__}: {error})",
            where=str(path),
            how="delete it and run the cohort stage again",
        ) from None
    return Cohort(frame, classes, seed, colour, unlabelled, dealing)


def _check_values(frame: pd.DataFrame, classes: Any) -> None:
    """`ValueError` where a value is none that `Cohort.save` writes."""
    texts = [value for name in COLUMNS if name != "labels" for value in frame[name]]
    if not isinstance(classes, list) or not all(isinstance(text, str) for text in (*texts, *classes)):
        raise ValueError("a value is no text")
    if not set(frame["split"]) <= {*SPLITS, CONTROL}:
        raise ValueError("a split is none that there is")
    if not all(isinstance(row, list) and all(label in classes for label in row) for row in frame["labels"]):
        raise ValueError("a label is not among the classes")
