"""The `features` stage: every component of the condition for every image, and all of them joined."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..codec.figures import PretrainedFigures
from ..cohort.table import load_cohort
from .base import ConditionInputs
from .config import FeaturesConfig
from .figures import FeatureFigures
from .join import Unjoined, join
from .registry import CONDITIONS
from .store import save_conditions

if TYPE_CHECKING:
    import torch


def run_stage(study: Path, config: FeaturesConfig, *, seed: int, device: torch.device) -> FeatureFigures:
    """Write features/conditions.npy and what it is made of; returns the encoders' figures.

    An encoder is trained, and features.npy written, only where the condition has a feature.
    """
    inputs = ConditionInputs(study, load_cohort(study), seed, device)
    figures: dict[str, Any] = {}
    found: list[Unjoined] = []
    for name in config.components:
        part = CONDITIONS.get(name)
        own = config.part_config(name)
        made = part.make(own, inputs)
        figures |= made.figures
        found.append(Unjoined(name, made.rows, made.from_labels, part.noisy, part.shared_by(own)))
    conditions, components = join(found)
    save_conditions(study, conditions, components)
    if "pretrained" in figures:
        figures["pretrained"] = PretrainedFigures(**figures["pretrained"])
    length = components[-1].stop if components else 0
    return FeatureFigures(condition=config.condition, condition_length=length, **figures)
