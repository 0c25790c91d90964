"""The utility stage: classifiers on real and on synthetic images, and on real ones after the codec, all tested on the
same real people; image metrics.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.ceiling import reconstructed
from ..codec.store import load_images
from ..cohort.table import Cohort, load_cohort
from ..core.errors import InputError
from ..core.files import write_json
from ..core.seeds import derive_seed, numpy_rng
from ..metrics.figures import MetricFigures
from ..synthesis.selected import Selected, load_released
from .arms import Labelled, Trainer, default_trainer, hold_out, train_arm
from .config import UtilityConfig
from .figures import UtilityFigures
from .noise import noise_of, units_of
from .paired import Comparison, ceiling_figures, compare, unmeasured

if TYPE_CHECKING:
    import torch

CEILING_REPEATS = 2
"""Classifiers of the ceiling at most: no rule reads it."""

Copies = Callable[[str, np.ndarray], np.ndarray]
"""From a subset of the cohort and its rows to uint8 [n,C,H,W]: these images after one way through the codec."""


def refusal(selected: Selected, cohort: Cohort, config: UtilityConfig) -> str:
    """Why no classifier can be trained on the selected images; empty where one can."""
    if len(selected.images) < config.smallest_set:
        return f"only {len(selected.images)} synthetic images; at least {config.smallest_set} are needed"
    wanted = cohort.targets[cohort.rows("train")].any(axis=0)
    positives = np.asarray(selected.targets).sum(axis=0)
    absent = [name for name, there, count in zip(cohort.classes, wanted, positives, strict=True) if there and count < 1]
    return f"no synthetic image has the label {', '.join(absent)}" if absent else ""


def measure_utility(
    cohort: Cohort,
    images: np.ndarray,
    selected: Selected,
    config: UtilityConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoints: Path,
    train: Trainer,
    copies: Copies | None = None,
    units: np.ndarray | None = None,
) -> tuple[Comparison, Comparison | None]:
    """Train all arms by the same recipe; on the real test subjects, compare the real arm with the synthetic one and,
    where `copies` are given, with the ceiling.

    Each arm stops early on a share of its own images: of train images with given labels by subject, of the synthetic
    ones by image, because a recipient knows no more of them. The ceiling is the real arm with every image after the
    codec, as if the release held a perfect copy of each; the test images stay as they are. Where the synthetic arm
    cannot be trained, only the note says so: no AUROC is made up. The real arm also says how many released labels are
    wrong; `units` [m] are what an interval resamples of the selected images, None: each is one.
    """
    if note := refusal(selected, cohort, config):
        return unmeasured(note), None if copies is None else unmeasured(f"nothing was trained: {note}")
    # what a classifier predicted is no truth to learn from
    train_rows = cohort.rows("train")
    train_rows, test_rows = train_rows[cohort.labelled[train_rows]], cohort.rows("test")
    test_images, test_targets = np.array(images[test_rows]), cohort.targets[test_rows]
    common: dict[str, Any] = {"seed": seed, "device": device, "checkpoints": checkpoints, "train": train}

    def arm(
        name: str,
        own: Labelled,
        parts: tuple[np.ndarray, np.ndarray],
        budget: UtilityConfig,
        *,
        asked: np.ndarray = test_images,
        soft: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        kept, held = ((own[0][rows], own[1][rows]) for rows in parts)
        if soft is not None:
            kept = kept[0], soft[parts[0]]
        return train_arm(name, kept, held, asked, budget, **common)

    def parts(targets: np.ndarray, whose: str, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return hold_out(targets, config.held_out, numpy_rng(seed, "utility", "hold out", whose), groups)

    targets = cohort.targets[train_rows]
    real_parts = parts(targets, "real", cohort.subjects[train_rows])
    own = np.asarray(selected.images), np.asarray(selected.targets)
    asked = np.concatenate([test_images, own[0]])
    said = arm("real", (np.array(images[train_rows]), targets), real_parts, config, asked=asked)
    real = [each[: len(test_rows)] for each in said]
    soft = soft_targets(selected, cohort) if config.soft else None
    synthetic = arm("synthetic", own, parts(own[1], "synthetic", None), config, soft=soft)
    noise = noise_of(
        said,
        (test_targets, cohort.subjects[test_rows]),
        (own[1], np.arange(len(own[1])) if units is None else units),
        cohort.classes,
        numpy_rng(seed, "utility", "label noise"),
    )

    def against_real(other: list[np.ndarray]) -> Comparison:
        # one stream for both comparisons: the same resamples of people, so that the two gaps are paired as well
        rng, subjects = numpy_rng(seed, "utility", "bootstrap"), cohort.subjects[test_rows]
        return compare(real, other, test_targets, subjects, cohort.classes, replicates=config.replicates, rng=rng)

    measured = replace(against_real(synthetic), label_noise=noise)
    if copies is None:
        return measured, None
    fewer = config.model_copy(update={"repeats": min(config.repeats, CEILING_REPEATS)})
    return measured, against_real(arm("ceiling", (copies("train", train_rows), targets), real_parts, fewer))


def soft_targets(selected: Selected, cohort: Cohort) -> np.ndarray:
    """The class probabilities of the selected images, float32 [m,C] of the cohort's classes."""
    if selected.soft is None:
        raise InputError(
            "The selected images have no class probabilities to learn from",
            where="[utility] soft",
            how="set [synthesis] soft = true, or soft = false here",
        )
    found = np.zeros((len(selected), len(cohort.classes)), dtype=np.float32)
    found[:, [cohort.classes.index(name) for name in selected.soft.classes]] = selected.soft.probabilities
    return found


def copies_of(study: Path, folder: Path, device: torch.device) -> Copies:
    """The study's images after its codec, kept in `folder` by subset: a killed run need not compute them again."""

    def copies(subset: str, rows: np.ndarray) -> np.ndarray:
        return reconstructed(study, rows, folder / f"reconstructed-{subset}.npy", device)

    return copies


def image_metrics(
    train: np.ndarray,
    test: np.ndarray,
    synthetic: np.ndarray,
    aux: np.ndarray,
    *,
    components: int,
    seed: int,
    subjects: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    plugins: Mapping[str, Mapping[str, Any]] | None = None,
) -> MetricFigures:
    """Generative metrics of uint8 images [n,C,H,W] in a closed-form space fitted on `aux` images only.

    The space knows neither train, test nor synthetic images, so it favours none of them. `subjects` are those of the
    train and of the test images; without, every image is somebody's own. `plugins` are metrics of other packages with
    their options.
    """
    from ..features.pca import fit_pca
    from ..metrics.evaluate import evaluate

    space = fit_pca(aux, components)
    return evaluate(
        space.transform(train),
        space.transform(test),
        space.transform(synthetic),
        seed=derive_seed(seed, "metrics"),
        subjects_train=subjects[0],
        subjects_test=subjects[1],
        plugins=plugins,
    )


def _metrics_of(
    cohort: Cohort, images: np.ndarray, selected: Selected, config: UtilityConfig, seed: int
) -> MetricFigures:
    """Image metrics of a study; only a note where too few images were selected."""
    if len(selected) < config.smallest_set:
        return MetricFigures(note=f"fewer than {config.smallest_set} synthetic images")
    train, test, aux = (np.array(images[cohort.rows(subset)]) for subset in ("train", "test", "aux"))
    whose = cohort.subjects[cohort.rows("train")], cohort.subjects[cohort.rows("test")]
    return image_metrics(
        train,
        test,
        selected.images,
        aux,
        components=config.components,
        seed=seed,
        subjects=whose,
        plugins=config.plugins(),
    )


def run_stage(
    study: Path,
    config: UtilityConfig,
    *,
    seed: int,
    device: torch.device,
    train: Trainer | None = None,
    selected: Selected | None = None,
) -> UtilityFigures:
    """Write utility/utility.json and utility/metrics.json; returns both as figures.

    `train` defaults to `training.train_recipient`, `selected` to the synthesis's images without those that the audit
    dropped. A run that was killed goes on, to the same bytes.
    """
    trainer, chosen = train or default_trainer(), load_released(study) if selected is None else selected
    cohort, images = load_cohort(study), load_images(study)
    checkpoints = study / "utility" / "checkpoints"
    comparison, ceiling = measure_utility(
        cohort,
        images,
        chosen,
        config,
        seed=seed,
        device=device,
        checkpoints=checkpoints,
        train=trainer,
        copies=copies_of(study, checkpoints, device) if config.ceiling else None,
        units=units_of(study, cohort, chosen),
    )
    figures = UtilityFigures(
        **vars(comparison),
        **(ceiling_figures(ceiling) if ceiling else {}),
        synthetic_images=len(chosen),
        train_images=int(cohort.labelled[cohort.rows("train")].sum()),
        test_images=len(cohort.rows("test")),
        test_subjects=len(set(cohort.subjects[cohort.rows("test")])),
        network=config.network,
        repeats=config.repeats,
        metrics=_metrics_of(cohort, images, chosen, config, seed),
    )
    values = figures.to_json()
    write_json(study / "utility" / "metrics.json", values.pop("metrics"))
    write_json(study / "utility" / "utility.json", values)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return figures
