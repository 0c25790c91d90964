"""Progress bars on stderr; where stderr is no terminal, a line a minute, for the log of whoever runs it there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

console = Console(stderr=True, highlight=False)

LINE_SECONDS = 60.0
"""Between two lines of a log."""


class Bar:
    """One task of a progress display: `advance(n)` and `note(text)`."""

    def __init__(self, progress: Progress, task: int) -> None:
        self._progress, self._task = progress, task
        self._told = time.monotonic()

    def advance(self, steps: float = 1) -> None:
        """Move the bar by `steps`."""
        self._progress.advance(self._task, steps)  # type: ignore[arg-type]
        if self._progress.disable and time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            task = self._progress.tasks[self._task]
            note = f", {task.fields['note']}" if task.fields["note"] else ""
            console.print(f"{task.description} {task.completed:g}/{task.total:g}{note}", markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Show `text` behind the bar (a loss, a rate)."""
        self._progress.update(self._task, note=text)  # type: ignore[arg-type]


@contextmanager
def progress_bar(description: str, total: int, *, start: int = 0) -> Iterator[Bar]:
    """A progress bar of `total` steps of which `start` are already done."""
    # the bar alone gives way where the window is narrow
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None, table_column=Column(ratio=1, max_width=30)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        yield Bar(progress, progress.add_task(description, total=total, completed=start, note=""))
