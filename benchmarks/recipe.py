"""Recipes of the recipient's classifier on val people of a study: `python -m benchmarks.recipe STUDY [RECIPE ...]`.

A recipe is keys of [utility], such as `epochs=20,averaging=0`; the default recipe is measured first. Each trains the
arm of real images and that of the same images after the codec (the ceiling), both of which stop early on a share of
their own. A recipe under which real images teach less than the same images after the codec limits both arms.

No test subject is looked at, so that a recipe may be chosen by these figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tomllib
import torch

from unpersonal.codec.ceiling import reconstructed
from unpersonal.codec.store import load_images
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.config import build_config
from unpersonal.core.seeds import numpy_rng
from unpersonal.utility.arms import default_trainer, hold_out, train_arm
from unpersonal.utility.config import UtilityConfig
from unpersonal.utility.paired import Comparison, compare


def recipe(text: str, seeds: int) -> UtilityConfig:
    """`key=value,…` as keys of [utility]; one that is unknown is an `InputError`."""
    keys = tomllib.loads("\n".join(text.split(",")))
    return build_config(UtilityConfig, {**keys, "repeats": seeds}, where=text)


def measure(
    cohort: Cohort, arms: dict[str, np.ndarray], looked_at: np.ndarray, config: UtilityConfig, folder: Path, seed: int
) -> tuple[Comparison, float]:
    """Both arms, uint8 images [n, C, H, W] of the n train rows each, on the val images; and seconds of a classifier."""
    rows, val = cohort.rows("train"), cohort.rows("val")
    targets, people = cohort.targets[rows], cohort.subjects[rows]
    kept, held = hold_out(targets, config.held_out, numpy_rng(seed, "recipe"), people)
    common: dict[str, Any] = {"seed": seed, "device": torch.device("cpu"), "train": default_trainer()}
    begin, said = time.process_time(), []
    for name, images in arms.items():
        parts = ((images[part], targets[part]) for part in (kept, held))
        said.append(train_arm(name, *parts, looked_at, config, checkpoints=folder, **common))
    seconds = (time.process_time() - begin) / (len(arms) * config.repeats)
    rng = numpy_rng(seed, "recipe", "bootstrap")
    found = compare(*said, cohort.targets[val], cohort.subjects[val], cohort.classes, replicates=1000, rng=rng)
    return found, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cohort, images = load_cohort(given.study), load_images(given.study)
    looked_at = np.array(images[cohort.rows("val")])
    print(
        "| recipe | steps | real | after the codec | real − codec (95 %) | calibration error | seconds a classifier |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        rows = cohort.rows("train")
        restored = np.array(reconstructed(given.study, rows, Path(folder) / "restored.npy"))
        arms = {"real": np.array(images[rows]), "ceiling": restored}
        for number, text in enumerate(("", *given.recipes)):
            config = recipe(text, given.seeds)
            work = Path(folder) / str(number)
            found, seconds = measure(cohort, arms, looked_at, config, work, given.seed)
            low, high = found.gap_interval or (float("nan"), float("nan"))
            steps = config.steps_for(round(len(rows) * (1 - config.held_out)))
            errors = f"{found.calibration_error_real:.3f}, {found.calibration_error_synthetic:.3f}"
            print(
                f"| {text or 'default'} | {steps} | {found.auroc_real:.4f} | {found.auroc_synthetic:.4f} | "
                f"{found.gap:.4f} ({low:.4f} to {high:.4f}) | {errors} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
