"""The rules under which a release may be written. Fail closed: a figure that is absent refuses like one too large."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from pydantic import Field

from ..core.config import Config

UNKNOWN_PEOPLE = (
    "diffusion.start.known_people is not true: the model started from weights that were trained on images of unknown"
    " people; neither gate nor audit compared with them, and subjects held out here may be among them"
)

MIRRORED = "and neither the gate nor the audit looks for mirrored copies"


class PolicyConfig(Config):
    """Limits of `[policy]` in study.toml; all are fractions."""

    audit_advantage_upper: float = Field(default=0.05, ge=0.0, le=1.0)
    """Largest one-sided 97.5 % upper bound of the audit's primary advantage (isolation, train minus control)."""
    gate_miss_upper: float = Field(default=0.01, ge=0.0, le=1.0)
    """Largest allowed one-sided 95 % upper bound of the rate at which the gate misses copies."""
    gate_false_flag: float = Field(default=0.20, ge=0.0, le=1.0)
    """Budget for the share of unseen real subjects that the gate flags; above it a shortfall is printed."""
    utility_gap_upper: float = Field(default=0.05, ge=0.0, le=1.0)
    """Largest allowed one-sided 95 % upper bound of macro AUROC lost (real minus synthetic)."""


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite real number (no bool, None, NaN, infinity or text)."""
    if isinstance(value, bool) or value is None or isinstance(value, str | bytes):
        return False
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _figure(figures: Mapping[str, Any], room: str, name: str) -> Any:
    part = figures.get(room)
    return part.get(name) if isinstance(part, Mapping) else None


def _above(figures: Mapping[str, Any], room: str, name: str, limit: float, lowest: float) -> str | None:
    """The reason why figure `room.name` refuses, or None; a figure outside [lowest, 1] cannot be right and refuses."""
    value = _figure(figures, room, name)
    if not is_number(value):
        return f"{room}.{name} is missing or not a number ({value!r}); it must be known and at most {limit:g}"
    if not lowest <= float(value) <= 1.0:
        return f"{room}.{name} = {float(value):.4g} is not a possible value; it must be at most {limit:g}"
    if float(value) > limit:
        return f"{room}.{name} = {float(value):.4g} is above the limit {limit:g}"
    return None


def started_elsewhere(figures: Mapping[str, Any]) -> bool:
    """Whether the diffusion model began with the weights of another model (`diffusion.start`)."""
    return _figure(figures, "diffusion", "start") is not None


def source_unknown(figures: Mapping[str, Any]) -> bool:
    """Whether the model began with weights of which nobody compared the people with those of this study."""
    start = _figure(figures, "diffusion", "start")
    known = start.get("known_people") if isinstance(start, Mapping) else None
    return start is not None and known is not True


def _memorised(figures: Mapping[str, Any]) -> list[str]:
    """The reasons why the diffusion model's memory refuses.

    A guide that is the denoiser's earlier self is judged with the denoiser. One without conditions may go without a
    judgement: it cannot be asked for a person. One with conditions may not, nor one of which the kind is not known.
    """
    refused = []
    denoiser, guide = (_figure(figures, "diffusion", f"{name}_memorised") for name in ("denoiser", "guide"))
    if denoiser is not False:
        refused.append(
            f"diffusion.denoiser_memorised is {denoiser!r}; it must be False: a model that learnt train images by heart"
            " can give them out"
        )
    excused = guide is None and _figure(figures, "diffusion", "guide") in ("earlier", "uncond")
    if guide is not False and not excused:
        refused.append(f"diffusion.guide_memorised is {guide!r}; it must be False: the guide takes part in every image")
    return refused


def _mirrored(figures: Mapping[str, Any]) -> list[str]:
    """The reason why a model that was, or may have been, trained on mirrored images refuses."""
    flipped = _figure(figures, "diffusion", "horizontal_flip")
    if flipped is False:
        return []
    known = "the" if flipped is True else "it is not known whether the"
    return [
        f"diffusion.horizontal_flip is {flipped!r}; it must be False: {known} model was trained on mirrored images, "
        f"{MIRRORED}"
    ]


def check(policy: PolicyConfig, figures: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(reasons that refuse the release, shortfalls that are only printed).

    `figures` has the form of summary.json: `audit.{verdict,advantage_upper}`, `gate.{miss_rate_upper,false_flag_rate}`,
    `utility.gap_upper`, `synthesis.released`, `diffusion.{denoiser_memorised,guide_memorised,horizontal_flip,start}`,
    and `diffusion.guide`, the kind. Every reason names the figure, its value and the limit. A false-flag rate above its
    budget costs images and not privacy, so it is a shortfall (the miss rate wins); that a model started from weights of
    unknown people is one too, and cannot be measured.
    """
    refused: list[str] = []
    verdict = _figure(figures, "audit", "verdict")
    if verdict != "pass":
        refused.append(f"audit.verdict is {verdict!r}; it must be 'pass'")
    bounded = [
        ("audit", "advantage_upper", policy.audit_advantage_upper, -1.0),
        ("gate", "miss_rate_upper", policy.gate_miss_upper, 0.0),
        ("utility", "gap_upper", policy.utility_gap_upper, -1.0),
    ]
    refused += [reason for item in bounded if (reason := _above(figures, *item)) is not None]
    released = _figure(figures, "synthesis", "released")
    if not is_number(released) or float(released) < 1:
        refused.append(f"synthesis.released is {released!r}; at least 1 image must have passed the gate")
    refused += _memorised(figures) + _mirrored(figures)
    shortfalls = [UNKNOWN_PEOPLE] if source_unknown(figures) else []
    if unknown := _above(figures, "gate", "false_flag_rate", 1.0, 0.0):
        return [*refused, unknown], shortfalls
    false_flag = float(_figure(figures, "gate", "false_flag_rate"))
    if false_flag > policy.gate_false_flag:
        budget = f"gate.false_flag_rate = {false_flag:.4g} is above the budget {policy.gate_false_flag:g}"
        shortfalls.insert(0, budget)
    return refused, shortfalls
