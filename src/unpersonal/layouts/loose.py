"""Pictures of any folder, zip or saved data set, without labels: who compares pictures must not have to lay them out.

Raster images, DICOM files and NIfTI volumes are taken from wherever they lie, in one folder as well; each kind is read
by its own layout, as `init` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.config import build_config
from ..core.errors import InputError
from ..core.letters import is_undecodable, one_spelling
from ..core.words import plural
from ..images.archives import IMAGE_SUFFIXES, FolderArchive, ImageArchive, is_hidden, open_archive
from ..images.contents import not_looked_at
from ..images.picture import ImageError, split_name
from ..images.reasons import Reason
from ..images.rows import RowsArchive
from .config import CohortConfig
from .listing import ListedImage, Listing, Problems, Refusal, ignored_note, subjects_by_pattern, suffix_of
from .read import input_path, opener_of
from .registry import LAYOUTS
from .subjects import own_name

FILE_KINDS = ("folder", "dicom", "nifti")
"""Layouts of files that no table describes: each takes the files of its own kind."""
ANY_LABEL = r"(?P<label>[\s\S])"
"""A pattern of `label_from` that finds something in every path: nobody asks what."""


@dataclass(frozen=True)
class LoosePictures:
    """What lies in one place: pictures found = `images` + `refused`; every other file is one of `ignored`.

    `images` are names as in `ListedImage`, sorted, and `subjects` who is on each. `refused` could not be read by their
    headers, are links to folders, which are not followed, or files of other kinds that may hold a picture: `ignored`
    are only those that certainly hold none (`images.contents`).
    """

    archive: ImageArchive
    images: tuple[str, ...]
    subjects: tuple[str, ...]
    refused: tuple[Refusal, ...]
    ignored: int
    notes: tuple[str, ...]
    ignored_by: Mapping[str, int]
    """The ignored files by suffix, hidden ones as `hidden`."""
    assumed: int
    """Images of whom neither a pattern nor the input itself says who is on them: each file passes for a person."""


def find_pictures(
    path: Path, *, subject: str | None = None, settings: Mapping[str, Any] | None = None
) -> LoosePictures:
    """The pictures at `path`, whatever their kinds.

    `subject` is a regex with the group `subject`, searched in each path, or `file`: every file is a person. None: who a
    DICOM header or a BIDS name says, else every file is a person. `settings` are further keys of `[cohort]`, such as
    `slice_axis`. No picture at all is an `InputError`.
    """
    base = {**(settings or {}), "images": str(path), "label_from": ANY_LABEL, "masks": "keep"}
    given = build_config(CohortConfig, {**base, "subject": subject or "file"}, where="--subject")
    archive, saved = _open(path, given)
    names = archive.names()
    listings = [] if saved else _listings(archive, names, base, path, subject or "file")
    records = [record for _, listing in listings for record in listing.records]
    if saved:
        records = _saved_rows(names, subject or "file", path)
    refused = [refusal for _, listing in listings for refusal in listing.refused] + _other_columns(archive)
    known = {} if subject is not None else _own_subjects(listings)
    taken = {split_name(name)[0] for name in (*(r.image for r in records), *(row[0] for row in refused))}
    files, rows = _files_of(archive)
    others = [name for name in (files.names() if files else []) if name not in taken and name not in rows]
    suspect = _not_looked_at(files, others) if files else []
    left = sorted({*others} - {name for name, _, _ in suspect})
    skipped = files.skipped if files else ()
    refused += [*suspect, *((name, Reason.OUTSIDE, "a link to a folder, which is not followed") for name in skipped)]
    if not records and not refused:
        raise InputError(
            f"There are no pictures here ({plural(len(left), 'other file')})",
            where=str(path),
            how="name a folder or zip with png, jpg, tif, bmp, webp, DICOM or NIfTI files",
        )
    ordered = sorted(records, key=lambda record: record.image)
    return LoosePictures(
        archive,
        tuple(record.image for record in ordered),
        tuple(_one_spelling(record, known.get(record.image)) for record in ordered),
        tuple(sorted(refused)),
        len(left),
        tuple(ignored_note(left)),
        dict(Counter("hidden" if is_hidden(name) else suffix_of(name) for name in left)),
        0 if subject is not None else sum(record.image not in known for record in ordered),
    )


def _open(path: Path, config: CohortConfig) -> tuple[ImageArchive, bool]:
    """The archive at `path`, and whether a library saved it as a data set; a table of pictures is an `InputError`."""
    opener = opener_of(config, input_path(config, Path()))
    if opener is not None:
        return opener.open(config, path), True
    tables = tuple(suffix for layout in LAYOUTS for suffix in layout.suffixes)
    if path.is_file() and path.name.lower().endswith(tables):
        raise InputError(
            "This is a table or list, and no pictures", where=str(path), how="name the folder or zip that they lie in"
        )
    return open_archive(path), False


def _files_of(archive: ImageArchive) -> tuple[ImageArchive | None, frozenset[str]]:
    """What the files lie in, and those among them whose rows are read; None where one file is all."""
    if not isinstance(archive, RowsArchive):
        return archive, frozenset()
    read = frozenset(name for name in archive.files if name.endswith((".arrow", ".parquet")))
    return (FolderArchive(archive.root) if archive.root.is_dir() else None), read


def _other_columns(archive: ImageArchive) -> list[Refusal]:
    """The columns of a data set that may hold pictures beside those that are read."""
    if not isinstance(archive, RowsArchive):
        return []
    detail = f"a further column that may hold pictures; those of the column {archive.column!r} are read"
    return [
        (f"column {name}", Reason.UNREADABLE, f"{detail}: write one data set for each")
        for name in archive.pictured
        if name != archive.column
    ]


def _not_looked_at(archive: ImageArchive, names: list[str]) -> list[Refusal]:
    """The files among `names`, which no layout takes, that may hold a picture, and why."""
    found = []
    for name in names:
        read: bytes | ImageError
        try:
            read = archive.open_bytes(name)
        except ImageError as error:
            read = error
        if why := not_looked_at(read, is_hidden(name) and name.lower().endswith(IMAGE_SUFFIXES)):
            found.append((name, why.reason, why.detail))
    return found


def _saved_rows(names: list[str], subject: str, path: Path) -> list[ListedImage]:
    """The rows of a data set that a library saved: each is an image."""
    problems = Problems(str(path))
    subjects = subjects_by_pattern(names, subject, problems)
    problems.raise_any()
    return [ListedImage(name, who, ()) for name, who in zip(names, subjects, strict=True)]


def _one_spelling(record: ListedImage, known: str | None) -> str:
    """Who is on an image, spelt as in the cohort: a file that is a person as it is called."""
    subject = known or record.subject
    return subject if subject == own_name(record.image) else one_spelling(subject)


def _listings(
    archive: ImageArchive, names: list[str], base: Mapping[str, Any], path: Path, subject: str
) -> list[tuple[str, Listing]]:
    """What each layout finds of its kind, by its name."""
    seen = [name for name in names if not is_hidden(name)]
    found = []
    for name in FILE_KINDS:
        layout = LAYOUTS.get(name)
        if layout.kind is not None and layout.kind.find(archive, seen):
            config = build_config(CohortConfig, {**base, "layout": name, "subject": subject}, where="--subject")
            found.append((name, layout.read(config, path, archive)))
    return found


def _own_subjects(listings: list[tuple[str, Listing]]) -> dict[str, str]:
    """Who the input itself says is on an image: a header, or a name in the path by which the layout knows people."""
    found: dict[str, str] = {}
    for name, listing in listings:
        rule = LAYOUTS.get(name).subjects
        for record in listing.records:
            match = rule.pattern.search(record.image) if rule is not None and rule.pattern is not None else None
            told = rule.name(match) if rule is not None and match is not None else listing.declared.get(record.image)
            # different people may have become one where letters could not be decoded
            if told and not is_undecodable(told):
                found[record.image] = told
    return found
