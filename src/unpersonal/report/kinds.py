"""Kinds of copies for people: in plain words, and in tables that never round a share up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ..audit.figures import AuditFigures
from ..judges.figures import GateFigures
from ..matching.kinds import KINDS, in_words
from ..release.blind import at_least, audit_blind, in_order, unseen
from ..release.policy import is_number
from .page import Element, shown
from .public import inner

PLAIN = {
    "exact": "the picture itself",
    "exposure": "made brighter or darker",
    "polarity": "turned into the negative",
    "noise": "with noise",
    "blur": "blurred",
    "jpeg": "strongly compressed",
    "shift": "moved to a side",
    "rotation": "turned a little",
    "mirror": "mirrored",
    "right-angle": "turned by a right angle",
    "crop": "cut out",
    "mirrored-crop": "cut out and mirrored",
    "zoom": "enlarged or shrunk",
    "frame": "shrunk into a frame",
    "letterbox": "squeezed along one side",
    "squash": "stretched",
    "half": "one half in another picture",
    "region": "a small piece in another picture",
    "average": "mixed with another person",
    "average-of-three": "mixed with two other people",
    "codec": "compressed by the study's own codec",
    "re-noised": "redrawn by the model from a noisy copy",
    "over-fitted": "drawn by a model that knows the person by heart",
    "other-visit": "another picture of the same person",
}
"""What is done to a picture of a person, by the name of the kind, at whatever strength."""


def plain_kinds(names: Iterable[str]) -> str:
    """Kinds of copies in words, each sort once, whatever its strengths: `turned a little; blurred`."""
    bases = {kind.named(strength): kind.name for kind in KINDS for strength in kind.strengths}
    told = (PLAIN.get(base := bases.get(name, name), base) for name in names)
    return "; ".join(dict.fromkeys(told))


def gate_kinds(gate: GateFigures, table: Mapping[str, object]) -> list[Element]:
    """A table of the kinds that the gate was tried on, out of its published `table`."""
    caption, shares = "Kinds of copies that were tried", ("recall", "recall_lower")
    return _table(
        caption,
        inner(table, "kinds"),
        shares,
        {"subjects": "people", "promised": "promised"},
        "blind",
        unseen(gate).blind,
    )


def audit_kinds(audit: AuditFigures, table: Mapping[str, object]) -> list[Element]:
    """A table of the kinds that the audit was tried on, out of its published `table`."""
    rows = table.get("kinds")
    kinds = {str(row["kind"]): row for row in rows if isinstance(row, Mapping)} if isinstance(rows, list) else {}
    caption, shares = "Kinds of copies that the audit was tried on", ("seen", "seen_lower")
    return _table(caption, kinds, shares, {"copies": "copies"}, "overlooked", audit_blind(audit))


def _table(
    caption: str,
    kinds: Mapping[str, object],
    shares: tuple[str, str],
    more: Mapping[str, str],
    lost: str,
    blind: Collection[str],
) -> list[Element]:
    """Rows in the order of the list of kinds; the shares found are rounded down."""
    rows = []
    for name in in_order(kinds):
        kind = inner(kinds, name)
        found = [at_least(value) if is_number(value := kind.get(key)) else shown(value) for key in shares]
        told = [shown(kind.get(key)) for key in more]
        rows.append((name, in_words(name), *found, *told, "yes" if name in blind else "no"))
    head = ("kind", "what it is", "found", "95 % lower bound", *more.values(), lost)
    return [Element("table", caption, head, tuple(rows))] if rows else []
