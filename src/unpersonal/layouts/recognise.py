"""Which layout an input has, from the names of its files and at most a few headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.errors import InputError
from ..core.words import plural
from ..images.archives import ImageArchive, is_hidden, open_archive
from .layout import FileKind, Layout
from .registry import LAYOUTS, split_folders_kept
from .split_folders import looks_split


def recognise(path: Path) -> str:
    """The layout of an input: a name of one of ours, for plug-ins take part only where they are named.

    What a library saved is known by its content, another file of its own (a table, a list) by its suffix, a folder or
    archive by the tables of a public data set, else by the kind of its files; where all files are named as in a public
    data set, that is the layout. Marks of several layouts, or files of several kinds, are an `InputError` that asks
    for `--layout`; so are folders that look like splits, where one layout keeps them and another does not.
    """
    found = _of_opener(path) or (_of_file(path) if path.is_file() else None)
    if found is not None:
        return found.name
    archive = open_archive(path)
    names = [name for name in archive.names() if not is_hidden(name)]
    told = told_layouts(archive, names, str(path))
    if len(told) > 1:
        _refuse([f"tables of {name} ({file})" for name, file in told.items()], path)
    return next(iter(told)) if told else _by_files(archive, names, path)


def told_layouts(archive: ImageArchive, names: Sequence[str], where: str) -> dict[str, str]:
    """Layouts whose tables lie among the files, each with the file that told."""
    found = {}
    for layout in LAYOUTS:
        if layout.told_by is not None and (file := layout.told_by(archive, names, where)):
            found[layout.name] = file
    return found


def _of_file(path: Path) -> Layout | None:
    suffixed = (layout for layout in LAYOUTS if layout.suffixes)
    return next((layout for layout in suffixed if path.name.lower().endswith(layout.suffixes)), None)


def _of_opener(path: Path) -> Layout | None:
    return next((layout for layout in LAYOUTS if layout.opener is not None and layout.opener.fits(path)), None)


def _by_files(archive: ImageArchive, names: Sequence[str], path: Path) -> str:
    """The layout of files that no table describes."""
    kinds = _kinds()
    files = {name: kind.find(archive, names) for name, kind in kinds.items()}
    seen = [name for name in kinds if files[name]]
    if not seen:
        return next(iter(kinds))
    if len(seen) > 1:
        _refuse([plural(len(files[name]), kinds[name].one, kinds[name].many) for name in seen], path)
    return _special(seen[0], files[seen[0]], path)


def _kinds() -> Mapping[str, FileKind]:
    """The kinds of files by the layout that consists of them, in the order of messages."""
    kinds = [(layout.name, layout.kind) for layout in LAYOUTS if layout.kind is not None]
    return dict(sorted(kinds, key=lambda item: item[1].rank))


def _special(general: str, files: Sequence[str], path: Path) -> str:
    """The layout of `files` of one kind: `general`, or the one whose names they all have.

    Folders that look like splits are asked about, unless the data set is known to come with them.
    """
    named = [
        layout
        for layout in LAYOUTS
        if layout.instead == general and layout.all_named is not None and layout.all_named(files)
    ]
    with_splits = [layout for layout in named if layout.official_splits]
    if with_splits:
        return with_splits[0].name
    kept = split_folders_kept(general)
    if kept and (splits := looks_split(files)):
        raise InputError(
            f"The layout is not clear; the folders look like splits ({', '.join(splits)})",
            where=str(path),
            how=f"write {kept} to keep these splits, or --layout {general} to divide the subjects anew",
        )
    return named[0].name if named else general


def _refuse(seen: Sequence[str], path: Path) -> None:
    raise InputError(
        f"The layout is not clear; there are {' and '.join(seen)}",
        where=str(path),
        how="say which is meant with --layout, or move the other files away",
    )
