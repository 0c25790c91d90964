"""What an attacker has before train and control are read: auxiliary people, the release, and how many play."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from .config import AuditConfig
from .distances import EmbeddedSubjects, embed, frozen, subject_distances
from .images import SubjectImages, read_only
from .matchers import NamedMatcher, fit_matchers
from .spaces import Space, fit_space
from .weights import TailModel, fit_tails

if TYPE_CHECKING:
    from ..cohort.soft_labels import SoftLabels
    from .model import ModelAccess

PRIMARY = "appearance"
"""The space of the figures that the claim is made of."""


@dataclass(frozen=True)
class Balls:
    """Predicates "somebody within r of this image": centres float32 [p, k] in `space`, and the tails that give r."""

    space: Space
    centres: np.ndarray
    tails: TailModel

    def radii(self, weight: float) -> np.ndarray:
        """Radius of each predicate of that weight, float64 [p]."""
        return self.tails.radii(weight)


@dataclass(frozen=True)
class Background:
    """Auxiliary people and the release, uint8 [m,C,H,W]; `side` is the number of control subjects in the game.

    `network` are the auxiliary people on whom spaces (and networks) are fitted, `certify` those who certify the weights
    of predicates: no subject is in both. `pictures` int64 [m] says which released picture each of `released` is a view
    of: a picture that is not square has several, and counts once; None: each is its own. `released_labels`
    are the labels of each of `released`, None where these are not given. What several attacks need is made once and
    kept.
    """

    released: np.ndarray
    network: SubjectImages
    certify: SubjectImages
    side: int
    config: AuditConfig
    seed: int
    pictures: np.ndarray | None = None
    released_labels: tuple[tuple[str, ...], ...] | None = None
    model: ModelAccess | None = None
    """The trained model, where the attacker has it."""
    soft: SoftLabels | None = None
    """Class probabilities of each of `released`, where these are released."""
    _spaces: dict[str, Space] = field(default_factory=dict, repr=False)
    _balls: dict[str, Balls] = field(default_factory=dict, repr=False)
    _embedded: dict[tuple[str, str], EmbeddedSubjects] = field(default_factory=dict, repr=False)
    _matchers: list[NamedMatcher] = field(default_factory=list, repr=False)

    @property
    def picture_of(self) -> np.ndarray:
        """Which released picture each of `released` shows, int64 [m]."""
        return np.arange(len(self.released)) if self.pictures is None else self.pictures

    def with_release(self, released: np.ndarray, labels: tuple[tuple[str, ...], ...] | None = None) -> Background:
        """The same people with other images in place of the release, uint8 [m,C,H,W], and the labels of each."""
        return replace(self, released=read_only(released), pictures=None, released_labels=labels, soft=None, _balls={})

    def space(self, kind: str) -> Space:
        """The space of that kind, fitted on the `network` images."""
        if kind not in self._spaces:
            size, components = self.config.size, self.config.components
            space = fit_space(kind, self.network.images, size=size, components=components, seed=self.seed)
            self._spaces[kind] = frozen(space)
        return self._spaces[kind]

    def balls(self, kind: str) -> Balls:
        """Predicates around all released images, in the space of that kind."""
        if kind not in self._balls:
            self._balls[kind] = self.balls_around(self.released, kind)
        return self._balls[kind]

    def balls_around(self, images: np.ndarray, kind: str) -> Balls:
        """Predicates around `images`, uint8 [n,C,H,W], in the space of that kind."""
        space = self.space(kind)
        centres = space.embed(images)
        return frozen(Balls(space, centres, self.tails(subject_distances(centres, self.certifying(kind)))))

    def tails(self, distances: np.ndarray) -> TailModel:
        """Tails of predicates by their distances [p, m] to the certifying subjects, as `weights.fit_tails` says."""
        return frozen(
            fit_tails(
                distances,
                neighbours=self.config.neighbours,
                shrinkage=self.config.shrinkage,
                confidence=self.config.weight_confidence,
            )
        )

    def matchers(self) -> tuple[NamedMatcher, ...]:
        """The audit's matchers, fitted on the `network` images."""
        if not self._matchers:
            self._matchers.extend(fit_matchers(self.network, self.config, self.seed))
        return tuple(self._matchers)

    def certifying(self, kind: str) -> EmbeddedSubjects:
        """The certifying subjects in the space of that kind."""
        return self._embed("certify", self.certify, kind)

    def reference(self, kind: str) -> EmbeddedSubjects:
        """The subjects on whom spaces are fitted, in the space of that kind: strangers to train and control alike."""
        return self._embed("network", self.network, kind)

    def _embed(self, name: str, given: SubjectImages, kind: str) -> EmbeddedSubjects:
        if (name, kind) not in self._embedded:
            self._embedded[name, kind] = embed(self.space(kind), given.images, given.subjects)
        return self._embedded[name, kind]

    @property
    def components(self) -> dict[str, int]:
        """Dimension of every space that was fitted."""
        return {kind: space.components for kind, space in self._spaces.items()}
