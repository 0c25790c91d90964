"""The audit tried on itself: fresh phantoms must pass, perturbed copies must fail, and every kind of copy be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unpersonal.audit import AuditConfig, SubjectImages, audit_images
from unpersonal.audit.attack import SubjectScores
from unpersonal.audit.attacks.membership_by_matching import FittedMatching
from unpersonal.audit.background import Background
from unpersonal.audit.membership_rows import measure_membership, membership_figures
from unpersonal.audit.perturbations import perturbed_copies
from unpersonal.audit.recall import strength_of
from unpersonal.audit.target import Target, make_target
from unpersonal.matching.kinds import PICTURE_KINDS
from unpersonal.phantom import phantom_cohort

SIDE, TRAIN, AUX, RELEASED, SIZE = 450, 1125, 225, 150, 64
SHARES = (1.0, 0.1)
"""Shares of a release that are copies of train subjects; the rest are fresh people."""
CONFIDENCE = 0.95


def main() -> None:
    """Print verdict, advantage, bound, planted power and the calibration of weights, and what is seen of each kind."""
    images, subjects, labels = phantom_cohort(SIDE + TRAIN + AUX, seed=0, size=SIZE)
    names = np.array(subjects, dtype=object)
    drawn = np.random.default_rng(0).permutation(np.unique(names))
    parts = np.split(drawn, [TRAIN, TRAIN + SIDE])
    rows = [np.flatnonzero(np.isin(names, part)) for part in parts]
    train, control, auxiliary = (
        SubjectImages(images[chosen], names[chosen], [labels[row] for row in chosen]) for chosen in rows
    )
    fresh, _, _ = phantom_cohort(RELEASED, seed=1, size=SIZE, stream="fresh")
    fresh = fresh[:RELEASED]
    originals = images[np.random.default_rng(1).choice(rows[0], RELEASED, replace=False)]
    copies, _ = perturbed_copies(originals, np.random.default_rng(2))
    for name, release in (("fresh people", fresh), ("perturbed copies", copies)):
        result = audit_images(train, control, release, auxiliary, seed=0).to_dict()
        print(
            f"audit of {RELEASED} {name}: {result['verdict']}, advantage {result['advantage']:.3f},"
            f" upper bound {result['advantage_upper']:.3f}, planted-copy power {result['planted']['power']:.3f}"
        )
        print(f"  weights: {result['weights']}")
    print(f"  blind kinds: {', '.join(result['blind']) or 'none'}")
    config = AuditConfig()
    network, certify = auxiliary.halves(0, "audit")
    background = Background(fresh, network, certify, SIDE, config, seed=0)
    by_kind(background, make_target(train, control, config, 0), originals, fresh)


def by_kind(background: Background, target: Target, originals: np.ndarray, fresh: np.ndarray) -> None:
    """Print the adjusted p-value of membership by matching on releases of which a share are copies of one kind."""
    background.matchers()
    target.enrolled(background)
    for kind in PICTURE_KINDS:
        strength = strength_of(kind)
        made = kind.copies(originals, fresh, strength, np.random.default_rng(3))
        for share in SHARES:
            copied = round(share * len(made))
            released = np.concatenate([made[:copied], fresh[copied:]])
            attack = FittedMatching(replace(background, released=released))
            p = least_p(attack.run(replace(target, _namings={})), target)
            said = "is seen" if p <= background.config.alpha else "is not seen"
            print(f"a release {share:.0%} of kind {kind.named(strength)} {said} (p = {p:.4f})")


def least_p(found: Sequence[SubjectScores], target: Target) -> float:
    """The smallest max-T adjusted p-value of these scores and their reversed twins."""
    measured = measure_membership(found, [each.name for each in found], target)
    return min(row.p for row in membership_figures(measured, len(measured), CONFIDENCE).rows)


if __name__ == "__main__":
    main()
