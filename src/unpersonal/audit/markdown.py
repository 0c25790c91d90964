"""An audit as a readable page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.words import plural
from .figures import AuditFigures
from .result import told


def markdown(figures: AuditFigures) -> str:
    """An audit that was played as a page in Markdown; aggregates only, as they are in audit.json."""
    scalars = [
        {"figure": key.replace("_", " "), "value": value}
        for key, value in figures.to_json().items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    claim, planted = told(figures.claim), told(figures.planted)
    lines = [f"# Audit: {figures.verdict}", "", claim[0].upper() + claim[1:] + ".", ""]
    for title, texts in (("Reasons", figures.reasons), ("Notes", figures.notes)):
        if texts:
            lines += [f"## {title}", "", *(f"- {text}" for text in texts), ""]
    lines += ["## Figures", "", *_table(scalars), ""]
    lines += _read(figures)
    lines += _attempts(figures)
    for title, rows in (
        ("Primary figures", figures.primary),
        ("Membership", figures.membership),
        ("Isolation", figures.isolation),
        ("Inference", figures.inference),
        ("Single statistics", figures.tests),
    ):
        lines += [f"## {title}", "", *_table([_flat(row.to_json()) for row in rows or ()]), ""]
    lines += ["## Weights", "", *_table([row.to_json() for row in told(figures.weights).calibration]), ""]
    lines += ["## Placebo", "", *_table([told(figures.placebo).to_json()]), ""]
    lines += [
        "## Planted copies",
        "",
        f"{planted.power:.1%} of {planted.copies} copies isolated exactly their own subject"
        f" (lower bound {planted.power_lower:.1%}).",
        "",
        *_table([row.to_json() for row in planted.kinds]),
        "",
    ]
    lines += [
        "## Kinds of copies",
        "",
        "Share of planted copies of train subjects that the audit's matchers named after their own subject.",
        "",
        *_table([row.to_json() for row in told(figures.kinds)]),
        "",
    ]
    return "\n".join(lines)


def _attempts(figures: AuditFigures) -> list[str]:
    """How often these people were audited, and what each audit found."""
    found = figures.attempts
    if found is None:
        return []
    ended = [each for each in found.ledger if each.event == "ended"]
    names = dict.fromkeys(name for each in ended for name in each.bounds or {})
    rows = [{"verdict": each.verdict, **{name: (each.bounds or {}).get(name, "") for name in names}} for each in ended]
    seal = {"none": "", "closed": " What is sealed of control was not looked at.", "open": " The seal was opened."}
    return [
        "## Attempts",
        "",
        f"{plural(found.attempts, 'audit')} of these people so far. Each bound of this one may err with"
        f" {100 * found.alpha:.3g} %, so that all attempts together err with what one alone might."
        f"{seal.get(found.seal, ' The seal was opened for another release.')}",
        "",
        *_table(rows),
        "",
    ]


def _read(figures: AuditFigures) -> list[str]:
    """What was read of each side: every file and link is one of three."""
    if figures.reading is None or figures.reading.sides is None:
        return []
    keys = ("side", "found", "read", "refused", "ignored", "blank", "views")
    sides = [side.to_json() for side in figures.reading.sides]
    lines = ["## Read", "", "Found = read + refused + ignored; frames and slices count as pictures.", ""]
    lines += [*_table([{key: side[key] for key in keys} for side in sides]), ""]
    for side in sides:
        for what in ("refused_by_reason", "refused_by_suffix", "ignored_by_suffix"):
            if side[what]:
                counts = ", ".join(f"{count} {kind}" for kind, count in side[what].items())
                lines.append(f"- {side['side']}: {what.replace('_', ' ')}: {counts}")
    if (tiles := figures.reading.tiles) is not None:
        lines += ["", "Tiles shared with a released picture at the resolution of the files:", ""]
        lines += _table([tiles.to_json()])
    return [*lines, ""]


def _flat(row: Mapping[str, object]) -> dict[str, object]:
    """The row without tables inside it."""
    return {key: value for key, value in row.items() if not isinstance(value, list | dict)}


def _table(rows: Sequence[Mapping[str, object]]) -> list[str]:
    if not rows:
        return ["(none)"]
    keys = list(rows[0])
    lines = ["| " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|" + " --- |" * len(keys)]
    for row in rows:
        cells = (f"{value:.4g}" if isinstance(value := row[key], float) else str(value) for key in keys)
        lines.append("| " + " | ".join(cells) + " |")
    return lines
