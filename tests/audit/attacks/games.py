"""A small game among phantoms in which the scores of membership are tried; who trained is dealt anew for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from unpersonal.audit.attack import SubjectScores
from unpersonal.audit.background import Background
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.matchers import NamedMatcher
from unpersonal.audit.membership import auroc_with_null
from unpersonal.audit.registry import ATTACKS
from unpersonal.audit.spaces import Space
from unpersonal.audit.target import Target, make_target
from unpersonal.core.config import part_config
from unpersonal.metrics.hypothesis import permutation_p
from unpersonal.phantom import phantom_cohort

CONFIG = AuditConfig(permutations=999, network_steps=60, kind_copies=1)


@dataclass
class Games:
    """The auditor's people, 260 players, and images of fresh people."""

    network: SubjectImages
    certify: SubjectImages
    players: SubjectImages
    fresh: np.ndarray
    spaces: dict[str, Space] = field(default_factory=dict)
    matchers: list[NamedMatcher] = field(default_factory=list)

    @classmethod
    def of_phantoms(cls) -> Games:
        """Spaces and matchers are fitted when they are first used, once for all games."""
        images, names, _ = phantom_cohort(420, 11, 32)
        subjects = np.asarray(names)
        order = np.random.default_rng(0).permutation(np.unique(subjects))
        rows = [np.flatnonzero(np.isin(subjects, part)) for part in np.split(order, [80, 160])]
        fresh, _, _ = phantom_cohort(1200, 12, 32, stream="fresh")
        return cls(*(SubjectImages(images[chosen], subjects[chosen]) for chosen in rows), fresh)

    def target(self, seed: int) -> Target:
        """130 of the players trained."""
        drawn = np.random.default_rng(seed).permutation(self.players.names)[:130]
        inside = np.isin(self.players.subjects, drawn)
        train, control = (self.players.only(np.flatnonzero(rows)) for rows in (inside, ~inside))
        return make_target(train, control, CONFIG, seed=seed)

    def background(self, released: np.ndarray, seed: int) -> Background:
        """What the auditor has beside that release."""
        kept = {"_spaces": self.spaces, "_matchers": self.matchers}
        return Background(released, self.network, self.certify, 130, CONFIG, seed, **kept)

    def scores(self, name: str, released: np.ndarray, target: Target, seed: int = 1) -> Sequence[SubjectScores]:
        """What an attack gives."""
        attack, background = ATTACKS.get(name), self.background(released, seed)
        found = attack.fit(background, part_config(ATTACKS, name, CONFIG, {})).run(target)
        return [each for each in found if isinstance(each, SubjectScores)]

    def null_p_values(self, name: str, games: int, images: int) -> Iterator[float]:
        """p-values of games without a leak, each with other fresh people released and other people trained."""
        for seed in range(games):
            target, released = self.target(seed), self.fresh[seed * images : (seed + 1) * images]
            for found in self.scores(name, released, target, seed):
                yield permutation_p(*auroc_with_null(found.values, target.codes, target.train, target.roles.blocks))


def one_each(target: Target, count: int) -> np.ndarray:
    """The first image of as many train subjects."""
    _, first = np.unique(target.subjects, return_index=True)
    return np.array(target.images[first[target.train]][:count])
