"""The predicate-singling-out game (Cohen & Nissim, PNAS 2020), counted on train and on control.

A predicate *isolates* in a data set if exactly one of its subjects satisfies it. Train is larger than control as a
rule, and isolation depends on the size of the data set; so train is examined in blocks of n = the control's size, and
an isolation counts for a block if the isolated subject is the block's own (not a pad). Shapes: N subjects in the
game, H hits, B blocks, P permutations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.spread import spread
from ..metrics.hypothesis import permuted_within
from .distances import Hits

MANY = 40
"""A predicate that more than MANY · (B + 1) subjects satisfy is never counted: it cannot single anybody out."""
CELLS = 20_000_000


def base_rate(n: int, weight: float) -> float:
    """Chance that a predicate of this weight isolates in n strangers: n w (1-w)^(n-1)."""
    return float(n * weight * np.exp((n - 1) * np.log1p(-weight)))


@dataclass(frozen=True)
class Roles:
    """The role of each subject, int16 [N]: 0..B-1 = the train block that owns it, B = control.

    `pad` bool [N] marks train subjects that also fill up the last block. `side` = n, `blocks` = B.
    """

    role: np.ndarray
    pad: np.ndarray
    side: int
    blocks: int

    @property
    def train(self) -> np.ndarray:
        """Which subjects are train subjects, bool [N]."""
        return self.role < self.blocks

    @property
    def ratio(self) -> float:
        """Train subjects per control subject: what control counts are multiplied by before they are compared."""
        return float(self.train.sum()) / self.side


def deal_roles(train: np.ndarray, rng: np.random.Generator) -> Roles:
    """Divide the train subjects into blocks of the control's size; the last is padded with train subjects of others.

    `train` bool [N]; needs no more control than train subjects (the caller thins out control).
    """
    members = np.flatnonzero(train)
    side = int((~train).sum())
    if not 0 < side <= len(members):
        raise ValueError(f"{len(members)} train and {side} control subjects do not make a game")
    blocks = -(-len(members) // side)
    order = rng.permutation(members)
    role = np.full(len(train), blocks, dtype=np.int16)
    role[order] = np.arange(len(order)) // side
    pad = np.zeros(len(train), dtype=bool)
    missing = blocks * side - len(members)
    # drawn from the other blocks, so that nobody is in the last block twice
    pad[rng.permutation(order[: (blocks - 1) * side])[:missing]] = True
    return Roles(role, pad, side, blocks)


def permuted_codes(roles: Roles, strata: np.ndarray, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Role and pad of every subject under random exchange within strata: int16 [P, N], code = 2·role + pad.

    The whole role moves, block and pad included, so that the statistic of a permutation is computed on blocks of
    the same make-up; this is exact under exchangeability within strata.
    """
    code = (2 * roles.role + roles.pad).astype(np.int16)
    return permuted_within(code, strata, permutations, rng)


def count_isolations(hits: Hits, codes: np.ndarray, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Isolations of train subjects (all blocks together) and of control subjects: two int64 [P].

    `codes` int16 [P, N] as `permuted_codes` makes them. Only pairs that hit are touched.
    """
    per_predicate = np.bincount(hits.predicate, minlength=hits.predicates)
    keep = per_predicate[hits.predicate] <= MANY * (blocks + 1)
    pairs = _Pairs(hits.predicate[keep], hits.subject[keep], codes, blocks)
    train, control = np.zeros(len(codes), dtype=np.int64), np.zeros(len(codes), dtype=np.int64)
    if len(pairs.predicate):
        rows = max(1, CELLS // len(pairs.predicate))
        begins = [slice(begin, begin + rows) for begin in range(0, len(codes), rows)]
        for some, (of_train, of_control) in zip(begins, spread(_count, pairs, begins), strict=True):
            train[some], control[some] = of_train, of_control
    return train, control


@dataclass(frozen=True)
class _Pairs:
    """Pairs that hit, int64 [H] each, in the order of the predicates; `codes` int16 [P, N] and the number of blocks."""

    predicate: np.ndarray
    subject: np.ndarray
    codes: np.ndarray
    blocks: int


def _count(pairs: _Pairs, some: slice) -> tuple[np.ndarray, np.ndarray]:
    """`count_isolations` under some of the permutations."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(pairs.predicate)) + 1])
    code = pairs.codes[some][:, pairs.subject]
    role, padding = code >> 1, (code & 1).astype(bool)
    train, control = np.zeros(len(code), dtype=np.int64), np.zeros(len(code), dtype=np.int64)
    for block in range(pairs.blocks + 1):
        own = role == block
        single = np.add.reduceat(own, starts, axis=1, dtype=np.int32) == 1
        if block == pairs.blocks - 1:
            single &= np.add.reduceat(padding & ~own, starts, axis=1, dtype=np.int32) == 0
        if block < pairs.blocks:
            train += single.sum(axis=1)
        else:
            control += single.sum(axis=1)
    return train, control


def isolations(hits: Hits, roles: Roles) -> tuple[np.ndarray, np.ndarray]:
    """Which predicate isolates whom within a block, or within control: predicates and subjects, int64 [k] each.

    A predicate may isolate a person in each of several blocks.
    """
    predicates, subjects = [], []
    for block in range(roles.blocks + 1):
        inside = roles.role == block
        own = inside.copy()
        if block == roles.blocks - 1:
            inside = inside | roles.pad
        keep = inside[hits.subject]
        predicate, subject = hits.predicate[keep], hits.subject[keep]
        single = np.bincount(predicate, minlength=hits.predicates)[predicate] == 1
        counted = single & own[subject]
        predicates.append(predicate[counted])
        subjects.append(subject[counted])
    return np.concatenate(predicates), np.concatenate(subjects)


def isolating_predicates(hits: Hits, roles: Roles) -> np.ndarray:
    """How many predicates isolate each subject within its own block (or within control), int64 [N]."""
    return np.bincount(isolations(hits, roles)[1], minlength=len(roles.role))


@dataclass(frozen=True)
class Isolation:
    """Outcome of one game.

    `train_rate` = isolations of train subjects per predicate, all blocks together; `control_rate` = the same on
    control, times train subjects per control subject; `advantage` = their difference; `null` float64 [P] = the
    permutation distribution of it.
    """

    train_rate: float
    control_rate: float
    advantage: float
    null: np.ndarray
    train_count: int
    control_count: int
    predicates: int


def play(hits: Hits, roles: Roles, codes: np.ndarray) -> Isolation:
    """Count isolations as observed and under every permutation in `codes` int16 [P, N]."""
    observed = (2 * roles.role + roles.pad).astype(np.int16)[None]
    train, control = count_isolations(hits, observed, roles.blocks)
    null_train, null_control = count_isolations(hits, codes, roles.blocks)
    m = max(hits.predicates, 1)
    return Isolation(
        train_rate=float(train[0]) / m,
        control_rate=roles.ratio * float(control[0]) / m,
        advantage=(float(train[0]) - roles.ratio * float(control[0])) / m,
        null=(null_train - roles.ratio * null_control) / m,
        train_count=int(train[0]),
        control_count=int(control[0]),
        predicates=hits.predicates,
    )


def smallest_trials(policy: float, confidence: float) -> int:
    """Fewest subjects (and released images) with which a spotless release stays within `policy`; 1 if that is >= 1."""
    if policy >= 1.0:
        return 1
    return int(np.ceil(np.log(1.0 - confidence) / np.log1p(-policy)))
