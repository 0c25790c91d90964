"""A study as a gallery: its gate rules, with the thresholds that its judges stage calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .codec.store import load_images
from .cohort.table import Cohort, load_cohort
from .core.errors import InputError
from .core.words import plural
from .images.preprocess import PreprocessConfig
from .judges.store import Judges, load_judges
from .layouts.pictures import Pictures
from .match_gallery import MatchGallery, one_picture_each, score_pictures
from .study import Study
from .synthesis.gate import Gate, open_gate

if TYPE_CHECKING:
    import torch

STRANGERS = ("val-calibration", "aux")
"""Subsets whose people say how alike strangers are, as in the gate's calibration: no network learned from them."""
READ_ALIKE = ("window", "slice_axis", "slice_range", "slice_step")
"""Keys of `[cohort]` that say how grey values and volumes become pictures."""


@dataclass(frozen=True)
class OpenedStudy:
    """A study with a gate, and how it reads pictures."""

    path: Path
    cohort: Cohort
    preparation: PreprocessConfig
    settings: Mapping[str, Any]
    device: torch.device

    @property
    def channels(self) -> int:
        """Channels of its pictures."""
        return 3 if self.cohort.colour else 1


def open_study(path: Path, device: str) -> OpenedStudy:
    """The study at `path`; one without a gate, or with a gate for other images, is an `InputError`."""
    study = Study.open(path, device=device)
    context, how = study.context, f"run `unpersonal run {path} --until judges`"
    record = context.record("judges")
    if record is None:
        raise InputError("The study has no gate yet", where=str(path), how=how)
    for name in context.stage("judges").inputs:
        built_on = context.record(name)
        if built_on is None or record.inputs.get(name) != built_on.output_hash:
            raise InputError(f"The gate is older than the stage {name}", where=str(path), how=how)
    cohort = study.config.cohort
    return OpenedStudy(
        path,
        load_cohort(path),
        study.config.images.preprocessing(),
        {name: getattr(cohort, name) for name in READ_ALIKE},
        context.device,
    )


def study_gallery(study: OpenedStudy) -> MatchGallery:
    """The gallery of the study's gate, with the scores of its `STRANGERS`, each without the own images."""
    judges, images = load_judges(study.path, study.device), load_images(study.path)
    gate, subjects = _open_gate(study.cohort, images, judges)
    strangers = _strangers(study.cohort, images)
    scores = {e.name: score_pictures(e, strangers, own=True).score for e in gate.panel}
    figures = judges.gate
    note = (
        f"Compared with {plural(len(set(subjects)), 'person', 'people')} ({plural(len(subjects), 'picture')}) of the "
        f"study by its gate as calibrated ({', '.join(gate.matchers)}): {figures.false_flag_rate:.1%} of strangers are "
        "refused as well."
    )
    blind = (*figures.blind, *(f"{name} (not tried)" for name in figures.untried))
    return MatchGallery(gate.panel, subjects, gate.thresholds, scores, (note,), blind)


def _open_gate(cohort: Cohort, images: np.ndarray, judges: Judges) -> tuple[Gate, np.ndarray]:
    """The gate, and who is on each row of its galleries: everybody in the cohort."""
    subjects = cohort.subjects.astype(str)
    return open_gate(judges, np.array(images), subjects), subjects


def _strangers(cohort: Cohort, images: np.ndarray) -> Pictures:
    """One picture each of the people of `STRANGERS`."""
    held_out = np.sort(np.concatenate([cohort.rows(subset) for subset in STRANGERS]))
    rows = held_out[one_picture_each(cohort.subjects[held_out])]
    names, subjects = tuple(cohort.table["image"].to_numpy()[rows]), cohort.subjects.astype(str)[rows]
    return Pictures(names, subjects, np.array(images[rows]), np.arange(len(rows)), (), 0, ())
