"""Pictures of report.html, drawn from figures that are aggregates; each says in words what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..audit.chapter import in_plain
from ..audit.figures import AuditFigures
from ..audit.profiles import INFERENCE, ISOLATED, MEMBERSHIP
from ..audit.rows import MembershipRow
from ..core.errors import InputError
from ..core.numbers import of_many
from ..core.tensors import open_array
from ..core.words import plural
from ..judges.figures import GateFigures
from ..matching.kinds import LEAST_RECALL
from ..release.blind import audit_blind, in_order, unseen
from ..release.evidence import SMALLEST_CELL
from .charts import Bar, Series, band_chart, bars_chart, heights_chart, roc_chart
from .page import Element

BINS = 20
"""Bars of a histogram between the distances that nearly everybody has."""
GRID = np.linspace(0.0, 1.0, 26)
"""False-positive rates at which a curve of the judges is drawn: coarse, so that no step is a person."""


def distances(study: Path) -> list[Element]:
    """How near the released images come to people who were used and to others."""
    sides = {"people who were used": "train", "other people": "control"}
    groups = {name: values for name, side in sides.items() if (values := _array(study, side)) is not None}
    if len(groups) < len(sides) or min(map(len, groups.values())) < SMALLEST_CELL:
        return []
    # people at the ends lie in the outer bars, so that no end is the distance of a person
    low, high = np.quantile(np.concatenate(list(groups.values())), (0.02, 0.98))
    step = max(_round((high - low) / BINS), 1e-6)
    edges = common_edges(step * np.arange(np.floor(low / step), np.ceil(high / step) + 1), list(groups.values()))
    if len(edges) < 3:
        return []
    heights = {name: _counted(values, edges) / len(values) / np.diff(edges) for name, values in groups.items()}
    used, others = (float(np.median(values)) for values in groups.values())
    alt = (
        "Two overlaid histograms of how far people are from the nearest released image, people who were used and other"
        f" people. The middle person who was used is at {used:.2f}, of others at {others:.2f}."
    )
    text = (
        "How far every person is from the nearest released image; 1 is as near as strangers come to each other. The two"
        " shapes should look alike: if the release knew people who were used, theirs would lie farther left. Every bar"
        " holds five people or more of either group; the outer bars hold all who are farther out."
    )
    axis = "distance to the nearest released image"
    return [Element("chart", text, content=heights_chart("nearest", edges, heights, xlabel=axis, alt=alt))]


def common_edges(edges: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Those of `edges` [b + 1] between which five values or more of each group lie, what is outside in the outer bins.

    Fewer than two edges where a group is too small.
    """
    counts = np.array([_counted(values, edges) for values in groups])
    kept, since = [0], np.zeros(len(groups))
    for place, column in enumerate(counts.T, 1):
        since = since + column
        if (since >= SMALLEST_CELL).all():
            kept.append(place)
            since = np.zeros(len(groups))
    # what is left at the end joins the last bin
    kept[-1] = len(edges) - 1 if len(kept) > 1 else kept[-1]
    return edges[kept]


def _counted(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)[0]


def _round(step: float) -> float:
    """The next larger of 1, 2 and 5 times a power of ten."""
    if step <= 0 or not np.isfinite(step):
        return 0.0
    power = 10.0 ** np.floor(np.log10(step))
    return float(power * next(factor for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9)))


def _array(study: Path, side: str) -> np.ndarray | None:
    try:
        values = np.array(open_array(study / "audit" / f"{side}_distances.npy"), dtype=np.float64).reshape(-1)
    except (InputError, OSError):
        return None
    values = values[np.isfinite(values)]
    return values if len(values) else None


def membership_roc(audit: AuditFigures) -> list[Element]:
    """The curve of the strongest attack on membership between its bounds; nothing where the audit did not keep it."""
    if audit.roc is None or len(audit.roc.points) < 2:
        return []
    points = audit.roc.points
    x, y, low, high = (np.array([getattr(p, key) for p in points]) for key in ("fpr", "tpr", "tpr_lower", "tpr_upper"))
    first = points[0]
    alt = (
        f"Curve of the attack {in_plain(audit.roc.attack)}: where it accuses {of_many(first.fpr)} other people it"
        f" accuses {of_many(first.tpr)} people who were used, between {of_many(first.tpr_lower, 'down')} and"
        f" {of_many(first.tpr_upper, 'up')}. Along the dashed line it would guess."
    )
    text = (
        "How many people the strongest attack accuses rightly, for every number that it accuses wrongly. On the dashed"
        " line it guesses; the farther above, the worse. The band holds what may be true at each point."
    )
    return [Element("chart", text, content=band_chart("membership-roc", x, y, low, high, alt=alt))]


def membership_forest(audit: AuditFigures) -> list[Element]:
    """All attacks on membership against the margin; of an attack and its reverse the one that reaches more."""
    margin = _margin(audit, MEMBERSHIP)
    bars = [
        _bar(row.name, (row.auroc, row.auroc_lower, row.auroc_upper), margin)
        for row in _stronger(audit.membership or ())
    ]
    text = (
        "Every attack that tries to tell who was used, among people who look alike: the dot is what it reached, the"
        " line reaches from the least to the most that may be true. A line that ends left of the limit is good."
    )
    return _forest("membership", bars, {"guessing": 50.0}, margin, "pairs told rightly, of 100", text)


def isolation_forest(audit: AuditFigures) -> list[Element]:
    """All families of predicates that decide against the margin of isolated people."""
    margin, weight = _margin(audit, ISOLATED), audit.weight
    bars = [
        _bar(row.name, (row.isolated, row.isolated, row.isolated_upper), margin)
        for row in audit.isolation or ()
        if weight is None or row.weight <= weight
    ]
    text = (
        "Every way to write descriptions: the dot is the share of people who were singled out, the line reaches to the"
        " most that may be true. A line that ends left of the limit is good."
    )
    return _forest("isolation", bars, {}, margin, "people singled out, of 100", text)


def inference_forest(audit: AuditFigures) -> list[Element]:
    """All attacks on labels and properties against the margin."""
    margin = _margin(audit, INFERENCE)
    bars = [_bar(row.name, (row.above, row.above_lower, row.above_upper), margin) for row in audit.inference or ()]
    text = (
        "Every attack that guesses something about people: by how much more often it is right about people who were"
        " used than about others. At 0 it knows nothing of them. A line that ends left of the limit is good."
    )
    axis = "right more often about people who were used, of 100"
    return _forest("inference", bars, {"no difference": 0.0}, margin, axis, text)


def _forest(
    name: str, bars: list[Bar], chance: Mapping[str, float], margin: float | None, xlabel: str, text: str
) -> list[Element]:
    if not bars:
        return []
    worst = max(bars, key=lambda bar: bar.high)
    lines = {**({} if margin is None else {"limit": 100 * margin}), **chance}
    limit = "" if margin is None else f" The limit is {100 * margin:g}."
    alt = (
        f"{plural(len(bars), 'attack')}, {xlabel}. The strongest, {worst.label}, reached {worst.value:.1f} and may"
        f" reach {worst.high:.1f}.{limit}"
    )
    return [Element("chart", text, content=bars_chart(f"{name}-forest", bars, lines, xlabel=xlabel, alt=alt))]


def _stronger(rows: Sequence[MembershipRow]) -> list[MembershipRow]:
    found: dict[str, MembershipRow] = {}
    for row in rows:
        name = row.name.removesuffix("_reversed")
        found[name] = max(found.get(name, row), row, key=lambda each: each.auroc_upper)
    return list(found.values())


def _margin(audit: AuditFigures, name: str) -> float | None:
    return next((row.margin for row in audit.primary or () if row.name == name), None)


def _bar(name: str, shares: tuple[float, float, float], margin: float | None) -> Bar:
    """An attack with what it reached and both bounds, of 100; marked where its upper bound exceeds the margin."""
    value, low, high = (100 * share for share in shares)
    return Bar(_attack(name), value, low, high, margin is not None and shares[2] > margin)


def _attack(name: str) -> str:
    """An attack in few words: what its chart says already is left out."""
    for start in ("membership_by_", "membership_", "isolation_", "inference_"):
        name = name.removeprefix(start)
    return in_plain(name)


def gate_recall(gate: GateFigures) -> list[Element]:
    """What the gate finds of each kind of copy, of kinds with five people or more."""
    blind = unseen(gate).blind
    rows = {name: kind for name, kind in gate.kinds.items() if kind.subjects >= SMALLEST_CELL}
    bars = [
        Bar(name, 100 * rows[name].recall, 100 * rows[name].recall_lower, 100 * rows[name].recall, name in blind)
        for name in in_order(rows)
    ]
    return _recall("gate", bars, "The gate")


def audit_recall(audit: AuditFigures) -> list[Element]:
    """What the audit's own search finds of each kind of copy."""
    blind, rows = audit_blind(audit), {row.kind: row for row in audit.kinds or ()}
    bars = [
        Bar(name, 100 * rows[name].seen, 100 * rows[name].seen_lower, 100 * rows[name].seen, name in blind)
        for name in in_order(rows)
    ]
    return _recall("audit", bars, "The audit")


def _recall(key: str, bars: list[Bar], who: str) -> list[Element]:
    if not bars:
        return []
    low = [bar.label for bar in bars if bar.marked]
    lost = f" Below it: {', '.join(low)}." if low else " None is below it."
    alt = f"{who}: share of planted copies found, of {len(bars)} kinds; {100 * LEAST_RECALL:g} of 100 are needed.{lost}"
    text = (
        f"{who}: how many of 100 planted copies of each kind were found; the line reaches down to the least that may be"
        " true. Kinds with an open dot reach below what is needed: of these a copy may go unseen."
    )
    lines = {"needed": 100 * LEAST_RECALL}
    chart = bars_chart(f"{key}-recall", bars, lines, xlabel="copies found, of 100", alt=alt)
    return [Element("chart", text, content=chart)]


def judges_roc(name: str, curves: Mapping[str, Series], text: str) -> Element:
    """ROC curves of a judge, on a coarse grid."""
    drawn = {label: (GRID, np.interp(GRID, *line)) for label, line in curves.items()}
    areas = {label: float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0)) for label, (x, y) in curves.items()}
    told = "; ".join(f"{label}: area {area:.3f}" for label, area in areas.items())
    labelled = {f"{label} (area {areas[label]:.3f})": line for label, line in drawn.items()}
    alt = f"{text}. Area under each curve, where 1 is perfect and 0.5 guessing: {told}."
    return Element("chart", f"{text}.", content=roc_chart(name, labelled, alt=alt))
