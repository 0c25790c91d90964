"""What was not tested, and what gate and audit are blind to, in plain words and as few as there can be."""

from __future__ import annotations

import re

from ..audit.figures import AuditFigures
from ..release.blind import audit_blind, unseen
from ..release.figures import StudyFigures
from ..release.policy import origin_unknown
from .kinds import plain_kinds

UNTRIED_ATTACKS = {
    "membership-by-model": "an attacker who has the trained model, and not the images alone",
    "membership-by-shadows": "an attacker who has the trained model, and not the images alone",
    "membership-by-probabilities": "",
    "inference-probabilities": "",
}
"""Attacks that were not run for lack of what they read; empty: the release has none of it, so that nobody can."""
_NOT_RUN = re.compile(r"the attack (?P<name>\S+) (is not applicable|was left out|could not be run)")


def gaps(figures: StudyFigures) -> tuple[str, ...]:
    """Sentences of what nobody can rely on, the gravest first."""
    audit = figures.audit
    if audit is None:
        found = ["Nobody audited the images: no attack was tried on them."]
    else:
        found = [*_not_played(audit), *_of_audit(audit)]
    return (
        *found,
        *_of_gate(figures),
        *_of_use(figures),
        "Attacks that nobody has thought of yet. What is said here holds for those that were tried, and is no proof.",
    )


def _not_played(audit: AuditFigures) -> list[str]:
    if audit.primary or audit.advantage is not None:
        return []
    return ["No attack could be run: there were too few people or images. Nothing is known of what they would find."]


def _of_audit(audit: AuditFigures) -> list[str]:
    found = []
    if audit.detectable is not None and audit.detectable.blind:
        found.append(
            f"The audit cannot see, however many there are, copies that are: {plain_kinds(audit.detectable.blind)}."
        )
    if single := audit_blind(audit):
        found.append(f"The audit may overlook single copies that are: {plain_kinds(single)}.")
    if audit.kinds is None and audit.detectable is None:
        found.append("Nobody tried which copies of people the audit would see.")
    noted = (match["name"] for text in (*audit.notes, *audit.reasons) if (match := _NOT_RUN.search(text)))
    attacks = dict.fromkeys(UNTRIED_ATTACKS.get(name, f"the attack {name.replace('-', ' ')}") for name in noted)
    if named := [name for name in attacks if name]:
        found.append(f"Not tried: {'; '.join(named)}.")
    if few := [row.name for row in audit.strata or () if not row.figures]:
        found.append(f"Too few to measure apart: {'; '.join(few)}.")
    if audit.reading is not None and audit.reading.finer:
        size = audit.reading.size
        found.append(f"Detail finer than {size} × {size} pixels: it was not compared, although the files have it.")
    return found


def _of_gate(figures: StudyFigures) -> list[str]:
    lost = unseen(figures.gate)
    if figures.gate is None:
        return ["No gate was tried: nobody knows which copies of people it would let through."]
    found = []
    if lost.blind:
        found.append(f"The gate may let through copies that are: {plain_kinds(lost.blind)}.")
    if lost.untried:
        found.append(f"The gate was not tried on copies that are: {plain_kinds(lost.untried)}.")
    return found


def _of_use(figures: StudyFigures) -> list[str]:
    found = []
    if origin_unknown(figures):
        found.append(
            "Whose images the model was trained on before it came here. Nothing was compared with these people."
        )
    if figures.utility is None or figures.utility.gap is None:
        found.append("Of what use the images are: that was not measured.")
    return found
