"""The matrix as a picture: heat maps of real, synthetic, and what is lost."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from .matrix_figures import MatrixFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 24
"""Characters of a name that are shown."""


def matrix_png(figures: MatrixFigures) -> bytes:
    """PNG: sides that were trained on as rows, sides that were tested on as columns, one map each for real, synthetic
    and the loss; only the first without synthetic sides. The same figures give the same bytes."""
    from matplotlib.figure import Figure

    maps = _maps(figures)
    columns = max(values.shape[1] for _, _, values, _ in maps)
    rows = max(values.shape[0] for _, _, values, _ in maps)
    figure = Figure(figsize=(len(maps) * (1.6 + 1.1 * columns), 1.6 + 0.7 * rows), layout="constrained")
    tests = list(dict.fromkeys(cell.test for cell in figures.cells))
    for axes, (title, names, values, style) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        _draw(axes, title, (names, tests), values, style)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    return stream.getvalue()


def _maps(figures: MatrixFigures) -> list[tuple[str, list[str], np.ndarray, dict[str, Any]]]:
    """Title, rows, values [rows, columns] and colours of every map."""
    tests = list(dict.fromkeys(cell.test for cell in figures.cells))
    found = []
    for title, synthetic in (("trained on", False), ("trained on synthetic", True)):
        names = list(dict.fromkeys(cell.train for cell in figures.cells if cell.synthetic == synthetic))
        values = [[figures.cell(name, test).auroc for test in tests] for name in names]
        style = {"cmap": "viridis", "vmin": 0.5, "vmax": 1.0}
        if names:
            found.append((f"AUROC, {title}", names, np.array(values), style))
    if figures.gaps:
        lost = {(gap.train, gap.test): np.nan if gap.gap is None else gap.gap for gap in figures.gaps}
        names = list(dict.fromkeys(gap.train for gap in figures.gaps))
        values = [[lost[name, test] for test in tests] for name in names]
        found.append(("real − synthetic", names, np.array(values), {"cmap": "coolwarm", "vmin": -0.1, "vmax": 0.1}))
    return found


def _draw(
    axes: Axes, title: str, names: tuple[list[str], list[str]], values: np.ndarray, style: dict[str, Any]
) -> None:
    image = axes.imshow(values, aspect="auto", **style)
    # a dollar would begin a formula
    rows, columns = ([_short(name).replace("$", r"\$") for name in each] for each in names)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("tested on")
    axes.set_title(title, fontsize="medium")
    for (row, column), value in np.ndenumerate(values):
        shade = image.cmap(image.norm(value))
        dark = float(np.dot(shade[:3], (0.299, 0.587, 0.114))) < 0.5
        text = "?" if np.isnan(value) else f"{value:.3f}"
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"
