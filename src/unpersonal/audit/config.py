"""Configuration of the audit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..core.config import Config, check_options, known_part
from .registry import ATTACKS

MOST_SEALED = 0.8
"""Share of the control people that may lie behind the seal: the others are who the audit sees until then."""


class WeightConfig(Config):
    """Weights of the predicates, as shares of 1 over the larger of subjects a side (n) and released images (m)."""

    weight_divisor: int = Field(default=100, ge=10, le=1_000)
    """Primary predicate weight w = 1 / (weight_divisor · max(n, m)).

    Never 1/n: at that weight a stranger is isolated as often as somebody of whom the release holds a copy. With m
    predicates of that weight chance isolates at most one person in `weight_divisor`, however large the release.
    """
    secondary_weight_divisor: int = Field(default=10, ge=2)
    """A second, larger weight: more hits, so more power for holes. It decides nothing about isolated people."""

    def primary(self, side: int, released: int) -> float:
        """The primary weight in a game with `side` subjects a side and so many released images."""
        return 1.0 / (self.weight_divisor * max(side, released))

    def secondary(self, side: int, released: int) -> float:
        """The second weight in such a game."""
        return 1.0 / (self.secondary_weight_divisor * max(side, released))


class ShadowConfig(Config):
    """Shadow models of an attacker who has the model: how many there are, and how large."""

    shadows: int = Field(default=4, ge=2, le=8)
    """Shadow models, each trained on a random half of the auxiliary people who fit spaces."""
    shadow_width: int = Field(default=16, ge=8, le=256)
    """Channels of a shadow model's first level."""
    shadow_images: int = Field(default=8_000, ge=64)
    """Images on which a shadow model is trained, with repetition."""


class AuditConfig(WeightConfig, ShadowConfig):
    """What the audit plays and how often. The policy (largest advantage allowed) is the caller's, not in this."""

    attacks: tuple[Annotated[str, known_part(ATTACKS)], ...] = Field(default_factory=ATTACKS.own_names)
    """Attacks that are run.

    An audit that leaves out one of our own cannot pass. Attacks of other packages can only make the verdict worse.
    """
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of attacks of other packages, by their names."""
    model: bool = False
    """Also attack with the trained model in hand; else the attacker has the release only, and the claim says so."""
    permutations: int = Field(default=9_999, ge=999)
    """Permutations of train/control membership; p-values cannot be smaller than 1 / (permutations + 1)."""
    size: int = Field(default=32, ge=8, le=256)
    """Side in pixels to which images are brought before they enter a space."""
    components: int = Field(default=48, ge=2, le=512)
    """Largest dimension of a space; less where the auxiliary images cannot carry it."""
    alpha: float = Field(default=0.025, ge=0.025, lt=0.5)
    """Level of single statistics (Holm-adjusted, one-sided), and of the placebo and sham comparisons."""
    confidence: float = Field(default=0.95, ge=0.95, lt=1.0)
    """One-sided confidence of the bounds of the primary figures, of all attempts on a cohort together.

    See `chain.alpha_of_attempt`.
    """
    weight_confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """One-sided confidence of each factor of a predicate's weight: share of the k nearest, and local dimension."""
    neighbours: float = Field(default=0.1, gt=0.0, le=0.5)
    """Share of the weight-certifying subjects whose distances fit the tail of a predicate (at least 10 subjects)."""
    shrinkage: float = Field(default=100.0, ge=0.0)
    """Weight of the pooled local dimension against a predicate's own distances, in numbers of distances."""
    planted_copies: int = Field(default=200, ge=20)
    """Perturbed copies of train images that measure the power of the audit (one for each of as many subjects)."""
    planted_power: float = Field(default=0.8, ge=0.8, le=1.0)
    """Smallest share of planted copies that must isolate their own subject, else the audit is inconclusive."""
    kind_copies: int = Field(default=60, ge=1)
    """Copies of each kind of `matching/kinds.py`, of as many train subjects, that show what the matchers are blind to.

    With fewer than 29 every kind counts as blind.
    """
    network_steps: int = Field(default=300, ge=20)
    """Steps for which the audit's own network is trained, 64 images each."""
    placebo_images: int = Field(default=500, ge=20)
    """Largest number of auxiliary images around which placebo predicates are drawn."""
    design: Literal["split", "swap"] = "split"
    """Of a study: who is held against whom.

    split: train people against people who did not train. swap: two more generators, each of one half of the train
    people drawn by chance, each half control of the other; what is audited is the procedure, at three times the
    training, and copied people are still searched in the release itself.
    """
    control: Literal["held-out", "test"] = "held-out"
    """Control people of a study: held-out, all who did not train (test and val); test, without val."""
    sealed: float = Field(default=0.0, ge=0.0, le=MOST_SEALED)
    """Share of the control people that only the last audit sees, once, at the release; 0: nothing is sealed.

    Audits before it use the others and cannot pass; the last uses the sealed ones alone.
    """
    undecided_strata: Literal["note", "inconclusive"] = "note"
    """What a stratum of the worst case with too few people to decide makes of a verdict that would be `pass`."""
    canaries: int = Field(default=0, ge=0, le=100_000)
    """Images of nobody (means of two train people, with noise) of which training sees each by the toss of a coin.

    The audit guesses the tosses from the release, and bounds ε from below by how often it is right. They cost training
    volume and are never released. Of a study only: the audit of somebody else's images has no training to add to.
    """
    smallest_side: int = Field(default=450, ge=1)
    """Subjects a side below which the result carries a note that the audit is small."""

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """The attacks that are run."""
        return tuple(("attack", name) for name in self.attacks)

    @model_validator(mode="after")
    def _options_fit(self) -> AuditConfig:
        if unused := sorted(self.options.keys() - set(self.attacks)):
            raise ValueError(f"options.{unused[0]}: `attacks` does not name it")
        for name in self.attacks:
            check_options(ATTACKS, name, self.options.get(name, {}), table=f"options.{name}")
        return self
