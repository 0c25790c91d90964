"""The images of a folder or zip by name, for layouts that find them there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from ...core.errors import InputError
from ..listing import Problems, Record, Refusal
from ..sources import Source, is_image_name


def image_names(source: Source, path: Path) -> tuple[list[str], int]:
    """Image names of `source`, sorted, and the number of other files; none at all is an `InputError`."""
    names = source.names()
    images = [name for name in names if is_image_name(name)]
    refuse_odd_names(images, path)
    if not images:
        raise InputError(
            f"There are no images here ({len(names)} other files)",
            where=str(path),
            how="name a folder or zip with png, jpg, tif, bmp or webp files",
        )
    return images, len(names) - len(images)


def refuse_odd_names(images: Sequence[str], path: Path) -> None:
    """`InputError` where an image's name is no plain text."""
    odd = [name for name in images if not name.isprintable()]
    if odd:
        raise InputError(
            f"{len(odd)} of {len(images)} image names are not plain text (for example {odd[0]!r})",
            where=str(path),
            how="rename them; names are UTF-8 without control characters",
        )


def is_hidden(name: str) -> bool:
    """Whether a relative path is hidden or archive litter."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def tables_named(names: Sequence[str], pattern: str) -> list[str]:
    """The files among `names` whose own name matches the whole `pattern`, those nearest to the root first."""
    compiled = re.compile(pattern)
    found = [name for name in names if compiled.fullmatch(PurePosixPath(name).name) and not is_hidden(name)]
    return sorted(found, key=lambda name: (name.count("/"), name))


def only_table(names: Sequence[str], pattern: str, where: str) -> str | None:
    """The one file whose own name matches; None if there is none, an `InputError` if it lies in several folders."""
    found = tables_named(names, pattern)
    if len(found) > 1:
        raise InputError(
            f"There are {len(found)} such tables ({', '.join(found[:3])})",
            where=where,
            how="point --images at the folder that holds one data set",
        )
    return found[0] if found else None


class Lookup:
    """Finds the file that a table means by a key of its path, wherever under the root it lies.

    `key` turns a path into what identifies it in the data set (its own name, or its last folders and name).
    """

    def __init__(self, names: Sequence[str], key: Callable[[str], str]) -> None:
        self.key = key
        self._names: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self._names[key(name)].append(name)
        self._doubled: list[str] = []

    def find(self, listed: str, default: str) -> str:
        """The file with the key of `listed`; `default` where there is none, for the quarantine to name it."""
        found = self._names.get(self.key(listed), [])
        if len(found) > 1 and default not in found:
            self._doubled.append(listed)
        return default if default in found or not found else found[0]

    def note_doubled(self, problems: Problems) -> None:
        """A problem if files were asked for that lie in several folders."""
        if self._doubled:
            first = self._doubled[0]
            problems.add(
                f"{len(self._doubled)} listed images lie in several folders (for example {first!r}: "
                f"{', '.join(self._names[self.key(first)][:3])})",
                "keep one copy of each, or point --images at the folder that holds one",
            )


def unlisted_note(
    names: Sequence[str], records: Sequence[Record], refused: Sequence[Refusal], tables: Sequence[str]
) -> tuple[int, tuple[str, ...]]:
    """Number of files that no table lists (the tables themselves among them), and a sentence if images are."""
    listed = {record.image for record in records} | {row[0] for row in refused}
    ignored = [name for name in names if name not in listed]
    images = sum(is_image_name(name) for name in ignored)
    named = ", ".join(sorted({PurePosixPath(table).name for table in tables}))
    note = f"{images} image files are not listed in {named} and were left out."
    return len(ignored), (note,) if images else ()
