"""Isolation weights on fresh phantoms: `python -m benchmarks.audit_weights [PEOPLE [SIDE [NAME …]]] [--out FILE]`.

Strangers are drawn without end, so that the weight of every family can be counted far below what an audit's own people
resolve. A release of 500 fresh people, 200 people who certify, 200 who fit the spaces; for each family the mean weight
over predicates with its interval over people, beside the weight it was fitted to, and how many people in a hundred were
hit at all. Draws are counted in blocks, so that memory does not grow with them. `--out FILE` keeps every block as a
line of JSON: the same command goes on where it was stopped, `--minutes` ends a piece.
"""

from __future__ import annotations

import argparse
import time
from functools import cache
from pathlib import Path

import numpy as np
import torch

from benchmarks.rows import Rows
from unpersonal.audit import AuditConfig, SubjectImages
from unpersonal.audit.attack import Predicates
from unpersonal.audit.background import Background
from unpersonal.audit.registry import ATTACKS
from unpersonal.audit.target import Target, make_target
from unpersonal.core.config import part_config
from unpersonal.metrics.intervals import clopper_pearson
from unpersonal.phantom import draw_subjects, phantom_cohort, render

PEOPLE, SIDE = 1_000_000, 32
RELEASED, NETWORK, CERTIFY = 500, 200, 200
BLOCK = 10_000
"""People drawn at once."""
SLOW = ("isolation-matching",)
"""Families that see one block in `EVERY`: matchers take a hundred times as long as the others."""
EVERY = 100


def fitted_attacks(size: int, names: tuple[str, ...]) -> dict[str, object]:
    """The attacks on a release of people of whom nobody is drawn again."""
    images, subjects, labels = phantom_cohort(RELEASED + NETWORK + CERTIFY, 1, size)
    people = np.asarray(subjects)
    order = np.random.default_rng(0).permutation(np.unique(people))
    cuts = np.split(order, [RELEASED, RELEASED + NETWORK])
    released, network, certify = (
        SubjectImages(images[rows], people[rows], [labels[row] for row in rows])
        for rows in (np.flatnonzero(np.isin(people, cut)) for cut in cuts)
    )
    first = np.unique(released.subjects, return_index=True)[1]
    config = AuditConfig()
    background = Background(
        released.images[first],
        network,
        certify,
        RELEASED,
        config,
        seed=1,
        released_labels=tuple((str(label),) for label in np.array(released.label_sets())[first, 0]),
    )
    return {name: ATTACKS.get(name).fit(background, part_config(ATTACKS, name, config, {})) for name in names}


def drawn(block: int, size: int) -> Target:
    """Fresh people, one image each."""
    people = draw_subjects(BLOCK, seed=block, stream="fresh")
    images = render(people, np.stack([np.arange(BLOCK), np.zeros(BLOCK, np.int64)], axis=1), size)
    half = BLOCK // 2
    names = np.array(people.ids)
    sides = [SubjectImages(images[s], names[s], list(people.labels[s])) for s in (slice(half), slice(half, None))]
    return make_target(*sides, AuditConfig(permutations=999), 1)


def counted(attacks: dict[str, object], block: int, size: int) -> dict[str, list[float]]:
    """Of each family in a block: pairs hit, people hit, people seen, nominal weight, predicates."""
    target, counts = drawn(block, size), {}
    for attack, fitted in attacks.items():
        if attack in SLOW and block % EVERY:
            continue
        for found in fitted.run(target):  # type: ignore[attr-defined]
            assert isinstance(found, Predicates)
            people = found.hits.subject
            of_all = len(people), len(np.unique(people)), BLOCK, found.weight, found.hits.predicates
            counts[f"{attack} {found.name}".strip()] = [float(value) for value in of_all]
    return counts


def main() -> None:
    """Print a row for each family."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", nargs="?", type=int, default=PEOPLE)
    parser.add_argument("side", nargs="?", type=int, default=SIDE)
    parser.add_argument("names", nargs="*", help="families; none: all of ours")
    parser.add_argument("--out", type=Path, help="file of rows, one a block")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further block after so long")
    asked = parser.parse_args()
    names = tuple(asked.names) or tuple(name for name in ATTACKS.own_names() if name.startswith("isolation"))
    rows, until = Rows(asked.out, side=asked.side, names=list(names)), time.monotonic() + 60 * asked.minutes
    attacks = cache(lambda: fitted_attacks(asked.side, names))
    blocks = []
    for block in range(max(asked.people // BLOCK, 1)):
        if not rows.known(block=block) and time.monotonic() > until:
            break
        blocks.append(
            rows.measured(lambda block=block: {"families": counted(attacks(), block, asked.side)}, block=block)
        )
    print(f"{sum(row['seconds'] for row in blocks):.0f} s")
    print("| family | nominal weight | observed | people hit (95 %) | people |\n|---|---|---|---|---|")
    for name in dict.fromkeys(name for row in blocks for name in row["families"]):
        every = np.array([row["families"][name] for row in blocks if name in row["families"]])
        pairs, hit, seen = every[:, :3].sum(axis=0)
        weight, predicates = every[0, 3:]
        low, high = clopper_pearson(int(hit), int(seen))
        print(
            f"| {name} | {weight:.2g} | {pairs / (predicates * seen):.2g} | {hit / seen:.4%}"
            f" ({low:.4%} to {high:.4%}) | {int(seen):,} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
