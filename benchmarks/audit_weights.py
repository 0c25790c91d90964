"""Isolation weights on fresh phantom people: `python -m benchmarks.audit_weights [PEOPLE [SIDE [NAME …]]]`.

Strangers are drawn without end, so that the weight of every family can be counted far below what an audit's own people
resolve. A release of 500 fresh people, 200 people who certify, 200 who fit the spaces; for each family the mean weight
over predicates with its interval over people, beside the weight it was fitted to, and how many people in a hundred were
hit at all. Draws are counted in blocks, so that memory does not grow with them.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

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
"""Families that see one person in a hundred: matchers take a hundred times as long as the others."""


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


def main() -> None:
    """Print a row for each family."""
    torch.set_num_threads(1)
    given = sys.argv[1:]
    count, size = int(given[0]) if given else PEOPLE, int(given[1]) if len(given) > 1 else SIDE
    names = tuple(given[2:]) or tuple(name for name in ATTACKS.own_names() if name.startswith("isolation"))
    attacks = fitted_attacks(size, names)
    pairs: dict[str, int] = {}
    hit: dict[str, int] = {}
    seen: dict[str, int] = {}
    weights: dict[str, tuple[float, int]] = {}
    began = time.perf_counter()
    for block in range(max(count // BLOCK, 1)):
        target = drawn(block, size)
        for attack, fitted in attacks.items():
            if attack in SLOW and block % 100:
                continue
            for found in fitted.run(target):  # type: ignore[attr-defined]
                assert isinstance(found, Predicates)
                name = f"{attack} {found.name}".strip()
                pairs[name] = pairs.get(name, 0) + len(found.hits.subject)
                hit[name] = hit.get(name, 0) + len(np.unique(found.hits.subject))
                seen[name] = seen.get(name, 0) + BLOCK
                weights[name] = found.weight, found.hits.predicates
    print(f"{time.perf_counter() - began:.0f} s")
    print("| family | nominal weight | observed | people hit (95 %) | people |\n|---|---|---|---|---|")
    for name, (weight, predicates) in weights.items():
        low, high = clopper_pearson(hit[name], seen[name])
        observed = pairs[name] / (predicates * seen[name])
        print(
            f"| {name} | {weight:.2g} | {observed:.2g} | {hit[name] / seen[name]:.4%}"
            f" ({low:.4%} to {high:.4%}) | {seen[name]:,} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
