"""Who is exposed most: tails over subjects, which may be published, and the rows of the worst, which may not."""

from __future__ import annotations

import numpy as np

from .background import PRIMARY, Background
from .distances import distances
from .family import Family
from .figures import Tails
from .game import isolating_predicates
from .result import Private, masked
from .target import Target

AT_LEAST = (1, 2, 5, 10)
"""Numbers of predicates that isolate one subject, of which the tails tell how many subjects there are."""
MOST_EXPOSED = 10
"""People of whom all attacks together say most, who are told on the private page."""
BY_CHANCE = 2.0
"""-log10 of the largest share of people that predicates of the primary weight isolate by chance."""
WORST = 24
"""Rows of each kind that are kept for the private page."""


def tails_of(counts: np.ndarray, train: np.ndarray) -> Tails:
    """Tails of the number of predicates that isolate each subject, int64 [N]; `train` bool [N]."""

    def table(side: np.ndarray) -> dict[str, int | str]:
        return {str(least): masked(int((side >= least).sum())) for least in AT_LEAST}

    def top5(side: np.ndarray) -> float:
        return float(np.sort(side)[::-1][:5].mean())

    return Tails(table(counts[train]), table(counts[~train]), top5(counts[train]), top5(counts[~train]))


def exposed_of(family: Family, target: Target) -> tuple[dict[str, float], ...]:
    """The `MOST_EXPOSED` train subjects of whom all our attacks together say most, by the row of their first image.

    `exposure` is the sum over attacks on membership of -log10 of the share of control subjects who score as high; each
    family of predicates that isolates the person adds -log10 of the share of people that chance isolates. It is an
    order, and no test.
    """
    scores, predicates = family.scores, family.predicates
    control, exposure = ~target.train, np.zeros(len(target.train))
    for given in scores.found[: scores.own]:
        ordered = np.sort(given.values[control])
        as_high = len(ordered) - np.searchsorted(ordered, given.values, side="left")
        exposure -= np.log10((as_high + 1) / (len(ordered) + 1))
    for found in predicates.found[: predicates.own]:
        exposure += BY_CHANCE * (isolating_predicates(found.hits, target.roles) > 0)
    _, first = np.unique(target.subjects, return_index=True)
    train = np.flatnonzero(target.train)
    most = train[np.argsort(-exposure[train], kind="stable")][:MOST_EXPOSED]
    return tuple({"train": int(first[s]), "exposure": float(exposure[s])} for s in most)


def private_of(counts: np.ndarray, background: Background, target: Target) -> Private:
    """The train subjects isolated most often, and the nearest pairs of a train and a released image."""
    balls = background.balls(PRIMARY)
    embedded = target.embedded(balls.space)
    relative, which = target.relative_distance(background)
    train = np.flatnonzero(target.train)
    worst = train[np.argsort(-counts[train], kind="stable")][:WORST]
    pairs = []
    for subject in train[np.argsort(relative[train], kind="stable")][:WORST]:
        begin = int(embedded.starts[subject])
        points = embedded.points[begin : begin + int(embedded.images_per_subject[subject])]
        centre = balls.centres[which[subject]][None]
        row = int(embedded.rows[begin + int(distances(centre, points)[0].argmin())])
        pairs.append(
            {
                "train": row,
                "synthetic": int(background.picture_of[which[subject]]),
                "distance": float(relative[subject]),
            }
        )
    return Private(
        worst=tuple(
            {"train": int(embedded.rows[embedded.starts[s]]), "predicates": int(counts[s])} for s in worst if counts[s]
        ),
        pairs=tuple(pairs),
    )
