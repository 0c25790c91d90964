"""Membership by a stack: all scores of low cost together, weighed as they tell who was leaked in a game played before.

The game is among auxiliary people: of half of them the release holds a copy each, in kinds and strengths of all sorts,
and of the others none. A logistic regression learns there which scores to believe (stacking: Wolpert, Neural Networks
1992). Nobody whom it scores is in that game, and who trained is never asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.config import Config
from ...core.seeds import derive_seed, numpy_rng
from ...matching.kinds import PICTURE_KINDS
from ..attack import Attack, AttackNeeds, FittedAttack, SubjectScores
from ..background import PRIMARY, Background
from ..images import SubjectImages
from ..perturbations import perturbed_copies
from ..target import Target, make_target
from . import (
    membership_by_classifier,
    membership_by_density,
    membership_by_distance,
    membership_by_likelihood,
    membership_by_matching,
    membership_by_mixture,
    membership_by_neighbourhood,
)

PARTS: tuple[Attack, ...] = (
    membership_by_classifier.ATTACK,
    membership_by_density.ATTACK,
    membership_by_distance.ATTACK,
    membership_by_likelihood.ATTACK,
    membership_by_matching.ATTACK,
    membership_by_mixture.ATTACK,
    membership_by_neighbourhood.ATTACK,
)
STRANGERS = 1 / 3
"""Share of the certifying people who are the game's own certifying people."""
PLAYERS = 240
"""Largest number of people in the game."""
PERTURBED = 0.5
"""Share of the copies that are slightly changed; the others are of the kinds that matchers are tried on."""
PENALTY = 1.0


@dataclass(frozen=True)
class FittedStack:
    """The parts, fitted on the release, and the weight of each of their scores."""

    background: Background
    parts: tuple[FittedAttack, ...]
    weights: np.ndarray

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        """The weighted sum of all scores."""
        values = scores_of(self.parts, target)
        return (SubjectScores(standardised(values, np.ones(len(values), dtype=bool)) @ self.weights),)


def scores_of(parts: Sequence[FittedAttack], target: Target) -> np.ndarray:
    """Every score of the parts in one column, float64 [N, p]."""
    columns = [
        np.asarray(found.values, dtype=np.float64)
        for part in parts
        for found in part.run(target)
        if isinstance(found, SubjectScores)
    ]
    return np.stack(columns, axis=1)


def standardised(values: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Columns of values [N, p] in mean deviations from the median of `typical` subjects, bool [N].

    Beyond the first few they grow as a logarithm, so that no single score decides.
    """
    centre = np.median(values[typical], axis=0)
    deviation = np.abs(values[typical] - centre).mean(axis=0)
    scaled: np.ndarray = np.arcsinh((values - centre) / np.maximum(deviation, 1e-9))
    return scaled


class StackAttack:
    """Logistic regression over all other scores of low cost."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: Config) -> FittedStack:
        """Play the game, learn the weights, and fit the parts on the release."""
        weights = learn_weights(*play_among_auxiliary(background))
        parts = tuple(part.fit(background, part.config()) for part in PARTS)
        return FittedStack(background, parts, weights)


def play_among_auxiliary(background: Background) -> tuple[np.ndarray, np.ndarray]:
    """Scores float64 [N, p] of the players of a game among auxiliary people, and who was leaked, bool [N]."""
    rng = numpy_rng(background.seed, "audit", "stack")
    people = rng.permutation(background.certify.names)
    strangers, players = np.split(people, [max(1, round(STRANGERS * len(people)))])
    leaked, others = np.array_split(players[:PLAYERS], 2)
    inside, outside, rest = (_people(background.certify, names) for names in (leaked, others, strangers))
    fresh = background.released[rng.permutation(len(background.released))[: len(leaked)]]
    game = Background(
        released=np.concatenate([leaked_copies(inside, background.network.images, rng), fresh]),
        network=background.network,
        certify=rest,
        side=len(others),
        config=background.config,
        seed=derive_seed(background.seed, "audit", "stack", "game"),
        _spaces={PRIMARY: background.space(PRIMARY)},
        _matchers=list(background.matchers()),
    )
    target = make_target(inside, outside, background.config.model_copy(update={"permutations": 1}), game.seed)
    fitted = [part.fit(game, part.config()) for part in PARTS]
    return scores_of(fitted, target), np.array(target.train)


def leaked_copies(people: SubjectImages, hosts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One copy of each person, uint8 [p,C,H,W]: half slightly changed, half of a kind and strength drawn for each."""
    order = rng.permutation(len(people))
    _, first = np.unique(np.asarray(people.subjects).astype(str)[order], return_index=True)
    images = np.array(people.images[order[first]])
    cut = round(PERTURBED * len(images))
    slightly = perturbed_copies(images[:cut], rng)[0] if cut else images[:0]
    known = [(kind, strength) for kind in PICTURE_KINDS for strength in kind.strengths]
    drawn = (known[number] for number in rng.integers(0, len(known), len(images) - cut))
    others = [
        kind.copies(image[None], np.array(hosts), strength, rng)
        for image, (kind, strength) in zip(images[cut:], drawn, strict=True)
    ]
    return np.concatenate([slightly, *others])


def learn_weights(values: np.ndarray, leaked: np.ndarray) -> np.ndarray:
    """Weights float64 [p] of standardised scores [N, p] by which `leaked` players, bool [N], are told."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000)
    weights: np.ndarray = model.fit(standardised(values, ~leaked), leaked).coef_[0]
    return weights


def _people(given: SubjectImages, names: np.ndarray) -> SubjectImages:
    chosen = given.only(np.flatnonzero(np.isin(np.asarray(given.subjects).astype(str), names)))
    return replace(chosen, labels=None)


ATTACK = StackAttack()
