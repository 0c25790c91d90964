"""What the judges are made of and how long they train."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..core.config import Config, check_options, known_part
from ..core.registry import Registry
from ..matching.registry import MATCHERS
from .registry import NETWORKS

Perturbation = Literal["crop", "rotation", "gamma", "noise", "jpeg", "codec"]


class JudgesConfig(Config):
    """Settings of the re-identifier, the classifier and the gate; budgets are in steps, never in seconds."""

    kind: Literal["embedding", "siamese"] = "embedding"
    """The re-identifier: a metric-learned embedding whose cosine is the score, or the paper's Siamese network."""
    reidentifier: Annotated[str, known_part(NETWORKS)] = "small"
    """Network of the re-identifier (`resnet50` in the paper)."""
    classifier: Annotated[str, known_part(NETWORKS)] = "small"
    """Network of the label classifier (`densenet121` in the paper)."""
    matchers: tuple[Annotated[str, known_part(MATCHERS)], ...] = ("mixtures", "parts", "poses")
    """Matchers that veto beside the re-identifier, asked in this order; a candidate must pass them all."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Keys of plug-ins named above, a table each: `[judges.options.NAME]`."""
    width: int = Field(16, ge=4, le=512)
    """Channels of the first stage of the `small` network; later stages have 2× and 4×."""
    embedding: int = Field(64, ge=2, le=4096)
    """Dimensions of the re-identifier's embedding."""
    signed_head: bool = False
    """Siamese: let weights of the |Δ| head be negative (a pair then costs two weighted L1 distances instead of one)."""
    temperature: float = Field(0.1, gt=0)
    """Embedding: divides the cosines in the contrastive loss."""
    seeds: int = Field(2, ge=1, le=16)
    """Members of the re-identifier, trained with different seeds; the gate uses the mean of their normalised scores."""
    gallery_views: Literal[1, 6, 11] = 11
    """Views under which a gallery image is embedded (itself, and windows of it); a pair scores as its best view."""
    reidentifier_steps: int = Field(300, ge=1)
    """Optimiser steps of each member."""
    reidentifier_batch: int = Field(128, ge=2)
    """Subjects per step; each gives two views, and every other subject of the batch is a negative."""
    reidentifier_lr: float = Field(6e-3, gt=0)
    """Peak learning rate (AdamW, linear warm-up over 5 %, then cosine to zero)."""
    visit_probability: float = Field(0.2, ge=0, le=1)
    """Probability that the second view is another image of the subject, where there is one."""
    same_label: float = Field(0.5, ge=0, le=1)
    """Share of the subjects of a step that have one and the same set of labels: harder to tell apart."""
    generated_views: int = Field(512, ge=0)
    """Train images of which copies by the study's diffusion model are made to learn from; 0 is none."""
    generated_probability: float = Field(0.5, ge=0, le=1)
    """Probability that the second view is such a copy, where there is one."""
    classifier_steps: int = Field(300, ge=1)
    """Optimiser steps of the classifier."""
    classifier_batch: int = Field(128, ge=2)
    """Images per step of the classifier."""
    classifier_lr: float = Field(1e-3, gt=0)
    """Peak learning rate of the classifier."""
    weight_decay: float = Field(1e-2, ge=0)
    """Decoupled weight decay of both."""
    teachers: int = Field(5, ge=2, le=16)
    """Folds of train people, and classifiers cross-fitted over them, where `soft` of synthesis asks for these."""
    check_every: int = Field(100, ge=1)
    """Steps between two looks at the early-stopping half of val; the best weights of these looks are kept."""
    save_every: int = Field(200, ge=1)
    """Steps between two checkpoints."""
    perturbations: tuple[Perturbation, ...] = ("crop", "rotation", "gamma", "noise", "jpeg", "codec")
    """Copies of held-out subjects that the best weights are chosen by in training, one of each."""
    miss_target: float = Field(0.01, gt=0, lt=1)
    """Share of subjects with a missed copy that the upper bound may not exceed; above it a shortfall is printed."""
    false_flag_budget: float = Field(0.20, gt=0, le=1)
    """Share of strangers that all matchers together may flag; above it a shortfall is printed."""
    false_flag_spend: float = Field(0.15, ge=0, le=1)
    """Share of strangers that the thresholds are set to flag, divided among the matchers by what it buys."""
    confidence: float = Field(0.95, ge=0.95, lt=1)
    """Confidence of the bounds."""
    protected: int = Field(5000, ge=1)
    """Train subjects whose copies measure the miss rate, at most: a random sample of them bounds it as well."""
    tried: int = Field(400, ge=1)
    """Train subjects whose copies of the other kinds measure recall, at most."""
    evidence: int = Field(100, ge=1)
    """Subjects held out whose copies say how the false flags are best spent, at most."""
    renoised: int = Field(200, ge=0)
    """Train subjects whose images are re-noised by the study's own model, at most; 0 leaves the kind untried."""
    overfitted: int = Field(48, ge=0)
    """Train subjects whose images a copy of the model learns by heart; 0 leaves the kind untried."""

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """The networks and the matchers."""
        networks = (("network", self.reidentifier), ("network", self.classifier))
        return (*networks, *(("matcher", name) for name in self.matchers))

    def options_of(self, name: str) -> dict[str, Any]:
        """The keys of the plug-in `name`."""
        return self.options.get(name, {})

    @model_validator(mode="after")
    def _options_fit(self) -> JudgesConfig:
        registries: dict[str, Registry[Any]] = {"network": NETWORKS, "matcher": MATCHERS}
        for kind, name in self.own_parts():
            check_options(registries[kind], name, self.options_of(name), table=f"options.{name}")
        if unnamed := sorted(self.options.keys() - {name for _, name in self.own_parts()}):
            raise ValueError(f"options: nothing here names {', '.join(unnamed)}")
        if len(set(self.matchers)) != len(self.matchers):
            raise ValueError("matchers must not repeat")
        return self

    @model_validator(mode="after")
    def _perturbations_are_distinct(self) -> JudgesConfig:
        if not self.perturbations or len(set(self.perturbations)) != len(self.perturbations):
            raise ValueError("perturbations must be a non-empty list without repetition")
        return self
