"""A study whose every stage has left its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.studies import cohort_of, write_candidates, write_study
from unpersonal.core.files import write_json
from unpersonal.core.tensors import save_array
from unpersonal.report.html import build_report
from unpersonal.report.private import build_private

from .example import AUDITED, CLASSES, EMPTY, MARKER, REFUSED, SIDE, SUMMARY, real_images


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose every stage has left its files, with markers wherever a person could show through."""
    return write_example(tmp_path / "study")


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Pages of every sort, of that study; nobody may change them."""
    folder = write_example(tmp_path_factory.mktemp("pages") / "study")
    found = {"private": build_private(folder)}
    for name, summary in {"released": AUDITED, "refused": REFUSED, "empty": EMPTY, "old": SUMMARY}.items():
        found[name] = build_report(folder, summary).rename(folder / f"{name}.html")
    return found


def write_example(folder: Path) -> Path:
    """The study whose every stage has left its files, written into `folder`; returns it."""
    rng, real = np.random.default_rng(3), real_images()
    names = [f"{MARKER}_{row // 2:03d}" for row in range(40)]
    cohort = cohort_of(
        names,
        [CLASSES[row // 2 % 2] for row in range(40)],
        ["train" if row < 20 else ("val", "aux", "test")[row // 2 % 3] for row in range(40)],
        images=[f"data/{name}/img{row:03d}_{MARKER}.png" for row, name in enumerate(names)],
        classes=CLASSES,
    )
    write_study(folder, cohort, real)
    write_candidates(folder, rng.integers(60, 200, (30, 1, SIDE, SIDE), dtype=np.uint8), cohort, released=12)
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
