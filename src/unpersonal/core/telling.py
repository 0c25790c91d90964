"""To whom progress is told: a callback, nobody, or the terminal (`core.progress` shows it there)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .errors import PolicyRefused

# a library that nobody asked to log says nothing; the commands write its warnings to stderr
logging.getLogger("unpersonal").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Progress:
    """How far a stage has come: `done` of `total` steps of work, and in `note` what it does.

    Of one stage `done` never falls, and is `total` in the end; `total` grows where the stage comes upon more work.
    """

    stage: str
    done: float
    total: float
    note: str = ""


Listener = Callable[[Progress], None]
"""What is called with every event, in the thread that works; what it raises ends the work, as an interruption does."""


class Telling:
    """The work of one stage after another, as it is told to a listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._stage, self._done, self._total = listener, "", 0.0, 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage, whose own step is done when the block ends; within another stage it is a part of that one."""
        if self._stage:
            yield
            return
        # the step of its own: a stage without any bar has a beginning and an end too
        self._stage, self._done, self._total = name, 0.0, 1.0
        try:
            self.tell("")
            yield
            self._end("")
        except PolicyRefused:
            self._end("refused by the policy")
            raise
        finally:
            self._stage = ""

    def _end(self, note: str) -> None:
        self._done = self._total
        self.tell(note)

    def add(self, done: float, total: float) -> None:
        """So much more is done, and so much more there is to do."""
        self._done, self._total = self._done + done, self._total + total

    def tell(self, note: str) -> None:
        """Call the listener, within a stage."""
        if self._stage:
            self._listener(Progress(self._stage, self._done, self._total, note))


class ToldBar:
    """A task of the stage that is being told of."""

    def __init__(self, telling: Telling, name: str, total: float, start: float) -> None:
        self._telling, self._name, self._left, self._note = telling, name, max(total - start, 0.0), ""
        telling.add(start, max(total, start))
        self._tell()

    def advance(self, steps: float = 1) -> None:
        """Move on by `steps`, to the end at most."""
        moved = min(steps, self._left)
        self._left -= moved
        self._telling.add(moved, 0.0)
        self._tell()

    def note(self, text: str) -> None:
        """What the next events say of the task (a loss, a rate)."""
        self._note = text

    def _tell(self) -> None:
        self._telling.tell(f"{self._name}, {self._note}" if self._note else self._name)


_TERMINAL = "terminal"
_audience: ContextVar[Telling | str | None] = ContextVar("audience", default=None)
"""A listener; the terminal, as a command wants it; or, where nobody said so, the terminal too."""


def listener() -> Telling | None:
    """Who is told of progress here; None: the terminal."""
    audience = _audience.get()
    return audience if isinstance(audience, Telling) else None


def in_terminal() -> bool:
    """Whether a command asked for what is done here (see `shown`)."""
    return _audience.get() == _TERMINAL


@contextmanager
def shown() -> Iterator[None]:
    """For the block, progress is shown on stderr also of what is silent otherwise (see `told_to`)."""
    token = _audience.set(_TERMINAL)
    try:
        yield
    finally:
        _audience.reset(token)


@contextmanager
def told_to(callback: Listener | None) -> Iterator[None]:
    """For the block, progress is told to `callback` alone; where it is None to nobody, or to whom a caller of this
    said: the terminal within `shown`, or another callback.
    """
    if callback is None and _audience.get() is not None:
        yield
        return
    token = _audience.set(Telling(callback or (lambda _: None)))
    try:
        yield
    finally:
        _audience.reset(token)


def call_nobody() -> None:
    """From here on no callback is called: what another process does is told by the one that waits for it."""
    if listener() is not None:
        _audience.set(Telling(lambda _: None))


@contextmanager
def stage_progress(name: str) -> Iterator[None]:
    """The block is the stage `name`, to whoever listens: begun, ended, and what its bars tell in between."""
    audience = listener()
    if audience is None:
        yield
        return
    with audience.stage(name):
        yield
