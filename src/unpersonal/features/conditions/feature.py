"""The condition `feature`: what an encoder of images says of each image (DiADM, arXiv 2411.16171)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from ...cohort.table import Cohort
from ...core.config import Config, known_part, part_config, with_keys_of
from ...core.files import write_json
from ...core.tensors import save_array, save_tensors
from ..base import ConditionInputs, ConditionPart, EncoderInputs, Made
from ..registry import ENCODERS


def _described() -> str:
    return "; ".join(f"{name}: {ENCODERS.get(name).summary}" for name in ENCODERS.own_names())


class FeatureConfig(Config):
    """Which encoder, how long a vector, and the keys of the encoders."""

    kind: Annotated[str, known_part(ENCODERS)] = Field("ssl", description=_described())
    dimensions: int = Field(64, ge=2, le=4096, description="length of a feature vector")
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """The encoder."""
        return (("encoder", self.kind),)

    def encoder_config(self) -> Config:
        """The encoder's own configuration."""
        return part_config(ENCODERS, self.kind, self, self.options.get(self.kind, {}))


if not TYPE_CHECKING:
    FeatureConfig = with_keys_of(ENCODERS, FeatureConfig)


class FeaturePart(ConditionPart):
    """The condition `feature`."""

    config = FeatureConfig
    summary = "what an encoder says of the image (DiADM)"
    noun = "images"

    def length(self, config: FeatureConfig, cohort: Cohort | None, assumed: list[str]) -> int:
        """That of a vector."""
        return config.dimensions

    def make(self, config: FeatureConfig, inputs: ConditionInputs) -> Made:
        """See `encoded`."""
        return encoded(config, inputs)


def encoded(config: FeatureConfig, inputs: ConditionInputs) -> Made:
    """Fit the encoder on train, once; writes features.npy, encoder.safetensors and history.json."""
    if "features" not in inputs.made:
        inputs.made["features"] = _encoded(config, inputs)
    return inputs.made["features"]


def _encoded(config: FeatureConfig, inputs: ConditionInputs) -> Made:
    images, train = inputs.images, inputs.cohort.rows("train")
    part, checkpoint = ENCODERS.get(config.kind), inputs.folder / "checkpoint.safetensors"
    given = EncoderInputs(np.array(images[train]), config.dimensions, inputs.seed, inputs.device, checkpoint)
    encoder, history = part.fit(config.encoder_config(), given)
    save_tensors(inputs.folder / "encoder.safetensors", part.save(encoder), {"kind": config.kind})
    features = encoder.unit(images)
    save_array(inputs.folder / "features.npy", features)
    write_json(inputs.folder / "history.json", history)
    checkpoint.unlink(missing_ok=True)
    figures = {
        "kind": config.kind,
        "dimensions": int(features.shape[1]),
        "loss": history[-1]["loss"] if history else None,
        "effective_dimensions": effective_dimensions(features[train]),
    }
    return Made(features, figures=figures)


def effective_dimensions(features: np.ndarray) -> float:
    """Participation ratio of the covariance of features [n,d]: 1 = collapsed onto a line, d = isotropic."""
    values = np.linalg.eigvalsh(np.cov(features.T.astype(np.float64)))
    return float(values.sum() ** 2 / np.maximum((values**2).sum(), 1e-300))


CONDITION = FeaturePart()
