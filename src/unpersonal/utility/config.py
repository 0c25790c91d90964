"""What the utility comparison is made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from ..core.config import Config, check_options, known_part
from ..judges.registry import NETWORKS
from ..metrics.registry import METRICS


class UtilityConfig(Config):
    """The recipient's recipe, the same for every arm (real, synthetic, real after the codec)."""

    network: Annotated[str, known_part(NETWORKS)] = "small"
    """Architecture of the recipient's classifier; never the network that selected the images, always freshly seeded."""
    width: int = Field(24, ge=4, le=512)
    """Channels of the first stage of the `small` network; differs from the judges' default on purpose."""
    epochs: float = Field(40.0, gt=0)
    """Times that each classifier sees the images of its arm, within the two bounds that follow."""
    fewest_steps: int = Field(200, ge=1)
    """Optimiser steps of each classifier, at least."""
    most_steps: int = Field(2000, ge=1)
    """Optimiser steps of each classifier, at most."""
    steps: int | None = Field(None, ge=1)
    """Optimiser steps of each classifier, instead of those that follow from what its arm has."""
    batch: int = Field(64, ge=2)
    """Images per step."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(1e-2, ge=0)
    """Decoupled weight decay."""
    averaging: float = Field(0.99, ge=0, lt=1)
    """Decay a step of the moving average of the weights, which is what is looked at and kept; 0: the last weights."""
    check_every: int = Field(100, ge=1)
    """Steps between two looks at the held-out images; the best weights of these looks are kept."""
    patience: int = Field(6, ge=0)
    """Looks without a better one that end a training; 0: never."""
    save_every: int = Field(200, ge=1)
    """Steps between two checkpoints."""
    repeats: int = Field(3, ge=1, le=32)
    """Classifiers per arm, each with its own seed; the figure of an arm is the mean of their AUROCs.

    From two on, intervals hold for other seeds as well; with two they are wide. The ceiling has two at most.
    """
    soft: bool = False
    """Whether the synthetic arm learns from the probabilities that `soft` of synthesis makes, not from the labels."""
    ceiling: bool = True
    """Whether a third arm learns from real images after the codec, to tell what the codec alone costs."""
    held_out: float = Field(0.1, gt=0, lt=0.5)
    """Share of what an arm has on which it stops early and is calibrated: a recipient has nothing else.

    Of real images whole subjects are held out.
    """
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

    def steps_for(self, images: int) -> int:
        """Optimiser steps of a classifier that learns from so many images."""
        asked = round(self.epochs * images / self.batch)
        return self.steps or max(self.fewest_steps, min(asked, self.most_steps))

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
