"""What is attacked: train and control subjects, their roles in the game, and the permutations of these."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..cohort.strata import subject_strata
from ..core.seeds import numpy_rng
from .background import PRIMARY, Background, Balls
from .config import AuditConfig
from .distances import EmbeddedSubjects, Hits, embed, find_hits, frozen
from .enrolled import Enrolled, Naming, enrol
from .game import Roles, deal_roles, permuted_codes
from .images import SubjectImages, read_only
from .membership import relative_distance
from .spaces import Space


@dataclass(frozen=True)
class Deal:
    """Who has which role, and `codes` int16 [P, N] of all permutations: what a statistic of N subjects is tested by."""

    roles: Roles
    codes: np.ndarray

    @property
    def train(self) -> np.ndarray:
        """Which subjects are train subjects, bool [N]."""
        return self.roles.train


@dataclass(frozen=True)
class Target:
    """N subjects of train and control, in the order of their names.

    `images` uint8 [n,C,H,W] = train images, then control images; `subjects` str [n]; `train_images` = number of train
    images; `labels` of every image, None where they are not given for both; `codes` int16 [P, N] = role and pad of
    every subject under each permutation. What several attacks need is made once and kept.
    """

    images: np.ndarray
    subjects: np.ndarray
    train_images: int
    labels: tuple[tuple[str, ...], ...] | None
    roles: Roles
    codes: np.ndarray
    _embedded: dict[str, EmbeddedSubjects] = field(default_factory=dict, repr=False)
    _hits: dict[tuple[str, float], Hits] = field(default_factory=dict, repr=False)
    _distances: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    _enrolled: list[Enrolled] = field(default_factory=list, repr=False)
    _namings: dict[str, Naming] = field(default_factory=dict, repr=False)

    @property
    def train(self) -> np.ndarray:
        """Which subjects are train subjects, bool [N]."""
        return self.roles.train

    @property
    def side(self) -> int:
        """Number of control subjects."""
        return self.roles.side

    @property
    def exchanged(self) -> float:
        """Share of people whom the permutations ever put on the other side, of the side with the smaller share."""
        moved = ((self.codes >> 1 < self.roles.blocks) != self.train).any(axis=0)
        return float(min(moved[self.train].mean(), moved[~self.train].mean()))

    def with_release(self) -> Target:
        """The same people before any release was held against them; what rests on people alone is kept."""
        return replace(self, _hits={}, _distances={}, _namings={})

    def embedded(self, space: Space) -> EmbeddedSubjects:
        """All subjects in a space of the background."""
        if space.kind not in self._embedded:
            self._embedded[space.kind] = embed(space, self.images, self.subjects)
        return self._embedded[space.kind]

    def hits(self, background: Background, kind: str, *weights: float) -> list[Hits]:
        """For each weight, who satisfies the predicates around the released images in the space of that kind."""
        balls = background.balls(kind)
        new = [weight for weight in dict.fromkeys(weights) if (kind, weight) not in self._hits]
        if new:
            found = self.hits_of(balls, *new)
            self._hits.update({(kind, weight): hits for weight, hits in zip(new, found, strict=True)})
        return [self._hits[kind, weight] for weight in weights]

    def hits_of(self, balls: Balls, *weights: float) -> list[Hits]:
        """For each weight, who satisfies the predicates `balls`."""
        return find_hits(balls.centres, self.embedded(balls.space), [balls.radii(weight) for weight in weights])

    def relative_distance(self, background: Background) -> tuple[np.ndarray, np.ndarray]:
        """See `membership.relative_distance`, in the primary space: float64 [N] and int64 [N]."""
        if PRIMARY not in self._distances:
            balls = background.balls(PRIMARY)
            relative, nearest = relative_distance(
                balls.centres, self.embedded(balls.space), background.reference(PRIMARY)
            )
            self._distances[PRIMARY] = read_only(relative), read_only(nearest)
        return self._distances[PRIMARY]

    def enrolled(self, background: Background) -> tuple[Enrolled, ...]:
        """Every matcher of the background with all subjects enrolled; certifying people are its strangers."""
        if not self._enrolled:
            given = (self.images, self.subjects, background.certify)
            self._enrolled.extend(frozen(enrol(fitted, *given)) for fitted in background.matchers())
        return tuple(self._enrolled)

    def namings(self, background: Background) -> dict[str, Naming]:
        """Whom each matcher, by its name, names for the released images."""
        if not self._namings:
            for enrolled in self.enrolled(background):
                self._namings[enrolled.name] = frozen(enrolled.names(np.array(background.released)))
        return dict(self._namings)


def make_target(train: SubjectImages, control: SubjectImages, config: AuditConfig, seed: int) -> Target:
    """Deal the roles and permute them within strata; control has no more subjects than train."""
    subjects = np.concatenate([np.asarray(given.subjects).astype(str) for given in (train, control)])
    labels = [*train.label_sets(), *control.label_sets()]
    names, counts = np.unique(subjects, return_counts=True)
    roles = deal_roles(np.isin(names, train.names), numpy_rng(seed, "audit", "blocks"))
    strata = strata_of(subjects, labels, names, counts)
    codes = permuted_codes(roles, strata, config.permutations, numpy_rng(seed, "audit", "permutations"))
    labelled = train.labels is not None and control.labels is not None
    return Target(
        images=read_only(np.concatenate([train.images, control.images])),
        subjects=read_only(subjects),
        train_images=len(train),
        labels=tuple(labels) if labelled else None,
        roles=Roles(read_only(roles.role), read_only(roles.pad), roles.side, roles.blocks),
        codes=read_only(codes),
    )


def strata_of(subjects: np.ndarray, labels: list[tuple[str, ...]], names: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Stratum of every subject: label set and images per subject (1, 2, 3, 4, then by doubling), str [N]."""
    by_label = subject_strata(subjects, labels)
    bins = np.where(counts <= 4, counts, 5 + np.floor(np.log2(np.maximum(counts, 1))).astype(int))
    return np.array(["\x1f".join((*by_label[name], str(b))) for name, b in zip(names, bins, strict=True)])
