"""Pictures of the report: inline SVG charts and sheets of images as PNG."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..release.policy import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#b3443c", "#2f6f9f", "#3f7d4c", "#7d5ba6", "#94661a", "#5a5a5a", "#1f7f79", "#b0527c")
"""Line colours in order, each 4.5 : 1 on white at least; the first two are train and control everywhere."""
STYLES = ("-", "--", "-.", ":")
"""Line styles in order, for whoever sees or prints no colours."""
Series = tuple[np.ndarray, np.ndarray]


def sample_sheet(images: np.ndarray, columns: int = 8) -> bytes:
    """PNG of uint8 images [n,C,H,W] (C = 1 or 3) in a grid of `columns`, row by row, 2 px apart on white.

    Nothing but pixels is written into the file. No image at all is a `ValueError`.
    """
    from PIL import Image

    pictures = np.asarray(images)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or not len(pictures):
        raise ValueError(f"a sheet needs uint8 images [n >= 1, 1 or 3, H, W], not {pictures.dtype} {pictures.shape}")
    count, channels, height, width = pictures.shape
    columns, gap = min(columns, count), 2
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        top = gap + (index // columns) * (height + gap)
        left = gap + (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = np.moveaxis(picture, 0, -1)
    stream = io.BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(stream, format="PNG")
    return stream.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG as the value of an `src` attribute."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _axes(xlabel: str, ylabel: str, height: float = 3.0) -> tuple[Figure, Axes]:
    """Wide enough for a telephone, where a chart is as wide as the screen and its words still have a size."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9.5}):
        figure = Figure(figsize=(5.6, height), layout="constrained")
        axes = figure.add_subplot()
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    return figure, axes


def _svg(figure: Figure, name: str, alt: str) -> str:
    """The figure as an element of the page that says `alt` to whoever does not see it; ids begin with `name`."""
    import matplotlib

    stream = io.StringIO()
    # a salt of its own keeps the ids of two charts on one page apart, and the bytes the same from run to run
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = stream.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # of the ids those are needed that something points at; no other chart of the page may have the same
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if f"#{found[1]}" in text else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r' height="[^"]*"', "", text, count=1)
    head = f'<svg role="img" aria-label="{html.escape(alt, quote=True)}" '
    return head + re.sub(r'(<svg [^>]*?)width="[^"]*"', r'\1width="100%"', text, count=1).removeprefix("<svg ")


def line_chart(
    name: str,
    series: Mapping[str, Series],
    *,
    xlabel: str,
    ylabel: str,
    alt: str,
    logarithmic: bool = False,
) -> str:
    """SVG of lines; `series` maps a name to (x [n], y [n]). `name` must be unique on the page."""
    figure, axes = _axes(xlabel, ylabel)
    for index, (label, (x, y)) in enumerate(series.items()):
        colour, line = COLOURS[index % len(COLOURS)], STYLES[index % len(STYLES)]
        axes.plot(x, y, color=colour, linestyle=line, linewidth=1.4, label=label)
    if logarithmic and all(len(y) and np.min(y) > 0 for _, y in series.values()):
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure, name, alt)


def roc_chart(name: str, curves: Mapping[str, Series], *, alt: str) -> str:
    """SVG of ROC curves; `curves` maps a name to (false-positive rate [n], true-positive rate [n])."""
    figure, axes = _square("called so wrongly, of 100", "called so rightly, of 100")
    for index, (label, (x, y)) in enumerate(curves.items()):
        axes.plot(
            100 * x,
            100 * y,
            color=COLOURS[index % len(COLOURS)],
            linestyle=STYLES[index % len(STYLES)],
            linewidth=1.4,
            label=label,
        )
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return _svg(figure, name, alt)


def band_chart(name: str, x: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray, *, alt: str) -> str:
    """SVG of one ROC curve, shares [n], between its bounds, and the line of guessing."""
    figure, axes = _square("other people accused, of 100", "people who were used accused, of 100")
    x, y, low, high = (100 * np.asarray(values, dtype=np.float64) for values in (x, y, low, high))
    axes.fill_between(x, low, high, color=COLOURS[0], alpha=0.18, linewidth=0, label="bounds")
    axes.plot(x, y, color=COLOURS[0], marker="o", markersize=3, linewidth=1.4, label="strongest attack")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return _svg(figure, name, alt)


def _square(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """Axes of shares of 100, with the line of guessing."""
    figure, axes = _axes(xlabel, ylabel, height=3.6)
    axes.plot([0, 100], [0, 100], color="#767676", linewidth=0.9, linestyle="--", label="guessing")
    axes.set_xlim(-1, 101)
    axes.set_ylim(-1, 101)
    return figure, axes


def heights_chart(name: str, edges: np.ndarray, groups: Mapping[str, np.ndarray], *, xlabel: str, alt: str) -> str:
    """SVG of overlaid histograms: heights [n] of each group between `edges` [n + 1], which may differ in width."""
    figure, axes = _axes(xlabel, "share of people")
    for index, (label, heights) in enumerate(groups.items()):
        colour, line = COLOURS[index % len(COLOURS)], STYLES[index % len(STYLES)]
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.25)
        axes.stairs(heights, edges, color=colour, linestyle=line, linewidth=1.4, label=label)
    axes.set_yticks([])
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure, name, alt)


@dataclass(frozen=True)
class Bar:
    """A row of `bars_chart`: a figure between its bounds; `marked` ones have another colour and an open dot."""

    label: str
    value: float
    low: float
    high: float
    marked: bool = False


def bars_chart(name: str, bars: Sequence[Bar], lines: Mapping[str, float], *, xlabel: str, alt: str) -> str:
    """SVG of a forest plot: a dot and its bounds for each of `bars`, first on top; `lines` are verticals by name."""
    figure, axes = _axes(xlabel, "", height=1.1 + (0.2 if len(bars) < 30 else 0.16) * len(bars))
    for place, bar in enumerate(bars):
        colour, face = (COLOURS[0], "white") if bar.marked else (COLOURS[1], COLOURS[1])
        axes.plot([bar.low, bar.high], [place, place], color=colour, linewidth=1.4)
        axes.plot([bar.value], [place], marker="o", markersize=4.5, color=colour, markerfacecolor=face)
    for (label, at), (style, colour) in zip(lines.items(), (("-", "#1d2329"), (":", "#1d2329"), ("--", "#767676"))):
        axes.axvline(at, color=colour, linewidth=1.1, linestyle=style, label=label)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars], fontsize=8)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    if lines:
        figure.legend(frameon=False, fontsize=8, loc="outside upper right", ncols=3)
    return _svg(figure, name, alt)


def history_series(history: object, name: str = "", key: str = "loss") -> dict[str, Series]:
    """Every series of `key` over `step` in a history file, whatever its nesting, named by the keys that lead to it.

    A series is a list of rows such as `{"step": 25, "loss": 0.7}`; rows without numbers are left out.
    """
    found: dict[str, Series] = {}
    if isinstance(history, Mapping):
        for child, value in history.items():
            found.update(history_series(value, f"{name} {child}".strip(), key))
    elif isinstance(history, Sequence) and not isinstance(history, str):
        rows = [
            row
            for row in history
            if isinstance(row, Mapping) and is_number(row.get("step")) and is_number(row.get(key))
        ]
        if rows:
            steps, values = (np.array([float(row[field]) for row in rows]) for field in ("step", key))
            found[name or key] = (steps, values)
        for index, value in enumerate(history):
            if not isinstance(value, Mapping):
                found.update(history_series(value, f"{name} {index + 1}".strip(), key))
    return found
