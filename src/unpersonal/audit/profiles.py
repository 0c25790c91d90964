"""Profiles: named sets of margins that the upper bounds of an audit must keep, by who may have the release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ProfileName = Literal["open", "agreement", "internal"]


MEMBERSHIP = "membership"
TRUE_POSITIVES = "true-positive rate"
ISOLATED = "isolated people"
TOP = "top 50 predicates"
INFERENCE = "inference"
IN_WORDS = {
    MEMBERSHIP: "AUROC of membership",
    TRUE_POSITIVES: "true-positive rate of membership at 1 % false positives",
    ISOLATED: "share of train people isolated at least once",
    TOP: "success of the attacker's 50 surest predicates",
    INFERENCE: "right guesses about train people above those about control people",
}
"""The primary figures, by their names."""
LABELS_INFERRED = "inference_label"
"""How the rows of label inference begin: where people have labels, the attack must have been run."""


@dataclass(frozen=True)
class Profile:
    """Margins of the primary figures; all are shares, an AUROC is one as well.

    `auroc`, `tpr` = membership by the strongest attack, and its true-positive rate at 1 % false positives; `isolated` =
    train people isolated at least once; `top` = success of the attacker's 50 surest predicates; `inference` = right
    guesses about train people above those about control. `releasable` is False where nothing may leave at all.
    """

    name: ProfileName
    auroc: float
    tpr: float
    isolated: float
    top: float
    inference: float
    who: str
    releasable: bool = True


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("open", auroc=0.55, tpr=0.03, isolated=0.05, top=0.2, inference=0.10, who="anybody"),
        Profile(
            "agreement",
            auroc=0.60,
            tpr=0.06,
            isolated=0.10,
            top=0.2,
            inference=0.15,
            who="recipients who sign the card's terms",
        ),
        Profile(
            "internal",
            auroc=0.60,
            tpr=0.06,
            isolated=0.10,
            top=0.2,
            inference=0.15,
            who="nobody outside; the figures are a report only",
            releasable=False,
        ),
    )
}
"""`internal` is judged by the margins of `agreement`, so that a leak is still called one, and can never pass."""

assert set(PROFILES) == set(get_args(ProfileName))


def in_words(profile: Profile) -> str:
    """The name of a profile, and every margin that was set in place of its own."""
    own, given = margins_of(PROFILES[profile.name]), margins_of(profile)
    other = [f"{IN_WORDS[name]} {given[name]:g} in place of {own[name]:g}" for name in own if given[name] != own[name]]
    return f"{profile.name}, but for {', '.join(other)}" if other else profile.name


def margins_of(profile: Profile) -> dict[str, float]:
    """The margin of every primary figure, by its name."""
    return {
        MEMBERSHIP: profile.auroc,
        TRUE_POSITIVES: profile.tpr,
        ISOLATED: profile.isolated,
        TOP: profile.top,
        INFERENCE: profile.inference,
    }
