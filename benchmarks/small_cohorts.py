"""What few people can reach: `python -m benchmarks.small_cohorts`; closed forms, see `unpersonal.audit.reachable`."""

from __future__ import annotations

from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.reachable import DESIGNS, numbers_of, people_needed, reachable
from unpersonal.audit.registry import own_attacks
from unpersonal.layouts.config import Splits

PEOPLE = (300, 600, 1_200, 3_000, 6_000)
FEW_TRAIN = Splits(train=0.4, val=0.1, aux=0.1, test=0.4)
"""As many control as train people."""


def main() -> None:
    """Print a table for the default splits and for equal sides: P(`pass`) of a spotless release, and people needed."""
    attacks = len(own_attacks())
    print(f"P(pass) of a spotless release, at least to at most; {attacks} attacks, labels given\n")
    print("| splits | profile | design | " + " | ".join(f"{people:,}" for people in PEOPLE) + " | 0.9 from |")
    print("|---|---|---|" + "---|" * (len(PEOPLE) + 1))
    for name, splits in (("default", Splits()), ("equal sides", FEW_TRAIN)):
        shares = {part: getattr(splits, part) for part in ("train", "test", "aux")}
        for profile in (each for each in PROFILES.values() if each.releasable):
            for design in DESIGNS:
                cells = []
                for people in PEOPLE:
                    passes = reachable(numbers_of(people, shares, attacks=attacks), profile, design=design).passes
                    cells.append(f"{passes.least:.2f}–{passes.most:.2f}")
                needed = people_needed(shares, profile, attacks=attacks, design=design)
                print(f"| {name} | {profile.name} | {design} | {' | '.join(cells)} | {needed:,} |")


if __name__ == "__main__":
    main()
