"""Copied people found one by one: `python -m benchmarks.audit_copied [STUDY]`, of phantoms where no study is given.

Every matcher scores a pool once: strangers, innocent images (people of `test`, or fresh phantoms) and copies of gallery
people. Releases are then drawn anew from the pool, and who of the gallery trained is dealt anew each time, which its
scores do not know. Prints the share of innocent releases with a false finding, and how often any of k people copied
among `--released` images is found, by kind and k, with 95 % intervals.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unpersonal.audit.config import AuditConfig
from unpersonal.audit.copied import LEVEL, NETWORK_SHAPE, confirmed
from unpersonal.audit.enrolled import Naming, enrol
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.matchers import LEARNED, fit_matchers
from unpersonal.audit.nearness import VALUES, ends_of, nearness
from unpersonal.audit.recall import strength_of
from unpersonal.audit.tolerance import tolerance_limit
from unpersonal.codec.store import load_images
from unpersonal.cohort.table import load_cohort
from unpersonal.matching.kinds import PICTURE_KINDS
from unpersonal.matching.strangers import pick_strangers
from unpersonal.metrics.intervals import clopper_pearson
from unpersonal.phantom import phantom_cohort

COPIED = (1, 2, 5, 10, 20)
PLANTED = 100
SEED = 20261129


@dataclass(frozen=True)
class People:
    """Auditor's people, gallery and innocent people."""

    network: SubjectImages
    certify: SubjectImages
    gallery: SubjectImages
    innocent: np.ndarray


@dataclass(frozen=True)
class Pool:
    """Of each matcher the values [2, q] and subjects named [q] of all images; who they are, and of what group."""

    values: dict[str, np.ndarray]
    named: dict[str, np.ndarray]
    believed: dict[str, np.ndarray]
    group: np.ndarray
    truth: np.ndarray
    people: int


def people_of(study: Path | None, size: int, count: int) -> People:
    """From a study's splits, or `count` phantoms."""
    if study is None:
        images, names, _ = phantom_cohort(count, 17, size)
        subjects = np.asarray(names).astype(str)
        order = np.random.default_rng(SEED).permutation(np.unique(subjects))
        parts = np.split(order, [count // 12, count // 6, count // 6 + count // 2])
        rows = [np.flatnonzero(np.isin(subjects, part)) for part in parts]
    else:
        cohort, images = load_cohort(study), load_images(study)
        subjects = cohort.subjects.astype(str)
        rows = [cohort.rows(part) for part in ("aux-network", "aux-weights", "train", "test")]
    sets = [SubjectImages(np.array(images[chosen]), subjects[chosen]) for chosen in rows]
    innocent = sets[3].images[np.unique(sets[3].subjects, return_index=True)[1]]
    return People(sets[0], sets[1], sets[2], innocent)


def score_pool(people: People) -> Pool:
    """Score everything once."""
    gallery, rng = people.gallery, np.random.default_rng(SEED)
    names, first = np.unique(gallery.subjects, return_index=True)
    chosen = rng.permutation(len(names))[:PLANTED]
    originals = gallery.images[first[chosen]]
    strangers = people.certify.images[pick_strangers(people.certify.subjects)]
    copies = [kind.copies(originals, people.certify.images, strength_of(kind), rng) for kind in PICTURE_KINDS]
    images = np.concatenate([strangers, people.innocent, *copies])
    kinds = np.repeat([kind.named(strength_of(kind)) for kind in PICTURE_KINDS], len(chosen))
    group = np.concatenate([["strangers"] * len(strangers), ["innocent"] * len(people.innocent), kinds])
    truth = np.concatenate([np.full(len(images) - len(kinds), -1), np.tile(chosen, len(PICTURE_KINDS))])
    values: dict[str, np.ndarray] = {}
    namings: dict[str, Naming] = {}
    for matcher in fit_matchers(people.network, AuditConfig(), SEED):
        enrolled = enrol(matcher, gallery.images, gallery.subjects, people.certify)
        namings[matcher.name] = naming = enrolled.names(images)
        ends = ends_of(enrolled, gallery.images, SEED)
        values[matcher.name] = nearness(enrolled, images, naming, ends).values
        print(f"{matcher.name}: {len(images)} images against {len(gallery)} scored", flush=True)
    named = {name: naming.subject for name, naming in namings.items()}
    return Pool(values, named, {name: confirmed(name, namings) for name in namings}, group, truth, len(names))


def findings(pool: Pool, released: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Which rows of the pool are findings with this release, and these of the gallery trained, bool [q]."""
    strangers = np.flatnonzero(pool.group == "strangers")
    tests = len(released) * len(VALUES) * len(pool.values)
    found = np.zeros(len(pool.group), dtype=bool)
    for name, values in pool.values.items():
        train = trained[pool.named[name]]
        known = np.concatenate([strangers, released[~train[released]]])
        for row in values:
            limit = tolerance_limit(row[known], LEVEL / tests, least_shape=NETWORK_SHAPE if name == LEARNED else 0.0)
            if limit is not None:
                found |= (row > limit.limit) & train & pool.believed[name]
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--released", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=200)
    options = parser.parse_args()
    pool = score_pool(people_of(options.study, options.size, options.people))
    innocent, rng = np.flatnonzero(pool.group == "innocent"), np.random.default_rng(SEED)
    count = min(options.released, len(innocent))
    false, hits = 0, {kind: dict.fromkeys(COPIED, 0) for kind in dict.fromkeys(pool.group[pool.truth >= 0])}
    for _ in range(options.repeat):
        released = rng.permutation(innocent)[:count]
        trained = rng.permutation(pool.people) < pool.people // 2
        trained[pool.truth[pool.truth >= 0]] = True
        found = findings(pool, released, trained)
        false += bool(found[released].any())
        for kind, by_number in hits.items():
            copies = rng.permutation(np.flatnonzero(pool.group == kind))
            for number in COPIED:
                by_number[number] += bool(found[copies[:number]].any())
    print(f"\n{options.repeat} releases of {count} images; gallery of {pool.people} people, half of whom trained")
    low, high = clopper_pearson(false, options.repeat)
    print(f"innocent releases with a false finding: {false / options.repeat:.3f} ({low:.3f}–{high:.3f})")
    print(f"\n| kind | {' | '.join(f'{number} people' for number in COPIED)} |\n|---|{'---|' * len(COPIED)}")
    for kind, by_number in hits.items():
        bounds = [(hit / options.repeat, *clopper_pearson(hit, options.repeat)) for hit in by_number.values()]
        print(
            f"| {kind} | {' | '.join(f'{rate:.2f} ({low:.2f}–{high:.2f})' for rate, low, high in bounds)} |", flush=True
        )


if __name__ == "__main__":
    main()
