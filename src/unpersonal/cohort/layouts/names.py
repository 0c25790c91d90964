"""The images of a folder or zip by name, for layouts that find them there."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from ...core.errors import InputError
from ..listing import Problems, Record, Refusal
from ..picture import split_name
from ..sources import FolderSource, Source, is_hidden, is_image_name


def image_names(source: Source, path: Path) -> tuple[list[str], list[str]]:
    """Image names of `source`, sorted, and those of the other files; no image at all is an `InputError`."""
    names = source.names()
    images = [name for name in names if is_image_name(name)]
    refuse_odd_names(images, path)
    if not images:
        raise InputError(
            f"There are no images here ({len(names)} other files)",
            where=str(path),
            how="name a folder or zip with png, jpg, tif, bmp or webp files",
        )
    return images, [name for name in names if not is_image_name(name)]


def refuse_odd_names(images: Sequence[str], path: Path) -> None:
    """`InputError` where an image's name is no plain text."""
    odd = [name for name in images if not name.isprintable()]
    if odd:
        raise InputError(
            f"{len(odd)} of {len(images)} image names are not plain text (for example {odd[0]!r})",
            where=str(path),
            how="rename them; names are UTF-8 without control characters",
        )


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

    `keys` turns a path into what identifies it in the data set (its own name, or its last folders and name); several
    keys where the path leaves open which it is.
    """

    def __init__(self, names: Sequence[str], keys: Callable[[str], Sequence[str]]) -> None:
        self.keys = keys
        self._names: dict[str, list[str]] = defaultdict(list)
        for name in names:
            for key in keys(name):
                self._names[key].append(name)
        self._doubled: list[str] = []
        self._found: Counter[str] = Counter()

    def find(self, listed: str, default: str) -> str:
        """The file with a key of `listed`; `default` where there is none, for the quarantine to name it."""
        found = self._files(listed)
        if len(found) > 1 and default not in found:
            self._doubled.append(listed)
        file = default if default in found or not found else found[0]
        self._found[file] += 1
        return file

    def note_doubled(self, problems: Problems) -> None:
        """A problem for files that lie in several folders, and for files that several rows mean."""
        if self._doubled:
            first = self._doubled[0]
            problems.add(
                f"{len(self._doubled)} listed images lie in several folders (for example {first!r}: "
                f"{', '.join(self._files(first)[:3])})",
                "keep one copy of each, or point --images at the folder that holds one",
            )
        if shared := [file for file, rows in self._found.items() if rows > 1]:
            problems.add(
                f"{len(shared)} files are meant by several rows (for example {shared[0]!r})",
                "list each image once, and restore the files that are missing",
            )

    def _files(self, listed: str) -> list[str]:
        return list(dict.fromkeys(name for key in self.keys(listed) for name in self._names.get(key, ())))


def unlisted_note(
    names: Sequence[str], records: Sequence[Record], refused: Sequence[Refusal], tables: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Names of the files that no table lists (the tables themselves among them), and a sentence if images are."""
    listed = {split_name(name)[0] for name in (*(r.image for r in records), *(row[0] for row in refused))}
    ignored = [name for name in names if name not in listed]
    images = sum(is_image_name(name) for name in ignored)
    named = ", ".join(sorted({PurePosixPath(table).name for table in tables}))
    note = f"{images} image files are not listed in {named} and were left out."
    return ignored, (note,) if images else ()


def names_around(source: Source, table: Path) -> list[str]:
    """The files of the folder or zip that a table or list names images in, without the table itself.

    None where a folder among them cannot be read: what the table does not name need not be readable.
    """
    try:
        # a source of its own, for links to folders that the table does not need are no news
        names = FolderSource(source.root).names() if isinstance(source, FolderSource) else source.names()
    except InputError:
        return []
    own = table.resolve()
    return [name for name in names if PurePosixPath(name).name != table.name or (source.root / name).resolve() != own]
