"""Whether a release is what it claims to be: its own evidence against the limits that the same evidence tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..audit.profiles import PROFILES
from .claimed import FEW, WHERE, above, table
from .claimed_audit import audit_claims
from .claimed_gate import gate_claims
from .evidence import SMALLEST_CELL
from .evidence_schema import schema_problems
from .place import number_told
from .policy import LIMITS, MARGINS, PolicyConfig, is_number, looser
from .published_profiles import looser_than_published
from .sign_off import sign_off_problems


@dataclass(frozen=True)
class Claims:
    """Why evidence does not allow its release: by the limits that it tells itself (`own`), and where these are looser
    than those of the `published` profile that it names."""

    own: tuple[str, ...]
    published: tuple[str, ...] = ()


def check_claims(evidence: object, images: object) -> Claims:
    """Why the evidence does not allow the release that it comes with; a figure that is missing is one reason.

    `images` is how many the manifest lists. The evidence must keep its schema; the audit's verdict must be `pass`, in a
    profile that allows a release; no figure may exceed the limit that the policy in the evidence sets it, contradict
    another, or be missing.
    """
    if not isinstance(evidence, Mapping):
        return Claims((f"{WHERE}: no figures",))
    found = schema_problems(evidence)
    audit, told = table(evidence, "audit"), table(evidence, "policy")
    if audit.get("verdict") != "pass":
        found.append(f"{WHERE}: audit: its verdict is {audit.get('verdict')!r}, not 'pass'")
    found += _profile(audit.get("profile"), told.get("profile"))
    found += [
        f"{WHERE}: policy.{key} is missing or no number ({told.get(key)!r})"
        for key in (*MARGINS, *LIMITS)
        if not is_number(told.get(key))
    ]
    policy = _policy(told)
    if isinstance(policy, str):
        return Claims((*found, policy))
    found += [*_untold(policy, told), *audit_claims(evidence, policy), *gate_claims(evidence, policy)]
    found += above(
        "utility.gap_upper", table(evidence, "utility").get("gap_upper"), policy.utility_gap_upper, lowest=-1.0
    )
    found += [*_memory(table(evidence, "diffusion"), policy), *_counts(evidence, images)]
    found += [*_too_many_releases(evidence, policy), *sign_off_problems(evidence)]
    published = [f"{WHERE}: policy.{reason}" for reason in looser_than_published(policy).values()]
    return Claims(tuple(dict.fromkeys(found)), tuple(published))


def claim_problems(evidence: object, images: object) -> list[str]:
    """Every reason of `check_claims`."""
    found = check_claims(evidence, images)
    return [*found.own, *found.published]


def _profile(audited: object, named: object) -> list[str]:
    if not isinstance(named, str) or named not in PROFILES:
        known = ", ".join(PROFILES)
        return [
            f"{WHERE}: policy.profile {named!r} is no published profile (these are {known}): a newer version of"
            " unpersonal may know it, else ask who released this"
        ]
    if audited != named:
        return [f"{WHERE}: the profile of the audit is {audited!r}, that of the policy {named!r}"]
    if not PROFILES[named].releasable:
        return [f"{WHERE}: policy.profile {named!r} allows no release: it is for {PROFILES[named].who}"]
    return []


def _policy(told: Mapping[str, Any]) -> PolicyConfig | str:
    """The policy that evidence tells, or what is wrong with it."""
    try:
        return PolicyConfig.model_validate({key: told[key] for key in PolicyConfig.model_fields if key in told})
    except ValidationError as error:
        wrong = sorted({".".join(map(str, item["loc"])) or "the whole" for item in error.errors()})
        return f"{WHERE}: policy: limits that no policy has ({', '.join(wrong)})"


def _untold(policy: PolicyConfig, told: Mapping[str, Any]) -> list[str]:
    """Limits that are looser than the default, and not told as such."""
    listed = told.get("looser_than_default")
    untold = sorted(set(looser(policy)) - set(map(str, listed) if isinstance(listed, list) else ()))
    return [f"{WHERE}: policy: looser than the default, and not told as such: {', '.join(untold)}"] if untold else []


def _memory(diffusion: Mapping[str, Any], policy: PolicyConfig) -> list[str]:
    """Why the model that drew the images may have learnt people by heart, or nobody would have noticed."""
    found = [] if diffusion.get("guide_memorised") is not True else [f"{WHERE}: diffusion: its guide memorised"]
    if (memorised := diffusion.get("denoiser_memorised")) is not False:
        found.append(f"{WHERE}: diffusion: denoiser_memorised is {memorised!r}, not False")
    power = diffusion.get("denoiser_match_power")
    if not ((is_number(power) and policy.match_power <= power <= 1) or (policy.match_power == 0 and power is None)):
        found.append(
            f"{WHERE}: diffusion.denoiser_match_power = {power!r} is below the limit {policy.match_power!r} of its"
            " policy"
        )
    if (lower := diffusion.get("denoiser_match_rate_lower")) is not None:
        found += above("diffusion.denoiser_match_rate_lower", lower, policy.match_rate_lower)
    return found


def _too_many_releases(evidence: Mapping[str, Any], policy: PolicyConfig) -> list[str]:
    number = number_told(evidence.get("history"))
    if number is None or number <= policy.max_releases:
        return []
    return [
        f"{WHERE}: history.releases = {number} is above the limit {policy.max_releases} of its policy"
        " (policy.max_releases)"
    ]


def _counts(evidence: Mapping[str, Any], images: object) -> list[str]:
    """Where figures are of another number of images than the manifest lists."""
    if not is_number(images):
        return []
    told = {
        "synthesis.released": table(evidence, "synthesis").get("released"),
        "audit.released": table(evidence, "audit").get("released"),
        "audit.copied.released": table(evidence, "audit", "copied").get("released"),
    }
    return [
        f"{WHERE}: {name}: {count} images were released, and the manifest lists {images}"
        for name, count in told.items()
        if (is_number(count) and count != images) or (count == FEW and images >= SMALLEST_CELL)
    ]
