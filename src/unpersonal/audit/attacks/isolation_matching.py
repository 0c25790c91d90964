"""Isolation by matchers: "a matcher finds this released image in the person's picture, more surely than strangers'".

The release is the gallery and the person's image the query, so that whether a predicate holds can be told from that
image alone. Pieces and mixtures are asked for here; whole pictures, however turned, have balls of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...matching.base import Matcher
from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..clusters import bets_on
from ..config import WeightConfig
from ..images import SubjectImages
from ..predicates import CertifiedFamilies, as_people, certify_pointing

ASKED = ("mixtures", "parts")


@dataclass(frozen=True)
class Found:
    """A matcher with the p released images as its gallery."""

    matcher: Matcher[Any]
    gallery: Any
    released: int

    def __len__(self) -> int:
        return self.released

    def point(self, given: SubjectImages) -> tuple[np.ndarray, np.ndarray]:
        """See `Pointing.point`; a value is exp(-score), as scores of strangers have about exponential tails."""
        found = self.matcher.score(np.ascontiguousarray(given.images), self.gallery)
        known = np.isfinite(found.score)
        score = np.where(known, found.score, 0.0).astype(np.float64)
        return found.nearest, np.where(known, np.exp(-np.clip(score, -500.0, 500.0)), np.inf)


class MatchingIsolationAttack:
    """Which released image each matcher finds in a person's picture."""

    config = WeightConfig
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: WeightConfig) -> CertifiedFamilies:
        """Enrol the release, and fix the scores by those who certify."""
        released = np.array(background.released)
        weight = options.primary(background.side, len(released))
        given = background, bets_on(background, PRIMARY, weight), weight
        names = as_people(background).subjects
        return CertifiedFamilies(
            tuple(
                certify_pointing(
                    Found(fitted.matcher, fitted.matcher.enrol(released, names), len(released)), *given, fitted.name
                )
                for fitted in background.matchers()
                if fitted.name in ASKED
            ),
            weight,
        )


ATTACK = MatchingIsolationAttack()
