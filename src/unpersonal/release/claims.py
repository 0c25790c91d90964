"""Whether a release is what it claims to be: its own evidence against the limits that the same evidence tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ..audit.profiles import PROFILES, margins_of
from .policy import MARGINS, PolicyConfig, is_number, looser

WHERE = "evidence.json"


def claim_problems(evidence: object, images: object) -> list[str]:
    """Why the evidence does not allow the release that it comes with; a figure that is missing is one reason.

    `images` is how many the manifest lists. The audit's verdict must be `pass`, in a profile that allows a release; no
    figure may exceed the limit that the policy in the evidence sets it.
    """
    if not isinstance(evidence, Mapping):
        return [f"{WHERE}: no figures"]
    audit, policy = _table(evidence, "audit"), _table(evidence, "policy")
    found = []
    if audit.get("verdict") != "pass":
        found.append(f"{WHERE}: audit: its verdict is {audit.get('verdict')!r}, not 'pass'")
    profile = policy.get("profile")
    if audit.get("profile") != profile or profile not in PROFILES or not PROFILES[profile].releasable:
        found.append(f"{WHERE}: the profile of the audit is {audit.get('profile')!r}, that of the policy {profile!r}")
    else:
        found += [*_audit_problems(audit, policy, profile), *_untold(policy)]
    for stage, figure, limit in (
        ("gate", "miss_rate_upper", "gate_miss_upper"),
        ("utility", "gap_upper", "utility_gap_upper"),
    ):
        found += _above(f"{stage}.{figure}", _table(evidence, stage).get(figure), policy.get(limit))
    found += _memory_problems(_table(evidence, "diffusion"), policy)
    released = _table(evidence, "synthesis").get("released")
    if is_number(released) and is_number(images) and released != images:
        found.append(f"{WHERE}: synthesis: {released} images were released, and the manifest lists {images}")
    return found


def _memory_problems(diffusion: Mapping[str, Any], policy: Mapping[str, Any]) -> list[str]:
    """Why the model that drew the images may have learnt people by heart, or nobody would have noticed."""
    found = [] if diffusion.get("guide_memorised") is not True else [f"{WHERE}: diffusion: its guide memorised"]
    if (memorised := diffusion.get("denoiser_memorised")) is not False:
        found.append(f"{WHERE}: diffusion: denoiser_memorised is {memorised!r}, not False")
    power, least = diffusion.get("denoiser_match_power"), policy.get("match_power")
    if not is_number(least) or not ((is_number(power) and power >= least) or least == 0):
        found.append(f"{WHERE}: diffusion.denoiser_match_power = {power!r} is below the limit {least!r} of its policy")
    if (lower := diffusion.get("denoiser_match_rate_lower")) is not None:
        found += _above("diffusion.denoiser_match_rate_lower", lower, policy.get("match_rate_lower"))
    return found


def _audit_problems(audit: Mapping[str, Any], policy: Mapping[str, Any], profile: str) -> list[str]:
    limits = {margin: policy.get(key) for key, margin in MARGINS.items()}
    if wrong := [margin for margin, limit in limits.items() if not is_number(limit)]:
        return [f"{WHERE}: policy: no limit for {', '.join(wrong)} of the audit"]
    found = _above("audit.advantage_upper", audit.get("advantage_upper"), limits["isolated"])
    rows = audit.get("primary")
    told = {row.get("name"): row for row in rows if isinstance(row, Mapping)} if isinstance(rows, list) else {}
    margins = margins_of(replace(PROFILES[profile], **cast("dict[str, Any]", limits)))
    return [
        *found,
        *(
            reason
            for name, margin in margins.items()
            for reason in _above(f"audit.primary.{name}", told.get(name, {}).get("upper"), margin)
        ),
    ]


def _untold(policy: Mapping[str, Any]) -> list[str]:
    """Limits that are looser than the default, and not told as such."""
    try:
        config = PolicyConfig.model_validate({key: policy[key] for key in PolicyConfig.model_fields if key in policy})
    except ValueError:
        return [f"{WHERE}: policy: limits that no policy has"]
    listed = policy.get("looser_than_default")
    untold = sorted(set(looser(config)) - set(listed if isinstance(listed, list) else ()))
    return [f"{WHERE}: policy: looser than the default, and not told as such: {', '.join(untold)}"] if untold else []


def _table(evidence: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = evidence.get(name)
    return value if isinstance(value, Mapping) else {}


def _above(name: str, value: object, limit: object) -> list[str]:
    if not is_number(limit):
        return [f"{WHERE}: policy: no limit for {name} ({limit!r})"]
    if not is_number(value):
        return [f"{WHERE}: {name} is missing or no number ({value!r})"]
    return [f"{WHERE}: {name} = {value:.4g} is above the limit {limit:g} of its own policy"] if value > limit else []
