"""The rules under which a release may be written. Fail closed: a figure that is absent refuses like one too large."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import ClassVar, TypeGuard

from pydantic import Field, field_validator

from ..audit.figures import AuditFigures
from ..audit.profiles import LABELS_INFERRED, PROFILES, Profile, ProfileName, margins_of
from ..core.config import Config
from ..core.registry import Plugin
from ..diffusion.figures import DiffusionFigures
from ..judges.figures import ENOUGH, GateFigures
from ..matching.kinds import MAY_BE_BLIND, names, promised
from .blind import beyond_default, blind_reasons, in_order, mirrored_reasons
from .figures import GATE_STAGE, StudyFigures
from .leak import leak_reasons
from .safety import safety_statement

UNKNOWN_PEOPLE = (
    "diffusion.start.known_people is not true: the model started from weights that were trained on images of unknown"
    " people; neither gate nor audit compared with them, and subjects held out here may be among them"
)
OUTSIDE_GATE = ("layout", "codec", "condition", "encoder", "solver", "network", "attack", "metric")
"""Kinds of plug-ins that decide nothing for the gate, unless it is the gate's own stage that uses them."""


MARGINS = {
    "audit_advantage_upper": "isolated",
    "audit_membership_upper": "auroc",
    "audit_true_positives_upper": "tpr",
    "audit_top_upper": "top",
    "audit_inference_upper": "inference",
}
"""Keys that stand in place of a margin of the profile."""


class PolicyConfig(Config):
    """`[policy]` in study.toml: limits, all of them fractions; what the gate may be blind to; plug-ins in the gate."""

    # these decide whether a release may go out, and its stage asks for them by itself
    IDLE: ClassVar[frozenset[str]] = frozenset({"max_releases", "sign_off"})

    profile: ProfileName = "open"
    """Margins of the audit: open (anybody may have the release), agreement (recipients sign the card's terms), internal
    (never leaves: no release)."""
    audit_advantage_upper: float | None = Field(default=None, ge=0.0, le=1.0)
    """Largest upper bound of the share of train people isolated at least once, in place of the profile's."""
    audit_membership_upper: float | None = Field(default=None, ge=0.5, le=1.0)
    """Largest upper bound of the AUROC of membership, in place of the profile's."""
    audit_true_positives_upper: float | None = Field(default=None, ge=0.0, le=1.0)
    """Largest upper bound of its true-positive rate at 1 % false positives, in place of the profile's."""
    audit_top_upper: float | None = Field(default=None, ge=0.0, le=1.0)
    """Largest upper bound of the success of the attacker's 50 surest predicates, in place of the profile's."""
    audit_inference_upper: float | None = Field(default=None, ge=0.0, le=1.0)
    """Largest upper bound of right guesses about train people above control, in place of the profile's."""
    audit_leak_persons: int = Field(default=20, ge=1, lt=1000)
    """Most people, one copy each of any kind that `may_be_blind` does not name, whom the audit may need to find one."""
    gate_miss_upper: float = Field(default=0.01, ge=0.0, le=1.0)
    """Largest allowed one-sided 95 % upper bound of the rate at which the gate misses copies."""
    gate_false_flag: float = Field(default=0.20, ge=0.0, le=1.0)
    """Budget for the share of real people in no gallery whom the gate flags; above it a shortfall is printed."""
    utility_gap_upper: float = Field(default=0.05, ge=0.0, le=1.0)
    """Largest allowed one-sided 95 % upper bound of macro AUROC lost (real minus synthetic)."""
    match_power: float = Field(default=0.8, ge=0.0, le=1.0)
    """Least probability that samples show, while training, that 5 % of them match train images; 0: none needed."""
    match_rate_lower: float = Field(default=0.05, ge=0.0, le=1.0)
    """Largest allowed one-sided 95 % lower bound of the share of these samples that match, whatever chance explains."""
    max_releases: int = Field(default=5, ge=1, le=1000)
    """Most releases that this cohort may have, different images counted; bounds hold for each release alone."""
    may_be_blind: tuple[str, ...] = MAY_BE_BLIND
    """Kinds of copies that the gate may be blind to, or that need not be tried on it; any other refuses the release."""
    plugins: tuple[str, ...] = ()
    """Names of plug-ins that may stand in the gate; one that stands there and is not named refuses the release."""
    sign_off: bool = False
    """Whether a person must sign off what would be released (`unpersonal sign-off`) before a release is made."""

    def margins(self) -> Profile:
        """The margins of the audit: the profile's, or what is set in their place."""
        set_here = {margin: value for name, margin in MARGINS.items() if (value := getattr(self, name)) is not None}
        return replace(PROFILES[self.profile], **set_here)

    @field_validator("plugins")
    @classmethod
    def _named_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "" in value or len(set(value)) < len(value):
            raise ValueError("plugins names every plug-in once")
        return value

    @field_validator("may_be_blind")
    @classmethod
    def _kinds_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("may_be_blind names every kind once")
        if unknown := [name for name in value if name not in names()]:
            raise ValueError(
                f"there is no kind of copy {', '.join(map(repr, unknown))}; use any of {', '.join(map(repr, names()))}"
            )
        return value


COUNTED = "max_releases"
"""The limit that is held against the ledger of releases, and against no figure."""
LIMITS = tuple(
    name for name, field in PolicyConfig.model_fields.items() if field.annotation in (float, int) and name != COUNTED
)
"""Limits of the policy that are numbers, each of a figure."""
AT_LEAST = ("match_power",)
"""Those that a figure must reach, where it may not exceed others."""


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite real number (no bool, None, NaN, infinity or text)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _above(name: str, value: object, limit: float, lowest: float) -> str | None:
    """The reason why the figure `name` refuses, or None; a figure outside [lowest, 1] cannot be right and refuses."""
    if not is_number(value):
        return f"{name} is missing or not a number ({value!r}); it must be known and at most {limit:g}"
    if not lowest <= value <= 1.0:
        return f"{name} = {value:.4g} is not a possible value; it must be at most {limit:g}"
    if value > limit:
        return f"{name} = {value:.4g} is above the limit {limit:g}"
    return None


def origin_unknown(figures: StudyFigures) -> bool:
    """Whether the model began with weights of which nobody compared the people with those of this study."""
    start = figures.diffusion.start if figures.diffusion else None
    return start is not None and start.known_people is not True


def _memorised(diffusion: DiffusionFigures | None, guide_kind: str | None) -> list[str]:
    """The reasons why the diffusion model's memory refuses.

    A guide that is the denoiser's earlier self is judged with the denoiser. One without conditions may go without a
    judgement: it cannot be asked for a person. One with conditions may not, nor one of which the kind is not known.
    """
    refused = []
    denoiser = diffusion.denoiser_memorised if diffusion else None
    guide = diffusion.guide_memorised if diffusion else None
    if denoiser is not False:
        refused.append(
            f"diffusion.denoiser_memorised is {denoiser!r}; it must be False: a model that learnt train images by heart"
            " can give them out"
        )
    excused = guide is None and guide_kind in ("earlier", "uncond")
    if guide is not False and not excused:
        refused.append(f"diffusion.guide_memorised is {guide!r}; it must be False: the guide takes part in every image")
    return refused


def _unseen_matches(policy: PolicyConfig, diffusion: DiffusionFigures | None) -> list[str]:
    """The reasons why what was seen of the samples while training refuses: too little, or too many matches."""
    refused = []
    power = diffusion.denoiser_match_power if diffusion else None
    if not _is_share(power if power is not None else 0.0) or (power or 0.0) < policy.match_power:
        refused.append(
            f"diffusion.denoiser_match_power is {power!r}; it must be at least {policy.match_power:g}: else nobody"
            " would have noticed that samples show train people. To mend it: hold out more people ([cohort] val), or"
            " draw more samples ([diffusion] monitor_samples), with max_match_rate at most 0.05"
        )
    lower = diffusion.denoiser_match_rate_lower if diffusion else None
    if lower is not None and (
        reason := _above("diffusion.denoiser_match_rate_lower", lower, policy.match_rate_lower, 0)
    ):
        refused.append(f"{reason}: so many samples match train images")
    return refused


def _is_share(value: object) -> TypeGuard[float]:
    return is_number(value) and 0.0 <= value <= 1.0


def _contradictions(gate: GateFigures | None, matchers: Collection[str] | None) -> list[str]:
    """The reasons why the gate's figures refuse by not fitting each other, the list of kinds, or the settings."""
    if gate is None:
        return []
    refused, told = [], gate.miss_rate_upper
    counted = {"protected": gate.protected, **({"held_out": gate.held_out} if gate.held_out.subjects >= ENOUGH else {})}
    for name, found in counted.items():
        lowest = max(found.missed / found.subjects if found.subjects else 1.0, found.miss_rate)
        if _is_share(told) and not told >= found.miss_rate_upper >= lowest:
            refused.append(
                f"gate.{name} has miss_rate_upper = {found.miss_rate_upper:.4g} of {found.missed} missed among"
                f" {found.subjects}, which does not fit gate.miss_rate_upper = {told:.4g}: that must be the worst"
            )
    wrong = in_order(name for name, kind in gate.kinds.items() if kind.promised is not (name in promised()))
    if wrong:
        refused.append(
            f"gate.kinds does not promise what must be, or promises other kinds: {', '.join(wrong)}; the miss rate"
            " would be that of other copies"
        )
    if lost := sorted(set(matchers or ()) - set(gate.matchers)):
        refused.append(f"gate.matchers lacks {', '.join(lost)}, which [judges] matchers names")
    return refused


def _unaudited(policy: PolicyConfig, audit: AuditFigures | None) -> list[str]:
    """The reasons why the audit refuses: its verdict, another profile's margins, or primary figures that do not fit."""
    verdict = audit.verdict if audit else None
    refused = [] if verdict == "pass" else [f"audit.verdict is {verdict!r}; it must be 'pass'"]
    if audit is None:
        return refused
    if audit.profile != policy.profile or not PROFILES[policy.profile].releasable:
        refused.append(
            f"audit.profile is {audit.profile!r} and policy.profile {policy.profile!r}; they must be one, and one that"
            " allows a release"
        )
    margins = margins_of(policy.margins())
    rows = {row.name: row for row in audit.primary or ()}
    refused += [
        f"audit.primary has no {name}; it must be known and at most {margins[name]:g}"
        for name in margins
        if name not in rows
    ]
    refused += [
        reason
        for name, row in rows.items()
        if (reason := _above(f"audit.primary.{name}", row.upper, margins.get(name, 0.0), -1.0))
    ]
    return refused


def _labels_untried(figures: StudyFigures) -> list[str]:
    """The reason why label inference refuses: people have labels, or nobody knows, and nobody tried to infer them."""
    if figures.cohort is not None and not figures.cohort.classes:
        return []
    tried = (figures.audit.inference or ()) if figures.audit else ()
    if any(row.name.startswith(LABELS_INFERRED) for row in tried):
        return []
    return ["audit.inference has no label inference, although people have labels; it must be known how far these leak"]


def looser(policy: PolicyConfig) -> dict[str, str]:
    """What a policy allows beyond the default, in words, by its key; what it makes stricter is not told."""
    found, default = {}, PolicyConfig()
    for name in (*LIMITS, COUNTED):
        value, usual = getattr(policy, name), getattr(default, name)
        if (value < usual) if name in AT_LEAST else (value > usual):
            found[name] = f"policy.{name} = {value:g} is looser than the default {usual:g}"
    for name, margin in MARGINS.items():
        value, usual = getattr(policy, name), getattr(PROFILES[policy.profile], margin)
        if value is not None and value > usual:
            found[name] = f"policy.{name} = {value:g} is looser than {usual:g}, that of the profile {policy.profile}"
    if (profile := PROFILES[policy.profile]).name != "open":
        found["profile"] = f"policy.profile = {profile.name}: margins for {profile.who}, wider than those of open"
    if more := beyond_default(policy.may_be_blind):
        listed = ", ".join(more) if set(names()) - set(policy.may_be_blind) else "every kind of copy"
        found["may_be_blind"] = f"policy.may_be_blind lets the gate be blind to more than the default does: {listed}"
    return found


def in_gate(figures: StudyFigures) -> tuple[Plugin, ...]:
    """The plug-ins that decide what the gate lets through: those of its stage, and any of a kind that is not known."""
    found = {
        plugin
        for stage, plugins in figures.plugins.items()
        for plugin in plugins
        if stage == GATE_STAGE or plugin.kind not in OUTSIDE_GATE
    }
    return tuple(sorted(found, key=lambda plugin: (plugin.kind, plugin.name)))


def _foreign(policy: PolicyConfig, figures: StudyFigures) -> list[str]:
    """The reasons why plug-ins in the gate refuse."""
    return [
        f"gate.plugins has the {plugin.kind} {plugin.name!r} of {plugin.distribution} {plugin.version}; [policy]"
        " plugins must name it: nobody here has tested a gate with it"
        for plugin in in_gate(figures)
        if plugin.name not in policy.plugins
    ]


def check(policy: PolicyConfig, figures: StudyFigures) -> tuple[list[str], list[str]]:
    """(reasons that refuse the release, shortfalls that are only printed).

    Every reason names the figure, its value and the limit. A false-flag rate above its budget costs images and not
    privacy, so it is a shortfall (the miss rate wins). So are weights of unknown people that the model started from,
    which cannot be measured, every limit of the policy that is looser than the default, and settings that guard people.
    """
    audit, gate, utility, synthesis = figures.audit, figures.gate, figures.utility, figures.synthesis
    refused: list[str] = []
    refused += [*_unaudited(policy, audit), *_labels_untried(figures)]
    bounded = [
        ("audit.advantage_upper", audit.advantage_upper if audit else None, policy.margins().isolated, 0.0),
        ("gate.miss_rate_upper", gate.miss_rate_upper if gate else None, policy.gate_miss_upper, 0.0),
        ("utility.gap_upper", utility.gap_upper if utility else None, policy.utility_gap_upper, -1.0),
    ]
    refused += [reason for item in bounded if (reason := _above(*item)) is not None]
    released = synthesis.released if synthesis else None
    if not is_number(released) or released < 1:
        refused.append(f"synthesis.released is {released!r}; at least 1 image must have passed the gate")
    refused += leak_reasons(audit, policy.audit_leak_persons, policy.may_be_blind)
    refused += blind_reasons(gate, policy.may_be_blind)
    refused += _contradictions(gate, figures.matchers)
    refused += _memorised(figures.diffusion, figures.guide)
    refused += _unseen_matches(policy, figures.diffusion)
    flipped = figures.diffusion.horizontal_flip if figures.diffusion else None
    refused += mirrored_reasons(gate, flipped, policy.may_be_blind)
    refused += _foreign(policy, figures)
    shortfalls = [UNKNOWN_PEOPLE] if origin_unknown(figures) else []
    shortfalls += looser(policy).values()
    shortfalls += filter(None, [safety_statement(figures.weaker)])
    false_flag = gate.false_flag_rate if gate else None
    if unknown := _above("gate.false_flag_rate", false_flag, 1.0, 0.0):
        return [*refused, unknown], shortfalls
    if false_flag is not None and false_flag > policy.gate_false_flag:
        budget = f"gate.false_flag_rate = {false_flag:.4g} is above the budget {policy.gate_false_flag:g}"
        shortfalls.insert(0, budget)
    return refused, shortfalls
