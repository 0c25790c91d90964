"""Progress bars on stderr, silent where stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False)


class Bar:
    """One task of a progress display: `advance(n)` and `note(text)`."""

    def __init__(self, progress: Progress, task: int) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: float = 1) -> None:
        """Move the bar by `steps`."""
        self._progress.advance(self._task, steps)  # type: ignore[arg-type]

    def note(self, text: str) -> None:
        """Show `text` behind the bar (a loss, a rate)."""
        self._progress.update(self._task, note=text)  # type: ignore[arg-type]


@contextmanager
def progress_bar(description: str, total: int, *, start: int = 0) -> Iterator[Bar]:
    """A progress bar of `total` steps of which `start` are already done."""
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        yield Bar(progress, progress.add_task(description, total=total, completed=start, note=""))
