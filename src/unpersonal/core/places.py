"""Whether a folder can be locked and written, found out before hours of computing."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import InputError
from .files import free_space_for

HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""What `flock` answers where another process holds the lock."""
PLACES = frozenset(
    getattr(errno, name)
    for name in [
        "EACCES",
        "EPERM",
        "EROFS",
        "EIO",
        "ESTALE",
        "ENOTCONN",
        "EISDIR",
        "ENOTDIR",
        "ENAMETOOLONG",
        "ELOOP",
        "ENODEV",
        "ENXIO",
        "EBUSY",
        "EEXIST",
        "ENOTEMPTY",
        "ENOENT",
        "EMFILE",
        "ENFILE",
        "ETIMEDOUT",
        "EHOSTDOWN",
        "EREMOTEIO",
    ]
    if hasattr(errno, name)
)
"""Errors that speak of the place of a file, not of a fault of this program."""
PROBE = bytes(1 << 16)
"""As much as an audit writes, and more."""


class StudyHeld(InputError):
    """Another process runs the study."""


class StudyLock:
    """The study is this process's: alone, or shared with others that only make parts of it."""

    def __init__(self, stream: IO[str], path: Path) -> None:
        self._stream, self._path = stream, path

    def take(self, *, shared: bool) -> None:
        """Change what is held; a `StudyHeld` where another process does not let this one, which then holds nothing."""
        try:
            fcntl.flock(self._stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD:
                raise
            raise StudyHeld(
                "Another process is running this study", where=str(self._path), how="wait for it to end"
            ) from None


@contextmanager
def study_lock(path: Path, *, shared: bool = False) -> Iterator[StudyLock]:
    """Hold the study for this process, alone unless `shared`. The kernel lets go when the process dies.

    `InputError` where a second process holds it (a `StudyHeld`), where the folder cannot be written, and where its file
    system has no locks: two processes could then spoil each other's work unseen.
    """
    lock = path / ".lock"
    with ExitStack() as stack:
        with free_space_for(lock), writing(path):
            new = not lock.exists()
            # NFS shares a lock only with who may read the file
            stream = stack.enter_context(open(lock, "w+"))
        held = StudyLock(stream, path)
        try:
            held.take(shared=shared)
        except OSError as error:
            if new:
                lock.unlink()
            raise InputError(
                f"The file system cannot lock files ({error.strerror}), so nothing would keep a second process out",
                where=str(path),
                how="move the study to a local disk, or have this one mounted with locks (Lustre: -o flock)",
            ) from None
        yield held


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a failure to write at `path`, for want of permission or of a place, into an `InputError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in PLACES:
            raise
        raise InputError(
            f"The folder cannot be written ({error.strerror})",
            where=str(path),
            how="choose a folder that you may write in, or have this one made writable",
        ) from None


def check_writable(study: Path, patterns: Iterable[str]) -> None:
    """`InputError` unless the study may be written, and whatever of it matches one of `patterns` already."""
    found = {inside for pattern in patterns for inside in ((study / pattern).parent, *study.glob(pattern))}
    for path in (study, *sorted(found)):
        if path.exists() and not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)):
            raise InputError(
                "The study cannot be written here: it is read-only, or another user's",
                where=str(path),
                how="copy the study to a folder of your own, or have this one made writable",
            )


def resolved(path: Path) -> Path:
    """`path` without links; links in a circle stay, where `Path.resolve` before Python 3.13 raises a RuntimeError."""
    return Path(os.path.realpath(path))


def real_place(path: Path) -> Path:
    """Where a new folder is made: of a link what it leads to, for no folder can be put in the place of a link.

    People link folders from another disk. A link that leads round in a circle is an `InputError`.
    """
    if not path.is_symlink():
        return path
    target = resolved(path)
    if target.is_symlink():
        raise InputError(
            "The folder is a link that leads round in a circle", where=str(path), how="name another folder"
        )
    return target


def check_output_folder(path: Path) -> None:
    """`InputError` unless files can be written into the folder `path`; it need not exist, and then does not afterwards.

    A full disk is a `DiskFullError`.
    """
    made: list[Path] = []
    probe = path / f".probe.{os.getpid()}.tmp"
    try:
        with free_space_for(path), writing(path):
            made += [folder for folder in (path, *path.parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(PROBE)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
        with suppress(OSError):
            for folder in made:
                folder.rmdir()
