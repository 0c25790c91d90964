"""An audit as a readable page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["(none)"]
    keys = list(rows[0])
    lines = ["| " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|" + " --- |" * len(keys)]
    for row in rows:
        cells = (f"{row[key]:.4g}" if isinstance(row[key], float) else str(row[key]) for key in keys)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def markdown(figures: Mapping[str, Any]) -> str:
    """The audit as a readable page; aggregates only, as they are in audit.json."""
    scalars = [
        {"figure": key.replace("_", " "), "value": value}
        for key, value in figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    lines = [f"# Audit: {figures['verdict']}", "", figures["claim"][0].upper() + figures["claim"][1:] + ".", ""]
    for title in ("reasons", "notes"):
        if figures[title]:
            lines += [f"## {title.capitalize()}", "", *(f"- {text}" for text in figures[title]), ""]
    lines += ["## Figures", "", *_table(scalars), "", "## Tests", "", *_table(figures["tests"]), ""]
    lines += ["## Weights", "", *_table(figures["weights"]["calibration"]), ""]
    lines += ["## Placebo", "", *_table([figures["placebo"]]), ""]
    planted = figures["planted"]
    lines += [
        "## Planted copies",
        "",
        f"{planted['power']:.1%} of {planted['copies']} copies isolated exactly their own subject"
        f" (lower bound {planted['power_lower']:.1%}).",
        "",
        *_table(planted["kinds"]),
        "",
        *_table(planted["mixtures"]),
        "",
    ]
    return "\n".join(lines)
