"""What the utility comparison is made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from ..core.config import Config, check_options, known_part
from ..judges.registry import NETWORKS
from ..metrics.registry import METRICS


class UtilityConfig(Config):
    """Settings of every arm (real, synthetic, real after the codec); the budget is in steps and the same for all."""

    network: Annotated[str, known_part(NETWORKS)] = "small"
    """Architecture of the recipient's classifier; never the network that selected the images, always freshly seeded."""
    width: int = Field(24, ge=4, le=512)
    """Channels of the first stage of the `small` network; differs from the judges' default on purpose."""
    steps: int = Field(400, ge=1)
    """Optimiser steps of each classifier."""
    batch: int = Field(128, ge=2)
    """Images per step."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(1e-2, ge=0)
    """Decoupled weight decay."""
    check_every: int = Field(50, ge=1)
    """Steps between two looks at the held-out images; the best weights of these looks are kept."""
    repeats: int = Field(3, ge=1, le=32)
    """Classifiers per arm, each with its own seed; the figure of an arm is the mean of their AUROCs.

    From two on, intervals hold for other seeds as well; with two they are wide. The ceiling has two at most.
    """
    ceiling: bool = True
    """Whether a third arm learns from real images after the codec, to tell what the codec alone costs."""
    held_out: float = Field(0.1, gt=0, lt=0.5)
    """Share of the synthetic images on which the synthetic arm stops early: a recipient has no real ones."""
    smallest_set: int = Field(20, ge=2)
    """Fewer synthetic images than this are not trained on; the gap then counts as 1."""
    replicates: int = Field(1000, ge=100)
    """Bootstrap samples of test subjects."""
    components: int = Field(64, ge=2)
    """Dimensions of the closed-form feature space of the image metrics (PCA fitted on aux images)."""
    metrics: tuple[Annotated[str, known_part(METRICS)], ...] = ()
    """Image metrics of other packages that are measured as well; our own always are."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Keys of plug-ins named above (network, metrics), a table each: `[utility.options.NAME]`."""

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """The network, and the metrics that were named."""
        return (("network", self.network), *(("metric", name) for name in self.metrics))

    def plugins(self) -> dict[str, dict[str, Any]]:
        """The metrics of other packages that were named, with their options."""
        return {name: self.options.get(name, {}) for name in self.metrics if not METRICS.is_ours(name)}

    @model_validator(mode="after")
    def _options_fit(self) -> UtilityConfig:
        if unused := sorted(self.options.keys() - {self.network, *self.metrics}):
            raise ValueError(f"options.{unused[0]}: nothing here names it")
        own = self.options.get(self.network, {})
        check_options(NETWORKS, self.network, own, table=f"options.{self.network}")
        for name in self.metrics:
            check_options(METRICS, name, self.options.get(name, {}), table=f"options.{name}")
        return self
