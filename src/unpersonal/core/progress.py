"""Progress bars on stderr; where stderr is no terminal, a line a minute, for the log of whoever runs it there.

Where somebody listens (`core.telling`), nothing is shown, and all of it is told to them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from rich import progress as bars
from rich.console import Console
from rich.table import Column

from .telling import ToldBar, call_nobody, listener
from .terminal import colourless, dumb, forced, is_shown
from .verbosity import VERBOSE, quiet, verbosity

LINE_SECONDS = 60.0
"""Between two lines of a log."""


class Speaker(Console):
    """Says on stderr what a stage finds, unless it shall be quiet, or tells it to whoever listens."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, markup=False, color_system=None if colourless() else "auto")

    @property
    def is_terminal(self) -> bool:
        """Whether escape codes may be written."""
        return forced() or is_shown(self.file)

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`, with texts for `objects`: names and keys in brackets are no markup."""
        audience = listener()
        if audience is not None:
            audience.tell(" ".join(str(each) for each in objects))
        elif not quiet():
            super().print(*objects, **options)


console: Console = Speaker()


_still: ContextVar[bool] = ContextVar("bars stand still", default=False)


def stay_behind() -> None:
    """For a process that works for another: its bars are lines of a log, and it calls no callback."""
    _still.set(True)
    call_nobody()


class Bar(Protocol):
    """One task whose progress is shown or told."""

    def advance(self, steps: float = 1) -> None:
        """Move on by `steps`."""

    def note(self, text: str) -> None:
        """Say `text` of the task (a loss, a rate)."""


class ShownBar:
    """A task of a display on stderr."""

    def __init__(self, display: bars.Progress, task: bars.TaskID) -> None:
        self._display, self._task = display, task
        self._told = time.monotonic()

    def advance(self, steps: float = 1) -> None:
        """Move the bar by `steps`."""
        self._display.advance(self._task, steps)
        if self._display.disable and time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            task = self._display.tasks[self._task]
            note = f", {task.fields['note']}" if task.fields["note"] else ""
            console.print(f"{task.description} {task.completed:g}/{task.total:g}{note}", markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Show `text` behind the bar."""
        self._display.update(self._task, note=text)


@contextmanager
def progress_bar(description: str, total: int, *, start: int = 0) -> Iterator[Bar]:
    """A task of `total` steps of which `start` are already done; what is left when the block ends was spared."""
    if (audience := listener()) is not None:
        told = ToldBar(audience, description, total, start)
        yield told
        told.advance(total)
        return
    # the bar alone gives way where the window is narrow
    columns = (
        bars.TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        bars.BarColumn(bar_width=None, table_column=Column(ratio=1, max_width=30)),
        bars.MofNCompleteColumn(table_column=Column(no_wrap=True)),
        bars.TimeElapsedColumn(table_column=Column(no_wrap=True)),
        bars.TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        bars.TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True)),
    )
    still = _still.get() or quiet() or dumb() or not sys.stderr.isatty()
    with bars.Progress(*columns, console=console, disable=still) as display:
        # a terminal has place for one display: what is shown within it are lines
        token = _still.set(True)
        try:
            yield ShownBar(display, display.add_task(description, total=total, completed=start, note=""))
        finally:
            _still.reset(token)


def tell(text: str, level: int = VERBOSE) -> None:
    """A line on stderr for whoever asked for as much as `level`; it does not tear a bar."""
    if verbosity() >= level:
        console.print(text, markup=False, soft_wrap=True)
