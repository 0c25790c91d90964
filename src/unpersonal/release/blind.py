"""What gate and audit do not find: the kinds of copies that they are blind to, and those that were never tried."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from ..audit.figures import AuditFigures
from ..judges.figures import GateFigures, KindFigures
from ..matching.kinds import LEAST_RECALL, MAY_BE_BLIND, in_words, names

MIRRORED = ("mirror", "mirrored-crop")
"""Kinds of copies that a model draws which was trained on mirrored images and learnt some of them by heart."""
HOW_BLIND = (
    "restore the default [judges] matchers if some were left out, train the re-identifier for longer, or give more "
    "train subjects (a bound cannot be nearer than their number allows)"
)
HOW_UNTRIED = (
    "run the stage `judges` anew: copies through the codec, re-noised and over-fitted ones need the study's own codec "
    "and diffusion model, other visits need people with two images"
)
OR_ELSE = "; whoever accepts leaks of these kinds may name them in [policy] may_be_blind"


@dataclass(frozen=True)
class Unseen:
    """Kinds of copies, as `Kind.named` calls them: those of which the gate finds too few, and those nobody tried."""

    blind: tuple[str, ...]
    untried: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Both: what was not tried counts as blind."""
        return (*self.blind, *self.untried)


def unseen(gate: GateFigures | None) -> Unseen:
    """What the gate does not find; without figures everything.

    A kind that the figures do not hold was not tried. One is blind if the figures say so anywhere, or if the lower
    bound of its recall is no number, or too low.
    """
    if gate is None:
        return Unseen((), names())
    untried = {*gate.untried, *(name for name in names() if name not in gate.kinds)}
    blind = {*gate.blind, *(name for name, kind in gate.kinds.items() if not _is_found(kind))} - untried
    return Unseen(in_order(blind), in_order(untried))


def audit_blind(audit: AuditFigures) -> tuple[str, ...]:
    """The kinds of copies that the audit's own matchers do not see, by what the figures say anywhere."""
    low = {row.kind for row in audit.kinds or () if not row.seen_lower >= LEAST_RECALL}
    return in_order({*(audit.blind or ()), *low})


def _is_found(kind: KindFigures) -> bool:
    lower = kind.recall_lower
    return kind.blind is False and isinstance(lower, float) and LEAST_RECALL <= lower <= 1


def in_order(found: Iterable[str]) -> tuple[str, ...]:
    """Names of kinds in the order of the list of kinds; names that it does not hold come last."""
    places = {name: place for place, name in enumerate(names())}
    return tuple(sorted(found, key=lambda name: (places.get(name, len(places)), name)))


def beyond_default(may_be_blind: Iterable[str]) -> tuple[str, ...]:
    """The kinds that a policy lets be blind although the default does not."""
    return in_order(set(may_be_blind) - set(MAY_BE_BLIND))


def at_least(value: float) -> str:
    """A recall or its bound to three digits, rounded down so that the text never claims more than was measured."""
    if not math.isfinite(value):
        return "not known"
    return f"{Decimal(repr(float(value))).quantize(Decimal('0.001'), ROUND_FLOOR):f}"


def described(name: str, gate: GateFigures | None = None) -> str:
    """A kind in words and by its name, with what the gate finds of it where that is known."""
    kind = gate.kinds.get(name) if gate else None
    found = f"; {at_least(kind.recall)} found, 95 % lower bound {at_least(kind.recall_lower)}" if kind else ""
    words = in_words(name)
    return f"{words} ({name}{found})" if words != name or found else name


def blind_reasons(gate: GateFigures | None, may_be_blind: Collection[str]) -> list[str]:
    """The reasons why what the gate does not find refuses a release."""
    if gate is None:
        return ["gate.kinds is missing: it is not known which kinds of copies the gate finds"]
    found, refused = unseen(gate), []
    if blind := [described(name, gate) for name in found.blind if name not in may_be_blind]:
        refused.append(
            f"gate.blind: the gate does not find enough copies of {_counted(len(blind))} (at least {LEAST_RECALL:g} is "
            f"needed, by the lower bound): {'; '.join(blind)}. To mend it: {HOW_BLIND}{OR_ELSE}"
        )
    if untried := [described(name) for name in found.untried if name not in may_be_blind]:
        refused.append(
            f"gate.untried: the gate was not tried on {_counted(len(untried))}: {'; '.join(untried)}. To mend it: "
            f"{HOW_UNTRIED}{OR_ELSE}"
        )
    return refused


def mirrored_reasons(gate: GateFigures | None, flipped: bool | None, may_be_blind: Collection[str]) -> list[str]:
    """The reason why a model that was, or may have been, trained on mirrored images refuses.

    The gate must find mirrored copies then, even where the policy lets it be blind to them.
    """
    lost = [name for name in MIRRORED if name in unseen(gate).all and name in may_be_blind]
    if flipped is False or not lost:
        return []
    known = "the" if flipped is True else "it is not known whether the"
    return [
        f"diffusion.horizontal_flip is {flipped!r}: {known} model was trained on mirrored images, and the gate does not"
        f" find copies of the kinds {', '.join(lost)}; with such a model [policy] may_be_blind cannot excuse them"
    ]


def _counted(count: int) -> str:
    return f"{count} kind{'' if count == 1 else 's'}"
