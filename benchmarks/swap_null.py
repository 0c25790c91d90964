"""What a swap inside a study says of spotless releases: invented people, and images of people who are in no cohort.

Training is left out: `null` draws people whom nobody trained on in the place of a generator's images, for the release
and for each half. So every verdict that is not `pass` is for want of people, and every `fail` is a false alarm.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unpersonal.audit.config import AuditConfig
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.halves import deal_halves, write_half
from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.stage import run_stage
from unpersonal.cohort.strata import shuffled_strata
from unpersonal.cohort.table import Cohort
from unpersonal.core.files import write_json
from unpersonal.core.tensors import save_array
from unpersonal.phantom import phantom_cohort

SIZE = 32
SHARES = {"train": 0.5, "val": 0.1, "aux": 0.3, "test": 0.1}
"""Few people: more of them for the auditor, fewer held back for control."""
FINDINGS = ("No Finding", "Pleural Effusion", "Cardiomegaly")


def main() -> None:
    """Print verdict and primary figures of some seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--profile", choices=list(PROFILES), default="agreement")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            figures = null_audit(Path(folder), arguments.people, seed, arguments.profile)
        print(f"{arguments.people} people, seed {seed}, {arguments.profile}: {figures.verdict}", flush=True)
        for row in figures.primary or ():
            print(f"  {row.name}: {row.value:.3f}, at most {row.upper:.3f} (margin {row.margin:g})", flush=True)
        for reason in figures.reasons:
            print(f"  {reason}", flush=True)


def null_audit(folder: Path, people: int, seed: int, profile: str) -> AuditFigures:
    """The audit stage of a study of so many invented people whose three releases show none of them."""
    import torch

    images, subjects, labels = phantom_cohort(people, seed, SIZE, findings=FINDINGS)
    cohort = _cohort(subjects, labels, seed)
    train = round(SHARES["train"] * people)
    fresh, _, given = phantom_cohort(2 * train, seed + 1, SIZE, findings=FINDINGS, stream="fresh")
    study = folder / "study"
    cohort.save(study)
    save_array(study / "store" / "images.npy", images)
    _write_release(study, fresh[:train], given[:train], cohort)
    halves = []
    for number, half in enumerate(deal_halves(cohort, images, seed)):
        path, first = study / "audit" / "swap" / "AB"[number], train + number * (train // 2)
        write_half(study, path, half)
        _write_release(path, fresh[first : first + train // 2], given[first : first + train // 2], cohort)
        halves.append(path)
    config = AuditConfig(design="swap")
    return run_stage(study, config, seed=seed, device=torch.device("cpu"), profile=PROFILES[profile], halves=halves)


def _cohort(subjects: np.ndarray, labels: np.ndarray, seed: int) -> Cohort:
    import pandas as pd

    names = sorted(set(map(str, subjects)))
    order = shuffled_strata(dict.fromkeys(names, ()), seed, "benchmark")[()]
    cuts = np.round(np.cumsum(list(SHARES.values())) * len(order)).astype(int)
    part = np.searchsorted(cuts, np.arange(len(order)), side="right").clip(max=len(SHARES) - 1)
    split: Mapping[str, str] = {name: list(SHARES)[number] for name, number in zip(order, part, strict=True)}
    table = pd.DataFrame(
        {
            "image": [f"{row}.png" for row in range(len(subjects))],
            "subject": [str(name) for name in subjects],
            "labels": [[str(label)] for label in labels],
            "split": [split[str(name)] for name in subjects],
            "sha256": [f"{row:064x}" for row in range(len(subjects))],
        }
    )
    return Cohort(table, FINDINGS, seed)


def _write_release(study: Path, images: np.ndarray, labels: np.ndarray, cohort: Cohort) -> None:
    folder = study / "candidates"
    save_array(folder / "selected.npy", np.ascontiguousarray(images))
    targets = np.array([[name == label for name in cohort.classes] for label in labels], dtype=np.float32)
    save_array(folder / "selected_targets.npy", targets)
    write_json(folder / "selected_labels.json", [[str(label)] for label in labels])


if __name__ == "__main__":
    main()
