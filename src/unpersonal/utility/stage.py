"""The utility stage: classifiers on real and on synthetic images, and on real ones after the codec, all tested on the
same real people; image metrics.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.ceiling import reconstructed
from ..codec.store import load_images
from ..cohort.table import Cohort, load_cohort
from ..core.config import build_config
from ..core.files import write_json
from ..core.seeds import derive_seed, numpy_rng
from ..metrics.figures import MetricFigures
from ..synthesis.selected import Selected, load_released
from .config import UtilityConfig
from .figures import UtilityFigures
from .paired import Comparison, ceiling_figures, compare, unmeasured

if TYPE_CHECKING:
    import torch

Trainer = Callable[..., tuple[Any, Any]]
"""Signature of `unpersonal.judges.classifier.train_classifier`."""
CEILING_REPEATS = 2
"""Classifiers of the ceiling at most: no rule reads it."""

Copies = Callable[[str, np.ndarray], np.ndarray]
"""From a subset of the cohort and its rows to uint8 [n,C,H,W]: these images after one way through the codec."""


def judges_config(config: UtilityConfig) -> Any:
    """The settings of the classifier in `JudgesConfig`, with this stage's network and budget."""
    from ..judges.config import JudgesConfig

    values = {
        "classifier": config.network,
        "options": {name: keys for name, keys in config.options.items() if name == config.network},
        "width": config.width,
        "classifier_steps": config.steps,
        "classifier_batch": config.batch,
        "classifier_lr": config.learning_rate,
        "weight_decay": config.weight_decay,
        "check_every": config.check_every,
    }
    return build_config(JudgesConfig, values, where="[utility]")


def hold_out(targets: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(kept rows, held-out rows) of a synthetic set: `share` of every label combination, at least one where it has two.

    Selected images have one source each, so a split by image is a split by source.
    """
    _, combination = np.unique(np.asarray(targets) > 0.5, axis=0, return_inverse=True)
    combination = combination.reshape(-1)
    held: list[int] = []
    for value in range(int(combination.max()) + 1):
        rows = rng.permutation(np.flatnonzero(combination == value))
        held += [int(row) for row in rows[: max(round(share * len(rows)), int(len(rows) > 1))]]
    mask = np.zeros(len(targets), dtype=bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def refusal(selected: Selected, cohort: Cohort, config: UtilityConfig) -> str:
    """Why no classifier can be trained on the selected images; empty where one can."""
    if len(selected.images) < config.smallest_set:
        return f"only {len(selected.images)} synthetic images; at least {config.smallest_set} are needed"
    wanted = cohort.targets[cohort.rows("train")].any(axis=0)
    positives = np.asarray(selected.targets).sum(axis=0)
    absent = [name for name, there, count in zip(cohort.classes, wanted, positives, strict=True) if there and count < 1]
    return f"no synthetic image has the label {', '.join(absent)}" if absent else ""


def train_arm(
    name: str,
    own: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray],
    test: np.ndarray,
    config: UtilityConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoints: Path,
    train: Trainer,
) -> list[np.ndarray]:
    """Probabilities float32 [n,C] on the test images of `repeats` classifiers trained on `own` (images, targets)."""
    members = []
    for repeat in range(config.repeats):
        model, _ = train(
            *own,
            judges_config(config),
            seed=derive_seed(seed, "utility", name, repeat),
            device=device,
            checkpoint=checkpoints / f"{name}-{repeat}.safetensors",
            held_out=held_out,
        )
        members.append(np.asarray(model.probabilities(test), dtype=np.float32))
    return members


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
) -> tuple[Comparison, Comparison | None]:
    """Train all arms with the same budget; on the real test subjects, compare the real arm with the synthetic one and,
    where `copies` are given, with the ceiling.

    The real arm learns from train images with given labels and stops early on `val-stop`; the synthetic arm stops on a
    share of the synthetic images, because a recipient has nothing else. The ceiling is the real arm with every image
    after the codec, as if the release held a perfect copy of each; the test images stay as they are. Where the
    synthetic arm cannot be trained, only the note says so: no AUROC is made up.
    """
    if note := refusal(selected, cohort, config):
        return unmeasured(note), None if copies is None else unmeasured(f"nothing was trained: {note}")
    rows = {subset: cohort.rows(subset) for subset in ("train", "val-stop", "test")}
    # what a classifier predicted is no truth to learn from
    rows["train"] = rows["train"][cohort.labelled[rows["train"]]]
    pictures = {subset: np.array(images[numbers]) for subset, numbers in rows.items()}
    targets = {subset: cohort.targets[numbers] for subset, numbers in rows.items()}
    kept, held = hold_out(selected.targets, config.held_out, numpy_rng(seed, "utility", "hold out"))

    common: dict[str, Any] = {"seed": seed, "device": device, "checkpoints": checkpoints, "train": train}

    def arm(name: str, own: tuple[np.ndarray, np.ndarray], held_out: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
        return train_arm(name, own, held_out, pictures["test"], config, **common)

    real = arm("real", (pictures["train"], targets["train"]), (pictures["val-stop"], targets["val-stop"]))
    own, held_out = ((selected.images[chosen], selected.targets[chosen]) for chosen in (kept, held))
    synthetic = arm("synthetic", own, held_out)

    def against_real(other: list[np.ndarray]) -> Comparison:
        # one stream for both comparisons: the same resamples of people, so that the two gaps are paired as well
        rng, subjects = numpy_rng(seed, "utility", "bootstrap"), cohort.subjects[rows["test"]]
        return compare(real, other, targets["test"], subjects, cohort.classes, replicates=config.replicates, rng=rng)

    if copies is None:
        return against_real(synthetic), None
    own, held_out = ((copies(subset, rows[subset]), targets[subset]) for subset in ("train", "val-stop"))
    config = config.model_copy(update={"repeats": min(config.repeats, CEILING_REPEATS)})
    return against_real(synthetic), against_real(arm("ceiling", own, held_out))


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


def _default_trainer() -> Trainer:
    from ..judges.classifier import train_classifier

    return train_classifier


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

    `train` defaults to `judges.classifier.train_classifier`, `selected` to the synthesis's images without
    those that the audit dropped. A run that was
    killed goes on, to the same bytes.
    """
    trainer, chosen = train or _default_trainer(), load_released(study) if selected is None else selected
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
