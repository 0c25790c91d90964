"""What few people can reach: `python -m benchmarks.small_cohorts`; closed forms, see `unpersonal.audit.reachable`."""

from __future__ import annotations

from unpersonal.audit.chain import alpha_of_attempt
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.reachable import DESIGNS, numbers_of, people_needed, reachable
from unpersonal.audit.registry import own_attacks
from unpersonal.layouts.config import Splits

CONFIDENCE = 1.0 - alpha_of_attempt(1, 1.0 - AuditConfig().confidence)
"""Of the bounds of a first audit, which has most of the error that all together may have."""
PEOPLE = (300, 600, 1_200, 3_000, 6_000)
MORE_TRAIN = Splits(train=0.7, val=0.1, aux=0.1, test=0.1)
"""A swap needs no control beside train, so that only utility's test people are kept back."""


def main() -> None:
    """Print P(`pass`) of a spotless release, and people needed: default splits, and a swap with more train people."""
    attacks = len(own_attacks())
    print(f"P(pass) of a spotless release, at least to at most; {attacks} attacks, labels given\n")
    print("| splits | profile | design | " + " | ".join(f"{people:,}" for people in PEOPLE) + " | 0.9 from |")
    print("|---|---|---|" + "---|" * (len(PEOPLE) + 1))
    for name, splits, designs in (("default", Splits(), DESIGNS), ("train 0.7, test 0.1", MORE_TRAIN, DESIGNS[1:])):
        # everybody who did not train is control, but for the auditor's own people
        shares = {"train": splits.train, "control": splits.test + splits.val, "aux": splits.aux}
        for profile in (each for each in PROFILES.values() if each.releasable):
            for design in designs:
                cells = []
                for people in PEOPLE:
                    numbers = numbers_of(people, shares, attacks=attacks)
                    passes = reachable(numbers, profile, design=design, confidence=CONFIDENCE).passes
                    cells.append(f"{passes.least:.2f}–{passes.most:.2f}")
                needed = people_needed(shares, profile, attacks=attacks, design=design, confidence=CONFIDENCE)
                print(f"| {name} | {profile.name} | {design} | {' | '.join(cells)} | {needed:,} |")


if __name__ == "__main__":
    main()
