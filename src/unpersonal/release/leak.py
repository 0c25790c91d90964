"""How large a leak may be that the audit would not have found."""

from __future__ import annotations

from collections.abc import Collection

from ..audit.copied_figures import Detectable
from ..audit.figures import AuditFigures
from ..matching.kinds import PICTURE_KINDS, strength_of
from .blind import in_order

HOW = "audit more people or a larger release, or name the kinds in [policy] may_be_blind"


def leak_reasons(audit: AuditFigures | None, most: int, may_be_blind: Collection[str]) -> list[str]:
    """The reasons why the least leak that was found refuses: unknown, blind to a kind, or more than `most` people."""
    if audit is None or audit.detectable is None:
        return ["audit.detectable is missing: it is not known how many copied people the audit would have found"]
    told = {"audit.detectable": audit.detectable}
    if audit.unlabelled is not None:
        if audit.unlabelled.detectable is None:
            return ["audit.unlabelled.detectable is missing: it is not known how many of them it would have found"]
        told["audit.unlabelled.detectable"] = audit.unlabelled.detectable
    return [reason for name, found in told.items() for reason in _reasons(name, found, most, may_be_blind)]


def _reasons(name: str, found: Detectable, most: int, may_be_blind: Collection[str]) -> list[str]:
    needed = {row.kind: row.persons for row in found.kinds if row.kind not in may_be_blind}
    planted = {kind.named(strength_of(kind)) for kind in PICTURE_KINDS} - set(may_be_blind)
    if untried := in_order(planted - needed.keys()):
        return [f"{name}.kinds lacks {', '.join(untried)}: nobody knows how many people copied so would be found"]
    if blind := in_order(kind for kind, persons in needed.items() if persons is None):
        return [f"{name}.blind: the audit finds no number of people copied as {', '.join(blind)}. To mend it: {HOW}"]
    least = {kind: persons for kind, persons in needed.items() if persons is not None and persons > most}
    if not least:
        return []
    worst = ", ".join(f"{kind} {least[kind]}" for kind in in_order(least))
    return [
        f"{name}.persons: fewer copied people than these would not be found ({worst}); [policy] audit_leak_persons"
        f" allows {most}. To mend it: {HOW}"
    ]
