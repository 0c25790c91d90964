"""Files that are either whole or absent: write under a temporary name, then rename."""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from .errors import DiskFullError, InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
"""Names, in small letters, that file managers leave in folders that were looked at."""
_TEMPORARY = re.compile(r"\.(?!_).*\.\d+\.tmp(\..+)?|\.tmp\w+")


def is_litter(path: PurePath | str) -> bool:
    """Whether a relative path is hidden, or was left by a file manager, an editor or a network share."""
    return any(
        name.startswith(".") or name.endswith("~") or name.lower() in LITTER
        for name in PurePath(path).parts
        if name not in (".", "..")
    )


def is_temporary(name: str) -> bool:
    """Whether a file's name is one under which this program, or safetensors, writes before it renames."""
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on failure removed.

    The temporary name keeps the suffix, because some writers choose their format by it. A full disk is a
    `DiskFullError`; what was at `path` before is still there then.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        with free_space_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()


@contextmanager
def free_space_for(path: Path) -> Iterator[None]:
    """Turns a failure to write `path` for want of room into a `DiskFullError`."""
    try:
        yield
    except Exception as error:
        if _is_full(error):
            raise DiskFullError(
                "There is no room left to write a file; what was there before is kept",
                where=str(path),
                how="make room on the disk, then give the same command again",
            ) from None
        raise


def _is_full(error: Exception) -> bool:
    """Whether writing failed for want of room: of the disk, of a quota, of a limit on the size of files."""
    if isinstance(error, OSError):
        return error.errno in FULL
    # safetensors tells it in words only
    return any(f"(os error {number})" in str(error) for number in FULL)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; on success it replaces `path`, on failure it is removed.

    A full disk is a `DiskFullError`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with free_space_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            yield temporary
            shutil.rmtree(path, ignore_errors=True)
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_text(path: Path) -> str:
    """Text as an editor saved it: UTF-8 with or without a byte-order mark, or UTF-16 with one; else an `InputError`."""
    try:
        data = path.read_bytes()
        marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if marked else "utf-8-sig")
    except OSError as error:
        raise InputError(f"A file cannot be read ({error.strerror})", where=str(path), how="make it readable") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"A file is no text in UTF-8 ({error.reason} at byte {error.start})",
            where=str(path),
            how="save it as UTF-8",
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` with `\\n` line ends, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinities are a `ValueError`."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a missing, unreadable or broken file is an `InputError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("A file is missing", where=str(path), how="run the stage that writes it again") from None
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, lists in lists in lists
        raise InputError(f"A file is not valid JSON ({error})", where=str(path), how="restore it") from None
    except OSError as error:
        raise InputError(f"A file cannot be read ({error.strerror})", where=str(path), how="make it readable") from None


def safe_join(root: Path, relative: str) -> Path:
    """`root / relative`, refused with `InputError` where it would leave `root` (traversal, absolute, symlink)."""
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts or "\\" in relative or "\x00" in relative:
        raise InputError("A path points outside its folder", where=repr(relative), how="use paths inside the folder")
    joined = (root / relative).resolve()
    if not joined.is_relative_to(root.resolve()):
        raise InputError("A path points outside its folder", where=repr(relative), how="remove the link")
    return joined
