"""The `audit` stage: train against test subjects, spaces and weights from the auditor's own subjects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort, load_cohort
from ..core.files import write_json
from ..core.tensors import save_array
from ..judges.predicted import complete_cohort
from ..synthesis.selected import Selected, load_selected
from .config import AuditConfig
from .evaluate import audit_images
from .result import AuditResult
from .weights import FEWEST

if TYPE_CHECKING:
    import torch

PARTS = ("train", "test", "aux-network", "aux-weights")


def run_stage(
    study: Path, config: AuditConfig, *, seed: int, device: torch.device, advantage_upper: float
) -> dict[str, Any]:
    """Audit what synthesis selected; returns the aggregates that are also written to audit/audit.json.

    Also writes audit/train_distances.npy and control_distances.npy (float32, sorted: relative distance of every subject
    to the nearest released image) and audit/private.json (rows of the cohort and of the selected images, for
    private.html only). `advantage_upper` is the policy. Closed form throughout, so `device` is not used.
    """
    cohort, selected = load_cohort(study), load_selected(study)
    rows = {part: cohort.rows(part) for part in PARTS}
    missing = _too_small(cohort, rows, selected)
    folder = study / "audit"
    if missing:
        return _not_played(folder, missing, advantage_upper)
    images = load_images(study)
    part = {name: np.array(images[numbers]) for name, numbers in rows.items()}
    labels = complete_cohort(study, cohort).labels
    result = audit_images(
        part["train"],
        cohort.subjects[rows["train"]],
        part["test"],
        cohort.subjects[rows["test"]],
        selected.images,
        part["aux-weights"],
        cohort.subjects[rows["aux-weights"]],
        config=config,
        seed=seed,
        advantage_policy=advantage_upper,
        train_labels=[labels[row] for row in rows["train"]],
        control_labels=[labels[row] for row in rows["test"]],
        network_images=part["aux-network"],
        network_subjects=cohort.subjects[rows["aux-network"]],
    )
    figures = result.to_dict()
    write_json(folder / "audit.json", figures)
    _write_private(folder, result, rows["train"])
    return figures


def _too_small(cohort: Cohort, rows: dict[str, np.ndarray], selected: Selected) -> list[str]:
    counts = {part: len(set(cohort.subjects[numbers])) for part, numbers in rows.items()}
    reasons = [
        f"the part {part} has only {count} subjects, the audit needs {FEWEST} to be run at all"
        for part, count in counts.items()
        if count < FEWEST
    ]
    return reasons + ([] if len(selected) else ["synthesis selected no image, so there is nothing to audit"])


def _not_played(folder: Path, reasons: list[str], policy: float) -> dict[str, Any]:
    """An inconclusive outcome without a game: no estimate, and the bound that always holds."""
    figures = {
        "verdict": "inconclusive",
        "reasons": reasons,
        "notes": [],
        "advantage": None,
        "advantage_upper": 1.0,
        "policy_upper": policy,
        "tests": [],
    }
    write_json(folder / "audit.json", figures)
    write_json(folder / "private.json", {"worst": [], "pairs": []})
    for name in ("train", "control"):
        save_array(folder / f"{name}_distances.npy", np.empty(0, dtype=np.float32))
    return figures


def _write_private(folder: Path, result: AuditResult, train_rows: np.ndarray) -> None:
    # sorted, so that the position in the file says nothing about who it was
    save_array(folder / "train_distances.npy", np.sort(result.train_distances))
    save_array(folder / "control_distances.npy", np.sort(result.control_distances))
    write_json(
        folder / "private.json",
        {
            "worst": [{**item, "train": int(train_rows[item["train"]])} for item in result.private.worst],
            "pairs": [{**item, "train": int(train_rows[int(item["train"])])} for item in result.private.pairs],
        },
    )
