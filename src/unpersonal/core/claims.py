"""Numbers that processes claim, one process each: byte locks of one file, which the kernel drops when a process dies.

They hold across machines where the file system locks for all of them (NFSv4, Lustre mounted with `-o flock`).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .errors import InputError
from .files import free_space_for
from .places import HELD, writing


class Claims:
    """The claims on one file. Made by `open_claims`; a process opens a file once at a time, or it loses what it holds.

    (POSIX drops the locks of a process on a file when it closes any of its descriptors.)
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path = descriptor, path

    def take(self, number: int, *, wait: bool) -> bool:
        """Claim `number`; False where another process has it, unless this one is to `wait` for it."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, number)
        except OSError as error:
            if error.errno in HELD:
                return False
            raise InputError(
                f"The file system cannot lock files ({error.strerror}), so two processes could do the same work",
                where=str(self._path),
                how="move the study to a disk with locks (NFSv4; Lustre: -o flock)",
            ) from None
        return True

    def drop(self, number: int) -> None:
        """Give `number` back."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, number)

    @contextmanager
    def held(self, number: int) -> Iterator[None]:
        """Hold `number` for the block, after whoever holds it now."""
        self.take(number, wait=True)
        try:
            yield
        finally:
            self.drop(number)


@contextmanager
def open_claims(path: Path) -> Iterator[Claims]:
    """The claims on the file at `path`, which is made; a folder that cannot be written is an `InputError`."""
    with ExitStack() as stack:
        with free_space_for(path), writing(path.parent):
            stream = stack.enter_context(open(path, "a"))
        yield Claims(stream.fileno(), path)
