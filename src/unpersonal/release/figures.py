"""Figures of the release stage, and those of all stages together."""

from __future__ import annotations

from dataclasses import dataclass

from ..audit.figures import AuditFigures
from ..codec.figures import EncodeFigures
from ..cohort.figures import CohortFigures
from ..core.figures import Figures
from ..diffusion.figures import DiffusionFigures
from ..features.figures import FeatureFigures
from ..judges.figures import GateFigures
from ..synthesis.figures import SynthesisFigures
from ..utility.figures import UtilityFigures


@dataclass(frozen=True, kw_only=True)
class ReleaseFigures(Figures):
    """What was written: images, files and their size together; and shortfalls, which do not refuse a release."""

    images: int
    files: int
    bytes: int
    shortfalls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StudyFigures:
    """Figures of every stage above the release; None where a stage has not run."""

    cohort: CohortFigures | None = None
    encode: EncodeFigures | None = None
    features: FeatureFigures | None = None
    diffusion: DiffusionFigures | None = None
    gate: GateFigures | None = None
    synthesis: SynthesisFigures | None = None
    audit: AuditFigures | None = None
    utility: UtilityFigures | None = None
