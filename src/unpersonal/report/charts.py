"""Pictures of the report: inline SVG charts and sheets of images as PNG."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..release.policy import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#b3443c", "#2f6f9f", "#4d8f5b", "#8a6bb1", "#c08a2d", "#5a5a5a", "#3aa6a0", "#d07fa0")
"""Line colours in order; the first two are train and control everywhere."""
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


def _axes(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    return figure, axes


def _svg(figure: Figure, name: str) -> str:
    import matplotlib

    stream = io.StringIO()
    # a salt of its own keeps the ids of two charts on one page apart, and the bytes the same from run to run
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = stream.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'<svg ([^>]*?)width="[^"]*"', r'<svg \1width="100%"', re.sub(r' height="[^"]*"', "", text, count=1))


def line_chart(name: str, series: Mapping[str, Series], *, xlabel: str, ylabel: str, logarithmic: bool = False) -> str:
    """SVG of lines; `series` maps a name to (x [n], y [n]). `name` must be unique on the page."""
    figure, axes = _axes(xlabel, ylabel)
    for index, (label, (x, y)) in enumerate(series.items()):
        axes.plot(x, y, color=COLOURS[index % len(COLOURS)], linewidth=1.4, label=label)
    if logarithmic and all(len(y) and np.min(y) > 0 for _, y in series.values()):
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure, name)


def roc_chart(name: str, curves: Mapping[str, Series]) -> str:
    """SVG of ROC curves; `curves` maps a name to (false-positive rate [n], true-positive rate [n])."""
    figure, axes = _axes("false-positive rate", "true-positive rate")
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle="--")
    for index, (label, (x, y)) in enumerate(curves.items()):
        area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0))
        axes.plot(x, y, color=COLOURS[index % len(COLOURS)], linewidth=1.4, label=f"{label} (area {area:.3f})")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return _svg(figure, name)


def histogram_chart(name: str, groups: Mapping[str, np.ndarray], *, xlabel: str, bins: int = 30) -> str:
    """SVG of overlaid histograms with common bins, each scaled to the share of its own group."""
    figure, axes = _axes(xlabel, "share of subjects")
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), bins=bins)
    for index, (label, values) in enumerate(groups.items()):
        weights = np.full(len(values), 1.0 / max(len(values), 1))
        colour = COLOURS[index % len(COLOURS)]
        axes.hist(
            values, bins=edges.tolist(), weights=weights, color=colour, alpha=0.45, label=f"{label} ({len(values)})"
        )
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure, name)


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
