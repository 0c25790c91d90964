"""What each published profile allows, whole: the least that a release must keep which names it."""

from __future__ import annotations

from ..audit.profiles import PROFILES, ProfileName
from ..matching.kinds import MAY_BE_BLIND, MAY_BE_BLIND_UNDER_AGREEMENT
from .blind import in_order
from .policy import AT_LEAST, COUNTED, LIMITS, MARGINS, PolicyConfig


def published(name: ProfileName) -> PolicyConfig:
    """The policy of a published profile: its margins, the default limits, and the kinds that may be overlooked."""
    blind = MAY_BE_BLIND if name == "open" else MAY_BE_BLIND_UNDER_AGREEMENT
    margins = {key: getattr(PROFILES[name], margin) for key, margin in MARGINS.items()}
    return PolicyConfig(profile=name, may_be_blind=blind, **margins)


def looser_than_published(policy: PolicyConfig) -> dict[str, str]:
    """What a policy allows beyond the published profile that it names, in words, by its key."""
    limits, found = published(policy.profile), {}
    own = {**{name: getattr(policy, name) for name in (*LIMITS, COUNTED)}, **margins_set(policy)}
    for name, value in own.items():
        usual = getattr(limits, name)
        if (value < usual) if name in AT_LEAST else (value > usual):
            found[name] = (
                f"{name} = {value:g} is looser than {usual:g}, the limit of the published profile {policy.profile}"
            )
    if more := in_order(set(policy.may_be_blind) - set(limits.may_be_blind)):
        found["may_be_blind"] = (
            f"may_be_blind lets the gate overlook more than the published profile {policy.profile}: {', '.join(more)}"
        )
    return found


def margins_set(policy: PolicyConfig) -> dict[str, float]:
    """The margins of a policy by their keys in study.toml, whether it sets them or has its profile's."""
    margins = policy.margins()
    return {key: getattr(margins, margin) for key, margin in MARGINS.items()}
