"""The policy in plain words: what each limit means, and what is refused whatever the limits are."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.words import plural
from .policy import COUNTED, LIMITS, MARGINS, PolicyConfig

MEANINGS = {
    "audit_advantage_upper": "at most this share of train people may be singled out by any attacker who was tried",
    "audit_membership_upper": "no attacker may tell who trained better than this (0.5 is guessing, 1 is certain)",
    "audit_true_positives_upper": "at most this share of them may be found where 1 % of others are taken for one",
    "audit_top_upper": "at most this share of the attacker's 50 surest guesses may single somebody out",
    "audit_inference_upper": "labels of train people may be guessed better than those of others by this much at most",
    "audit_leak_persons": (
        "if this many people were copied, once each, the audit must have noticed one, of any kind that may not be blind"
    ),
    "gate_miss_upper": "of at most this share of people a copy that was tried may pass the gate",
    "gate_false_flag": "if the gate flags more strangers than this share, that is told; it costs images, not privacy",
    "utility_gap_upper": "a classifier that learns from the release may lose this much AUROC at most",
    "match_power": "samples that show train people must have been noticed in training with this probability at least",
    COUNTED: "this cohort may have had this many releases at most, for what each of them tells adds up",
    "match_rate_lower": "at most this share of those samples may certainly match train people",
}
"""What each limit means to people; every number is held against a bound that holds with 95 %."""


@dataclass(frozen=True)
class LimitInWords:
    """A limit of a policy: its key in study.toml, its value, that of the published profile, and what it means."""

    key: str
    value: float
    published: float
    meaning: str


def limits_in_words(policy: PolicyConfig, published: PolicyConfig) -> list[LimitInWords]:
    """Every limit of a policy beside that of a published profile, those of the audit first."""
    margins, usual = policy.margins(), published.margins()
    found = [
        LimitInWords(key, getattr(margins, name), getattr(usual, name), MEANINGS[key]) for key, name in MARGINS.items()
    ]
    rest = (*LIMITS, COUNTED)
    return found + [
        LimitInWords(key, float(getattr(policy, key)), float(getattr(published, key)), MEANINGS[key]) for key in rest
    ]


def refused_in_words(policy: PolicyConfig) -> list[str]:
    """What refuses a release beside figures outside the limits, a sentence each."""
    named = plural(len(policy.may_be_blind), "kind", "kinds")
    return [
        "a figure is missing, is no number, or is outside its limit",
        "the audit's verdict is not `pass`: a leak was found, or the audit could not tell",
        f"the gate finds too few copies of a kind, or was not tried on it, other than the {named} named above",
        "the model learnt its images by heart, or nobody could have noticed",
        "a part of another package stands in the gate and is not named",
        "the people were audited more often than the ledger of attempts says",
        "people have labels, and nobody tried to infer them",
        *(["nobody has signed off what would be released (`unpersonal sign-off`)"] if policy.sign_off else []),
    ]
