"""What evidence says of the gate, held against itself, against the kinds of copies of this version, and the policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..judges.figures import ENOUGH
from ..matching.kinds import LEAST_RECALL, names, promised
from .blind import MIRRORED, in_order
from .claimed import FEW, WHERE, above, rows, table, texts
from .policy import OUTSIDE_GATE, PolicyConfig, is_number


def gate_claims(evidence: Mapping[str, Any], policy: PolicyConfig) -> list[str]:
    """Why the gate's figures do not allow the release: a kind of copy that it overlooks, or was not tried on and the
    policy does not name; misses, false flags and kinds that contradict each other; plug-ins that nobody named.
    """
    gate = table(evidence, "gate")
    found = above("gate.miss_rate_upper", gate.get("miss_rate_upper"), policy.gate_miss_upper)
    found += above("gate.false_flag_rate", gate.get("false_flag_rate"), 1.0)
    found += [f"{WHERE}: gate.{problem}" for problem in (*_kinds(gate, policy), *_misses(gate))]
    flipped, lost = table(evidence, "diffusion").get("horizontal_flip"), _unseen(gate) & set(MIRRORED)
    if flipped is not False and lost:
        found.append(
            f"{WHERE}: diffusion.horizontal_flip is {flipped!r}, and the gate overlooks {', '.join(in_order(lost))}: no"
            " policy excuses that"
        )
    return [*found, *_plugins(evidence, policy)]


def _kinds(gate: Mapping[str, Any], policy: PolicyConfig) -> Iterator[str]:
    kinds = table(gate, "kinds")
    untried = set(texts(gate.get("untried"))) | (set(names()) - set(kinds))
    if lacking := in_order(untried - set(policy.may_be_blind)):
        yield f"kinds: {', '.join(lacking)} not tried: this version tests copies of every kind"
    if blind := in_order(_unseen(gate) - untried - set(policy.may_be_blind)):
        yield f"blind: too few copies are found of {', '.join(blind)}, which its policy does not let be overlooked"
    for name, kind in kinds.items():
        if name in names() and table(kinds, name).get("promised") is not (name in promised()):
            yield f"kinds.{name}.promised is {kind.get('promised') if isinstance(kind, Mapping) else kind!r}"
        elif not _is_found(table(kinds, name)) and name not in texts(gate.get("blind")):
            yield f"kinds.{name}.recall_lower is below {LEAST_RECALL:g}, and gate.blind does not name it"


def _unseen(gate: Mapping[str, Any]) -> set[str]:
    """The kinds that the gate does not find, as far as the figures say so anywhere, or do not say that it does."""
    kinds = table(gate, "kinds")
    found = {name for name in names() if name in kinds and _is_found(table(kinds, name))}
    return set(names()) - (found - set(texts(gate.get("blind"))) - set(texts(gate.get("untried"))))


def _is_found(kind: Mapping[str, Any]) -> bool:
    lower, recall = kind.get("recall_lower"), kind.get("recall")
    if not is_number(lower) or not is_number(recall):
        return False
    return kind.get("blind") is False and LEAST_RECALL <= lower <= recall <= 1


def _misses(gate: Mapping[str, Any]) -> Iterator[str]:
    """Where the misses of a group are no shares in order, or more than the bound that is told."""
    told, rate = gate.get("miss_rate_upper"), gate.get("miss_rate")
    if not is_number(rate) or not is_number(told) or rate > told:
        yield f"miss_rate = {rate!r} does not fit miss_rate_upper = {told!r}"
    for name in ("protected", "held_out"):
        group = table(gate, name)
        people, upper, missed = group.get("subjects"), group.get("miss_rate_upper"), group.get("missed")
        counted = name == "protected" or (is_number(people) and people >= ENOUGH)
        if not counted:
            continue
        low = group.get("miss_rate")
        if not (is_number(low) and is_number(upper) and is_number(told) and 0 <= low <= upper <= told):
            yield (
                f"{name}.miss_rate_upper = {upper!r} does not fit gate.miss_rate_upper = {told!r}: that must be the"
                " worst"
            )
        if (
            missed != FEW
            and is_number(people)
            and not (is_number(missed) and is_number(low) and missed <= low * people + 1)
        ):
            yield f"{name}.missed = {missed!r} of {people} does not fit miss_rate = {low!r}"


def _plugins(evidence: Mapping[str, Any], policy: PolicyConfig) -> list[str]:
    return [
        f"{WHERE}: plugins: the {plugin.get('kind')} {plugin.get('name')!r} may stand in the gate, and its policy does"
        " not name it"
        for plugin in rows(evidence.get("plugins"))
        if plugin.get("kind") not in OUTSIDE_GATE and plugin.get("name") not in policy.plugins
    ]
