"""The matrix as tables for people: on the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..layouts.account import account_line
from .matrix_figures import Cell, GapFigures, MatrixFigures

if TYPE_CHECKING:
    from rich.console import Console

Rows = list[list[str]]


def auroc_rows(figures: MatrixFigures) -> Rows:
    """A row of text for every side that was trained on: its name, and a cell for every side that was tested on."""
    tests = list(dict.fromkeys(cell.test for cell in figures.cells))
    trained = {cell.train: cell.synthetic for cell in figures.cells}
    rows = [["trained on", *(f"tested on {test}" for test in tests)]]
    for train, synthetic in trained.items():
        name = f"{train} (synthetic)" if synthetic else train
        rows.append([name, *(_auroc(figures.cell(train, test)) for test in tests)])
    return rows


def gap_rows(figures: MatrixFigures) -> Rows:
    """What every synthetic side loses, likewise; none without synthetic sides."""
    if not figures.gaps:
        return []
    tests = list(dict.fromkeys(gap.test for gap in figures.gaps))
    found = {(gap.train, gap.synthetic, gap.test): gap for gap in figures.gaps}
    rows = [["loss of", *(f"tested on {test}" for test in tests)]]
    for train, synthetic in dict.fromkeys((gap.train, gap.synthetic) for gap in figures.gaps):
        rows.append([f"{synthetic} for {train}", *(_gap(found[train, synthetic, test]) for test in tests)])
    return rows


def _auroc(cell: Cell) -> str:
    low, high = cell.auroc_interval or (None, None)
    interval = "interval unknown" if low is None else f"{low:.3f} to {high:.3f}"
    return f"{cell.auroc:.3f} ({interval})"


def _gap(gap: GapFigures) -> str:
    return "unknown" if gap.gap is None or gap.note else f"{gap.gap:.3f} (at most {gap.gap_upper:.3f})"


def calibration_rows(figures: MatrixFigures) -> Rows:
    """The expected calibration error of every cell."""
    tests = list(dict.fromkeys(cell.test for cell in figures.cells))
    rows = [["trained on", *(f"tested on {test}" for test in tests)]]
    for train in dict.fromkeys(cell.train for cell in figures.cells):
        rows.append([train, *(f"{figures.cell(train, test).calibration_error:.3f}" for test in tests)])
    return rows


def tables(figures: MatrixFigures) -> Iterator[tuple[str, Rows]]:
    """Every table with its heading."""
    yield "AUROC, mean over the labels (95 % interval over people and training seeds)", auroc_rows(figures)
    if rows := gap_rows(figures):
        yield "What a recipient loses: real − synthetic (one-sided 95 % upper bound)", rows
    yield "Expected calibration error", calibration_rows(figures)


def lines(figures: MatrixFigures) -> Iterator[str]:
    """Sentences beside the tables: labels, recipe, files, and what is to be noted."""
    yield f"Labels compared: {', '.join(figures.labels)}."
    steps = ", ".join(f"{name} {count:,}" for name, count in figures.steps.items())
    yield f"Network {figures.network}, {figures.size} px, {figures.seeds} classifiers a side; steps at most: {steps}."
    for side in figures.sides:
        account = account_line({**vars(side), "side": f"{side.side} ({side.role})"})
        yield f"{account}; {side.trained:,} learnt from, {side.tested:,} tested on."
    for gap in figures.gaps:
        if gap.note:
            yield f"note: {gap.synthetic} for {gap.train}, tested on {gap.test}: {gap.note}"
    yield from (f"note: {note}" for note in figures.notes)


def print_matrix(figures: MatrixFigures, console: Console) -> None:
    """Print every table and sentence; names are never taken for markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for heading, (header, *rows) in tables(figures):
        table = Table(box=box.SIMPLE, title=Text(heading), title_justify="left")
        for name in header:
            table.add_column(Text(name), overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
    for line in lines(figures):
        console.print(Text(line), soft_wrap=True)


def markdown(figures: MatrixFigures) -> str:
    """The same as a Markdown file."""
    blocks = ["# Trained here, tested there"]
    for heading, (header, *rows) in tables(figures):
        blocks += [f"## {heading}", "\n".join([_line(header), _line(["---"] * len(header)), *map(_line, rows)])]
    blocks.append("\n".join(f"- {_plain(line)}" for line in lines(figures)))
    return "\n\n".join(blocks) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Text whose names cannot end a cell, a line or begin markup."""
    for mark in "\\`*_|<[":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
