"""What a study knows beyond its images: canaries in its training, and a guarantee of its generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort
from .background import Background
from .canaries import bound_of, canary_scores
from .canary_figures import CanaryFigures
from .colours import grey_views
from .config import AuditConfig
from .figures import AuditFigures
from .formal import formal_of
from .images import SubjectImages

RECORD = ("models", "diffusion", "stage.json")


def with_procedure(
    figures: AuditFigures, study: Path, cohort: Cohort, released: np.ndarray, config: AuditConfig, seed: int
) -> AuditFigures:
    """Figures of an audit that was played, with those of canaries and of a formal guarantee where there are any.

    `released` uint8 [m,C,H,W].
    """
    formal = None
    if figures.train_subjects is not None and figures.weight is not None:
        formal = formal_of(study.joinpath(*RECORD), figures.train_subjects, figures.weight)
    return replace(figures, canaries=_canaries(study, cohort, released, config, seed), formal=formal)


def _canaries(
    study: Path, cohort: Cohort, released: np.ndarray, config: AuditConfig, seed: int
) -> CanaryFigures | None:
    # torch takes a second to import, and most studies have no canaries
    from ..diffusion.canaries import load_canaries

    if not config.canaries or (found := load_canaries(study)) is None:
        return None
    images = load_images(study)

    def people(part: str) -> SubjectImages:
        rows = cohort.rows(part)
        views, source = grey_views(np.array(images[rows]))
        return SubjectImages(views, cohort.subjects[rows[source]]).read_only()

    background = Background(
        released=grey_views(released)[0],
        network=people("aux-network"),
        certify=people("aux-weights"),
        side=1,
        config=config,
        seed=seed,
    )
    canaries, included = found
    views, source = grey_views(canaries)
    scores = canary_scores(views, background)
    return bound_of(np.bincount(source, weights=scores) / np.bincount(source), included)
