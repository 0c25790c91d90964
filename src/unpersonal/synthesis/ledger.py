"""The ledger of every candidate, joined out of the shards of the chunks; it never enters a release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.files import atomic_path, write_json
from ..core.seeds import numpy_rng
from ..core.tensors import load_tensors, open_array, save_array
from ..metrics.intervals import subject_bootstrap
from .figures import SynthesisFigures

if TYPE_CHECKING:
    import pandas as pd

MATCHERS = "matchers"
"""Key of a shard's metadata: the names, as JSON, of the matchers that its column `by` numbers."""
COLUMNS = (
    "source",
    "attempt",
    "candidate",
    "seed",
    "guidance",
    "score",
    "nearest",
    "flagged",
    "by",
    "selected",
    "distance",
)


def collect(study: Path, cohort: Cohort, sources: list[int], shards: list[Path], seed: int) -> SynthesisFigures:
    """Join the shards into the ledger and the selected images, write both, and count.

    Two candidates with one seed are a `RuntimeError`.
    """
    ledger, images = join_shards(shards)
    if ledger["seed"].duplicated().any():
        raise RuntimeError("two candidates share a seed")
    folder = study / "candidates"
    chosen = ledger.loc[ledger["selected"], "source"].to_numpy()
    shape = (0, *open_array(study / "store" / "images.npy").shape[1:])
    save_array(folder / "selected.npy", np.concatenate(images) if images else np.zeros(shape, np.uint8))
    save_array(folder / "selected_targets.npy", cohort.targets[chosen])
    write_json(folder / "selected_labels.json", [list(cohort.table["labels"].iloc[int(row)]) for row in chosen])
    write_ledger(folder / "ledger.parquet", ledger)
    return rates(ledger, cohort, len(sources), seed)


def join_shards(shards: list[Path]) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """The ledger's table and the selected images, by shard; no candidate at all is an `InputError`."""
    import pandas as pd

    frames, images = [], []
    for path in shards:
        tensors, metadata = load_tensors(path)
        if not len(tensors["source"]):
            continue
        frame = pd.DataFrame({name: tensors[name].numpy() for name in COLUMNS})
        matchers = np.array(["", *json.loads(metadata[MATCHERS])], dtype=object)
        frame["by"] = matchers[frame["by"].to_numpy() + 1]
        frame["sha256"] = [bytes(row.tolist()).hex() for row in tensors["sha256"]]
        frames.append(frame)
        if len(tensors["images"]):
            images.append(tensors["images"].numpy())
    if not frames:
        raise InputError(
            "No source shares its labels with enough other subjects, so no condition can be blended",
            where="synthesis",
            how="give each label at least two labelled train subjects, or lower [synthesis] blend",
        )
    return pd.concat(frames, ignore_index=True), images


def write_ledger(path: Path, ledger: pd.DataFrame) -> None:
    """Write the ledger as Parquet, atomically."""
    with atomic_path(path) as temporary:
        ledger.to_parquet(temporary, index=False)


def load_ledger(study: Path) -> pd.DataFrame:
    """Every candidate: the columns of `COLUMNS`, and sha256.

    `source` and `nearest` are rows of the cohort; `by` is the name of the matcher that flagged the candidate, empty
    where none did, and `nearest` the image that it names, or else the re-identifier; `sha256` is of the uint8 pixels.
    Selected rows are in the order of the selected images. The ledger links images to people and never enters
    `release/`.
    """
    import pandas as pd

    path = study / "candidates" / "ledger.parquet"
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise InputError("There is no ledger", where=str(path), how="run the synthesis stage") from None


def rates(ledger: pd.DataFrame, cohort: Cohort, sources: int, seed: int) -> SynthesisFigures:
    """Counts, and the match rate of the first draws with a two-sided 95 % interval over source subjects.

    Redraws are left out of the rate: they happen only where the first draw failed, and would bias it upwards.
    """
    first = ledger[ledger["attempt"] == 0]
    flagged = first["flagged"].to_numpy()
    subjects = cohort.subjects[first["source"].to_numpy()]
    replicates = subject_bootstrap(
        subjects, lambda rows: float(flagged[rows].mean()), replicates=1000, rng=numpy_rng(seed, "match rate")
    )
    released = int(ledger["selected"].sum())
    chosen = ledger.loc[ledger["selected"], "source"].to_numpy()
    low, high = (float(value) for value in np.quantile(replicates, (0.025, 0.975)))
    return SynthesisFigures(
        sources=sources,
        candidates=len(ledger),
        released=released,
        sources_without_image=sources - released,
        match_rate_before_gate=float(flagged.mean()),
        match_rate_interval=(low, high),
        match_rate_by_matcher=shares(first["by"].to_numpy()[flagged], len(first)),
        match_rate_by_split=shares(cohort.splits[first["nearest"].to_numpy()[flagged]], len(first)),
        match_rate_all_attempts=float(ledger["flagged"].mean()),
        attempts_mean=float(ledger.groupby("source")["attempt"].max().add(1).mean()),
        released_with_predicted_labels=None if cohort.labelled.all() else int((~cohort.labelled[chosen]).sum()),
    )


def shares(names: np.ndarray, total: int) -> dict[str, float]:
    """How often each of `names` (str) occurs, as a share of `total`."""
    found, counts = np.unique(names.astype(str), return_counts=True)
    return {str(name): int(count) / total for name, count in zip(found, counts, strict=True)}
