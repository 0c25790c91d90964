"""A tiny study with a cohort, a store, a ledger and selected images, all consistent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.studies import cohort_of, write_attempts, write_candidates, write_study
from unpersonal.judges.figures import MissFigures
from unpersonal.release.figures import StudyFigures
from unpersonal.report.summary import Summary
from unpersonal.synthesis.figures import LabelSetFigures

CLASSES = ("normal", "virus")
MARKER = "SUBJECTMARKER"


def released_study(root: Path, *, channels: int = 1, candidates: int = 40, released: int = 12) -> Path:
    """Write the study; candidates alternate in label, every third is flagged, the first clean ones are selected."""
    rng = np.random.default_rng(7)
    # real images carry a pattern that no synthetic image has: rows alternate between 255 and 0
    real = np.zeros((40, channels, 32, 32), dtype=np.uint8)
    real[:, :, ::2] = 255
    real[np.arange(40), :, 1, np.arange(40) % 32] = np.arange(40)[:, None] + 1
    names = [f"{MARKER}_{row // 2:03d}" for row in range(40)]
    cohort = cohort_of(
        names,
        [CLASSES[(row // 2) % 2] for row in range(40)],
        ["train" if row < 20 else ("val", "aux", "test")[(row // 2) % 3] for row in range(40)],
        images=[f"{name}/img{row:03d}_{MARKER}.png" for row, name in enumerate(names)],
        classes=CLASSES,
        seed=3,
    )
    study = write_study(root / "study", cohort, real)
    drawn = rng.integers(60, 200, (candidates, channels, 32, 32), dtype=np.uint8)
    write_candidates(study, drawn, cohort, released=released)
    write_attempts(study)
    return study


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Path]:
    """Factory of studies in the test's own folder."""
    return lambda name="a", **options: released_study(tmp_path / name, **options)


@pytest.fixture
def figures(
    demo_summary: Summary, alter: Callable[..., StudyFigures], tmp_path_factory: pytest.TempPathFactory
) -> StudyFigures:
    """Figures that the default policy accepts."""
    found = replace(demo_summary.figures, encode=None, features=None)
    found = alter(found, "cohort", classes=CLASSES, images=40, read=40, subjects=20, quarantined=0)
    attempts = write_attempts(tmp_path_factory.mktemp("attempts"))
    bound = {"advantage": 0.001, "advantage_upper": 0.03, "weight": 2.2e-5, "confidence": None}
    found = alter(found, "audit", attempts=attempts, **bound)
    people = MissFigures(subjects=1999, missed=0, miss_rate=0.0, miss_rate_upper=0.009)
    rates = {"miss_rate": 0.0, "miss_rate_upper": 0.009, "false_flag_rate": 0.1}
    found = alter(found, "gate", threshold=0.5, protected=people, **rates)
    found = alter(found, "utility", gap_upper=0.02, auroc_real=0.9, auroc_synthetic=0.89, gap=0.01)
    sets = tuple(LabelSetFigures(name, 10, 6) for name in CLASSES)
    found = alter(
        *(found, "synthesis"), released=12, sources=20, candidates=40, match_rate_before_gate=0.2, label_sets=sets
    )
    untold = ("train_error", "held_out_error", "match_rate", "match_rate_lower", "match_rate_upper")
    told = {"denoiser_gap": 0.01, "denoiser_match_power": 0.85}
    return alter(found, "diffusion", **told, **{f"denoiser_{name}": None for name in untold})
