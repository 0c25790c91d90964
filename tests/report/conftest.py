"""A study whose every stage has left its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unpersonal.cohort.table import Cohort
from unpersonal.core.files import write_json
from unpersonal.core.tensors import save_array
from unpersonal.release.lock import pixel_hash

from .example import CLASSES, MARKER, SIDE, real_images


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose every stage has left its files, with markers wherever a person could show through."""
    import pandas as pd

    folder, rng, real = tmp_path / "study", np.random.default_rng(3), real_images()
    names = [f"{MARKER}_{row // 2:03d}" for row in range(40)]
    table = pd.DataFrame(
        {
            "image": [f"data/{name}/img{row:03d}_{MARKER}.png" for row, name in enumerate(names)],
            "subject": names,
            "labels": [[CLASSES[row // 2 % 2]] for row in range(40)],
            "split": ["train" if row < 20 else ("val", "aux", "test")[row // 2 % 3] for row in range(40)],
            "sha256": [f"{row:064x}" for row in range(40)],
        }
    )
    folder.mkdir()
    Cohort(table, CLASSES).save(folder)
    save_array(folder / "store" / "images.npy", real)
    drawn = rng.integers(60, 200, (30, 1, SIDE, SIDE), dtype=np.uint8)
    flagged = np.arange(30) % 3 == 2
    chosen = np.flatnonzero(~flagged)[:12]
    ledger = pd.DataFrame(
        {
            "source": np.arange(30),
            "attempt": 0,
            "candidate": 0,
            "score": np.where(flagged, 0.9, 0.1 + 0.001 * np.arange(30)),
            "nearest": np.arange(30) % 20,
            "flagged": flagged,
            "selected": np.isin(np.arange(30), chosen),
            "sha256": [pixel_hash(image) for image in drawn],
        }
    )
    (folder / "candidates").mkdir()
    ledger.to_parquet(folder / "candidates" / "ledger.parquet", index=False)
    save_array(folder / "candidates" / "selected.npy", drawn[chosen])
    save_array(folder / "candidates" / "selected_targets.npy", np.eye(2, dtype=np.float32)[chosen % 2])
    write_json(folder / "candidates" / "selected_labels.json", [[CLASSES[row % 2]] for row in chosen])
    rows = [{"step": step, "loss": 1.0 / step, "train_error": 0.2, "held_out_error": 0.3} for step in (1, 2, 4)]
    write_json(folder / "models" / "diffusion" / "history.json", {"denoiser": rows, "guide": rows})
    write_json(folder / "models" / "judges" / "history.json", {"reidentifier": [rows, rows], "classifier": rows})
    curve = {"fpr": [0.0, 0.1, 1.0], "tpr": [0.0, 0.8, 1.0]}
    write_json(folder / "models" / "judges" / "roc.json", {"reidentifier": curve, "classifier": {"normal": curve}})
    worst, pairs = [{"train": 4, "predicates": 9}], [{"train": 7, "synthetic": 2, "distance": 0.5}]
    write_json(folder / "audit" / "private.json", {"worst": worst, "pairs": pairs})
    for side in ("train", "control"):
        save_array(folder / "audit" / f"{side}_distances.npy", rng.random(20).astype(np.float32))
    return folder
