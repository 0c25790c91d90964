"""What `init` says of the verdicts that are within reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..cohort.inspect.sizes import subjects_per_subset
from ..cohort.table import Cohort
from .chain import alpha_of_attempt
from .config import AuditConfig
from .control import choose_control
from .profiles import PROFILES
from .reachable import DESIGNS, MOST_PEOPLE, SURE, Design, Numbers, Reach, people_needed, reachable

SWAP = (
    '  (swap: [audit] design = "swap" in study.toml; two more generators, one of each half of the train people, so that'
    " training and synthesis take about three times as long; what is audited is the procedure: docs/small-cohorts.md)"
)


@dataclass(frozen=True)
class Prospect:
    """What the audit of a study can say before anything is trained: every profile that may leave, with every design."""

    reaches: tuple[Reach, ...]
    attacks: int
    profile: str
    design: Design

    def lines(self) -> list[str]:
        """A line for every profile and design."""
        head = f"what the audit ({self.attacks} attacks) could say of a release that tells nothing about anybody:"
        return [head, *(f"  {each.profile}, design {each.design}: {_said(each)}" for each in self.reaches), SWAP]

    def warning(self) -> str:
        """What to say where nothing but `inconclusive` is within reach of what was chosen; else nothing."""
        chosen = [each for each in self.reaches if (each.profile, each.design) == (self.profile, self.design)]
        if not chosen or chosen[0].within_reach:
            return ""
        others = [f"{each.profile} with {each.design}" for each in self.reaches if each.within_reach]
        found = f"no release of these people can pass under the profile {self.profile} with the design {self.design}"
        if not others:
            return f"{found}, nor under any other; its figures can be a report only ([policy] profile = 'internal')"
        return f"{found}; within reach: {', '.join(others)}"

    def to_json(self) -> dict[str, Any]:
        """As JSON takes it."""
        reaches = [each.to_json() for each in self.reaches]
        return {"attacks": self.attacks, "reachable": reaches, "warning": self.warning()}


def prospect_of(
    cohort: Cohort,
    *,
    attacks: int,
    profile: str,
    design: Design = "split",
    released: int | None = None,
    config: AuditConfig | None = None,
) -> Prospect:
    """What the first audit of a spotless release of this cohort reaches, whose control is chosen as `config` says.

    `released` images, one for every train image where None.
    """
    config = config or AuditConfig()
    confidence = 1.0 - alpha_of_attempt(1, 1.0 - config.confidence)
    split = subjects_per_subset(cohort)
    held_out = len(set(cohort.subjects[choose_control(cohort, config.control).rows]))
    control = min(round(held_out * (config.sealed or 1.0)), split["train"])
    counts = {"train": split["train"], "control": control, "aux": split["aux"]}
    shares = {name: count / len(set(cohort.subjects)) for name, count in counts.items()}
    images = len(cohort.rows("train")) if released is None else released
    labels = bool(len(cohort.classes))
    numbers = Numbers(counts["train"], counts["control"], counts["aux"], images, attacks, labels)
    reaches = [
        reachable(
            numbers,
            each,
            design=way,
            needed=people_needed(shares, each, attacks=attacks, design=way, labels=labels, confidence=confidence),
            confidence=confidence,
        )
        for each in PROFILES.values()
        if each.releasable
        for way in DESIGNS
    ]
    return Prospect(tuple(reaches), attacks, profile, design)


def _said(reach: Reach) -> str:
    passes = reach.passes
    if not reach.within_reach:
        said = f"inconclusive, by {reach.limiting}"
    else:
        said = f"pass with probability {passes.least:.2f} to {passes.most:.2f}, else inconclusive"
    if passes.least >= SURE:
        return said
    needed = (
        f"more than {MOST_PEOPLE:,} people" if reach.people_needed is None else f"about {reach.people_needed:,} people"
    )
    return f"{said}; {SURE:g} or more takes {needed}"
