"""Teachers: classifiers cross-fitted over folds of train people, so that one never saw whose image it labels.

Legend: n images of the cohort, m images to be labelled, C classes, K folds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..cohort.dealing import join
from ..cohort.strata import shuffled_strata, subject_strata
from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.seeds import derive_seed
from ..core.tensors import load_tensors, save_tensors
from ..metrics.roc import macro_auroc
from .build import build_network
from .classifier import Classifier, train_classifier
from .figures import TeacherFigures
from .history import History
from .predicted import Labeller, activate, assess, fit_temperature
from .store import FOLDER, Described, load_weights
from .subset import Subset

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 5
"""Subjects of a label set in a fold, where there are enough: those with whom conditions of that set are blended."""
NOBODY = -1
"""Fold of an image that belongs to no train subject."""
STOPPING = 8
"""One in so many people of the other folds says when a teacher's training stops, and is not learned from."""
FOLDS = "teachers.safetensors"


@dataclass(frozen=True)
class Teachers:
    """K classifiers, each trained on all folds but its own, with a temperature each; `folds` int64 [n] of the cohort.

    All people of a fold are strangers to its teacher: neither weights, nor when training stopped, nor the temperature
    depend on them.
    """

    classifiers: tuple[Classifier, ...]
    temperatures: tuple[float, ...]
    folds: np.ndarray
    classes: int

    @property
    def exclusive(self) -> bool:
        """Whether every image has exactly one label."""
        return self.classifiers[0].exclusive

    def probabilities(self, images: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """float64 [m,C] for uint8 images [m,C,H,W], each by the teacher of its fold int64 [m].

        `NOBODY` is the mean of all teachers: for conditions that are nobody's, so that nobody's teacher is asked for.
        """
        found = np.zeros((len(images), self.classes))
        for number in range(len(self.classifiers)):
            for rows, share in ((folds == number, 1.0), (folds == NOBODY, 1.0 / len(self.classifiers))):
                if rows.any():
                    scaled = self._logits(number, images[rows]) / self.temperatures[number]
                    found[rows] += share * activate(scaled, self.exclusive)
        return found

    def _logits(self, number: int, images: np.ndarray) -> np.ndarray:
        return self.classifiers[number].logits(np.asarray(images))


def deal_folds(
    subjects: Sequence[str] | np.ndarray, labels: Sequence[Sequence[str]], hashes: Sequence[str], count: int, seed: int
) -> np.ndarray:
    """The fold in 0..count-1 of each image, int64 [n], by subject and stratified by label set.

    Subjects who share a picture (`hashes` [n] of the images) are in one fold. A label set with few subjects is dealt to
    so many folds only that each gets `FEWEST` of them, but to two at least: a teacher must have met it.
    """
    groups = _joined(subjects, hashes)
    sizes, fold = [0] * count, {}
    for members in shuffled_strata(subject_strata(groups, labels), seed, "teacher").values():
        width = min(count, max(2, len(members) // FEWEST))
        emptiest = sorted(range(count), key=lambda number: (sizes[number], number))[:width]
        for position, member in enumerate(members):
            fold[member] = emptiest[position % width]
            sizes[fold[member]] += 1
    return np.array([fold[group] for group in groups], dtype=np.int64)


def train_teachers(
    folder: Path, cohort: Cohort, train: Subset, described: Described, seed: int, device: torch.device
) -> tuple[TeacherFigures, dict[str, History]]:
    """Train `config.teachers` classifiers as the gate's is trained, each on the other folds, and write them.

    Training stops, and the temperature is fitted, on some people of these folds. What teachers say is released, and
    attacked as it is: if people of val had a part in it, who are control of the audit, control would not be people of
    whom the release knows nothing. Returns figures, and the history of each.
    """
    rows, config = cohort.rows("train"), described.config
    table = cohort.table.iloc[rows].reset_index(drop=True)
    folds = np.full(len(cohort), NOBODY, dtype=np.int64)
    folds[rows] = deal_folds(
        train.subjects, table["labels"].tolist(), table["sha256"].tolist(), config.teachers, derive_seed(seed, "folds")
    )
    exclusive = bool((train.targets[train.labelled].sum(axis=1) == 1).all())
    classifiers, temperatures, histories = [], [], {}
    for number in range(config.teachers):
        others = np.flatnonzero(train.labelled & (folds[rows] != number))
        learned, stop = part_stopping(table, others, derive_seed(seed, "stopping", number))
        classifier, histories[f"teacher {number + 1}"] = train_classifier(
            train.images[learned],
            train.targets[learned],
            config,
            seed=derive_seed(seed, "teacher", number),
            device=device,
            checkpoint=folder / f"checkpoint-teacher-{number}.safetensors",
            held_out=(train.images[stop], train.targets[stop]),
            exclusive=exclusive,
        )
        classifiers.append(classifier)
        temperatures.append(fit_temperature(classifier.logits(train.images[stop]), train.targets[stop], exclusive))
    teachers = Teachers(tuple(classifiers), tuple(temperatures), folds, len(cohort.classes))
    save_teachers(folder, teachers, described)
    return teacher_figures(teachers, cohort, train, seed), histories


def part_stopping(table: pd.DataFrame, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of `rows` int64 of train images those to learn from, and those of people who say when training stops.

    By people, one in `STOPPING` of each label set, and never all who have one; who shares a picture goes together.
    Where nobody can be spared the same people serve for both.
    """
    some = table.iloc[rows]
    groups = _joined(some["subject"].astype(str), some["sha256"])
    stopping: list[str] = []
    carried = 0.0
    for members in shuffled_strata(subject_strata(groups, some["labels"].tolist()), seed, "stopping").values():
        if len(members) > 1:
            carried += len(members) / STOPPING
            stopping += members[: min(round(carried - len(stopping)), len(members) - 1)]
    stops = np.isin(groups, stopping)
    return (rows[~stops], rows[stops]) if stops.any() else (rows, rows)


def _joined(subjects: Iterable[str], hashes: Iterable[str]) -> list[str]:
    """Whose each image is, where people who share a picture are one."""
    names = [str(subject) for subject in subjects]
    first: dict[str, int] = {}
    links = [(first.setdefault(value, row), row) for row, value in enumerate(hashes)]
    twins = join(names, links)
    return [twins.get(name, name) for name in names]


def teacher_figures(teachers: Teachers, cohort: Cohort, train: Subset, seed: int) -> TeacherFigures:
    """Error of the teachers on labelled train images, each by the teacher of its fold; intervals are over subjects."""
    folds = teachers.folds[cohort.rows("train")][train.labelled]
    images, targets = train.images[train.labelled], train.targets[train.labelled]
    probabilities = teachers.probabilities(images, folds)
    # logits of which the softmax or sigmoid is what was calibrated
    logits = np.log(np.clip(probabilities, 1e-9, 1.0))
    if not teachers.exclusive:
        logits -= np.log(np.clip(1.0 - probabilities, 1e-9, 1.0))
    labeller = Labeller(1.0, np.full(targets.shape[1], 0.5), np.unique(targets, axis=0), teachers.exclusive)
    found = assess(labeller, logits, targets, train.subjects[train.labelled], seed)
    auroc = macro_auroc(probabilities, targets)
    return TeacherFigures(
        teachers=len(teachers.classifiers),
        temperatures=teachers.temperatures,
        images=found.held_out_images,
        subjects=found.held_out_subjects,
        auroc=float(auroc) if np.isfinite(auroc) else None,
        accuracy=found.accuracy,
        accuracy_interval=found.accuracy_interval,
        brier=found.brier,
        brier_interval=found.brier_interval,
        calibration_error=found.calibration_error,
        calibration_error_interval=found.calibration_error_interval,
    )


def save_teachers(folder: Path, teachers: Teachers, described: Described) -> None:
    """Weights as safetensors, each with what is needed to build it again; folds and temperatures beside them."""
    described = replace(described, exclusive=teachers.exclusive)
    for number, classifier in enumerate(teachers.classifiers):
        state, metadata = classifier.network.state_dict(), described.to_metadata(classifier=True)
        save_tensors(folder / f"teacher-{number}.safetensors", state, metadata)
    facts = {"temperatures": json.dumps(teachers.temperatures)}
    save_tensors(folder / FOLDS, {"folds": torch.from_numpy(teachers.folds)}, facts)


def load_folds(study: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """`folds` int64 [n] and the temperatures of the teachers; what is missing or broken is an `InputError`."""
    path = study.joinpath(*FOLDER) / FOLDS
    tensors, metadata = load_tensors(path)
    try:
        return tensors["folds"].numpy(), tuple(float(value) for value in json.loads(metadata["temperatures"]))
    except (KeyError, TypeError, ValueError):
        raise InputError("No teachers", where=str(path), how="run the judges stage again") from None


def load_teachers(study: Path, device: torch.device) -> Teachers:
    """The teachers that the judges stage trained, in eval mode; what is missing or broken is an `InputError`."""
    folder = study.joinpath(*FOLDER)
    folds, temperatures = load_folds(study)
    classifiers, classes = [], 0
    for number in range(len(temperatures)):
        path = folder / f"teacher-{number}.safetensors"
        weights, facts = load_tensors(path)
        described = Described.from_metadata(facts, path)
        network = build_network(
            described.config.classifier,
            described.config,
            channels=described.shape[0],
            outputs=len(described.classes),
            size=described.shape[-1],
            seed=0,
        )
        load_weights(network, weights, path)
        classes = len(described.classes)
        classifiers.append(Classifier(network, exclusive=described.exclusive, device=device))
    return Teachers(tuple(classifiers), temperatures, folds, classes)
