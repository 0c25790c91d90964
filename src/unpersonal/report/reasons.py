"""Reasons of the policy for people: what the name of a figure means, and which part of the study it speaks of."""

from __future__ import annotations

from collections.abc import Iterable

from .kinds import plain_kinds

PLAIN_REASONS = {
    "audit.verdict": "The audit did not pass",
    "audit.advantage_upper": "An attacker may single out too many training subjects",
    "audit.attempts": "Nobody knows how often this cohort was audited",
    "audit.detectable": "Copies of too many people could go unseen",
    "audit.inference": "Nobody tried whether labels of people can be inferred",
    "audit.primary": "An attacker may reach too much, or nobody knows how much",
    "audit.profile": "The audit was made for other recipients than the policy names, or for none",
    "gate.miss_rate_upper": "The gate may miss too many copies of real people",
    "utility.gap_upper": "A classifier trained on the synthetic images may lose too much",
    "synthesis.released": "No image passed the gate",
    "gate.false_flag_rate": "The gate's rate of false alarms",
    "diffusion.denoiser_memorised": "The model that draws learnt images of real people by heart, or was not watched",
    "diffusion.guide_memorised": (
        "The guide of the model that draws learnt images of real people by heart, or was not watched"
    ),
    "diffusion.denoiser_match_power": "Whether the model gives out images of real people would not have been noticed",
    "diffusion.denoiser_match_rate_lower": "Too many samples of the model are like real people",
    "diffusion.horizontal_flip": "The model that draws may give out people mirrored, and the gate would not see it",
    "gate.blind": "The gate does not find copies of people that it must find",
    "gate.untried": "Nobody tried whether the gate finds copies of people that it must find",
    "gate.kinds does": "The gate's miss rate is not that of the copies that it must find",
    "gate.kinds": "Nobody tried which copies of people the gate finds",
    "gate.protected": "What the gate misses is not told as it was measured",
    "gate.held_out": "What the gate misses is not told as it was measured",
    "gate.matchers": "The gate lacks a part that it should have",
    "gate.plugins": "A part of the gate comes from another package, and nobody here vouches for it",
    "policy.sign_off": "A person must sign off first",
}
"""What the name of a figure means to a reader who does not know it."""
AREAS = {
    "audit": "audit",
    "gate": "gate",
    "diffusion": "model",
    "utility": "use",
    "synthesis": "images",
}
"""What part of a study a reason speaks of, by the first word of its figure."""


def plain_reason(reason: str) -> str:
    """A policy reason with its meaning in front of the figure."""
    for name, meaning in PLAIN_REASONS.items():
        if reason.startswith(name):
            return f"{meaning}: {reason}"
    return reason


def plain_shortfall(shortfall: str) -> str:
    """What a policy lets pass all the same, in words; empty for the profile, which the answer tells."""
    if shortfall.startswith("policy.profile"):
        return ""
    if shortfall.startswith("policy.may_be_blind"):
        _, _, kinds = shortfall.rpartition(": ")
        return f"The policy lets the gate be blind to more than usual: {plain_kinds(kinds.split(', '))} ({kinds})."
    if shortfall.startswith("policy."):
        return f"A limit is looser than usual: {shortfall}."
    return f"Shortfall, not a reason to refuse: {plain_reason(shortfall)}."


def areas(reasons: Iterable[str]) -> frozenset[str]:
    """The parts of a study that reasons speak of; `other` for what names none."""
    return frozenset(AREAS.get(reason.partition(".")[0], "other") for reason in reasons)
