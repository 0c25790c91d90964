"""From configuration to a `Listing`: which layout it is, and where its images lie."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from ..core.errors import InputError
from ..images.archives import ImageArchive, open_archive
from ..images.picture import split_name
from .config import CohortConfig
from .labels import CHEST8, apply_scheme, doubts
from .layout import Layout, Opener
from .left_out import leave_out_records
from .listing import Listing, Problems
from .masks import named_like_masks
from .options import note_rivals, place
from .recognise import recognise
from .registry import AUTO, LAYOUTS, candidates, considered, readers_of, split_folders_kept, word_of
from .subjects import tidy_subjects


def read_listing(config: CohortConfig, base: Path, named: Collection[str] | None = None) -> Listing:
    """The images that the input declares, with subject, labels and split; every input error found is raised.

    Labels are those of the scheme that is asked for. With `official_splits` false a public data set has no given split.
    A subject has one spelling; where two look like one person, the first note says so. `named` as in
    `options.given_options`.
    """
    path = input_path(config, base)
    layout = configured_layout(config, path)
    _check_options(config, layout, path, named)
    try:
        return _read(config, base, layout, path)
    except InputError as error:
        raise InputError(error.what, where=place(config, layout, error.where), how=error.how) from None


def configured_layout(config: CohortConfig, path: Path) -> str:
    """The layout that the configuration names, or that the input at `path` is recognised to have."""
    return recognise(path) if config.layout == AUTO else config.layout


def _read(config: CohortConfig, base: Path, layout: str, path: Path) -> Listing:
    listing = replace(LAYOUTS.get(layout).read(config, path, image_archive(config, base)), layout=layout)
    listing = leave_out_records(config, listing)
    files = list(dict.fromkeys(split_name(record.image)[0] for record in listing.records))
    listing = replace(listing, mask_names=named_like_masks(files))
    if listing.official and not config.official_splits:
        records = tuple(replace(record, split=None) for record in listing.records)
        listing = replace(listing, records=records, official=False)
    if config.split_conflict is not None and listing.records and not any(r.split for r in listing.records):
        raise InputError(
            "The input gives no splits that --split-conflict could be about",
            where=str(path),
            how=f"leave it out, or {_how_to_give_splits(layout)}",
        )
    chosen = apply_scheme(tidy_subjects(listing), config.labels)
    labels = sorted({label for record in chosen.records for label in record.labels})
    return replace(chosen, notes=(*chosen.notes, *(f"{what}: {how}." for what, how in doubts(labels))))


def _how_to_give_splits(layout: str) -> str:
    if said := LAYOUTS.get(layout).splits_from:
        return said
    kept = split_folders_kept(layout)
    return f"use {kept}, which reads folders train, val and test" if kept else "use a layout that has splits"


def input_path(config: CohortConfig, base: Path) -> Path:
    """The input on disk; a path that does not exist, or is a pipe or device, is an `InputError`."""
    path = base / Path(config.images).expanduser()
    if not path.exists():
        raise InputError("There is no such file or folder", where=str(path), how="correct the path of the images")
    if not path.is_dir() and not path.is_file():  # a pipe can be read once, and a study reads its input several times
        raise InputError("Neither a file nor a folder", where=str(path), how="write it to a file, and name that")
    return path


def image_archive(config: CohortConfig, base: Path) -> ImageArchive:
    """Where the images of a configured cohort lie; image paths in `cohort.parquet` are relative to it."""
    path = input_path(config, base)
    opener = opener_of(config, path)
    if opener is not None:
        return opener.open(config, path)
    at = _images_at(config, base, path)
    # a table names its images, and what else lies in its folder need not be readable
    return open_archive(at, within=at == path or config.root is not None)


def opener_of(config: CohortConfig, path: Path) -> Opener | None:
    """What opens an input that is neither a plain folder nor a zip; None for those."""
    if config.root is not None:
        return None
    openers = (layout.opener for layout in candidates(config.layout))
    return next((opener for opener in openers if opener is not None and opener.fits(path)), None)


def image_root(config: CohortConfig, base: Path) -> Path:
    """The folder that the images lie in, or the zip, absolute and without links: nothing is to be written there.

    A table or list has its own folder, or `root`. An input that does not exist is an `InputError`.
    """
    return Path(os.path.realpath(_images_at(config, base, input_path(config, base))))  # resolve() may raise


def _images_at(config: CohortConfig, base: Path, path: Path) -> Path:
    if config.root is not None:
        return base / Path(config.root).expanduser()
    takes_file = config.layout != AUTO and LAYOUTS.get(config.layout).suffixes
    listed = takes_file or any(path.name.lower().endswith(layout.suffixes) for layout in considered(config.layout))
    return path.parent if listed and path.is_file() else path


def _check_options(config: CohortConfig, name: str, path: Path, named: Collection[str] | None) -> None:
    """Options that the layout could only ignore are input errors."""
    problems = Problems(str(path))
    layout = LAYOUTS.get(name)
    if layout.suffixes and path.is_dir():
        problems.add(f"The layout {name} needs a file, and this is a folder", "name the file")
    for key in ("subject", "label_from"):
        _check_word(config, key, name, problems)
    if config.views == "frontal" and "views" not in layout.reads:
        problems.add(
            f"The layout {name} does not know which images are frontal",
            f"leave out --views; it is read by {', '.join(readers_of('views'))}",
        )
    if layout.check is not None:
        layout.check(config, path, problems)
    if not config.official_splits and not layout.official_splits:
        problems.add(
            f"The layout {name} has no official splits that could be left out",
            "leave out --no-official-splits; splits of a table are read only from --split-column",
        )
    _check_scheme(config, layout, problems)
    note_rivals(config, problems, named)
    problems.raise_any()


def _check_word(config: CohortConfig, key: str, name: str, problems: Problems) -> None:
    """A problem where `key` holds a word that only another layout understands."""
    value = getattr(config, key)
    found = None if value is None else word_of(key, value, name)
    if found is None or found[0] is LAYOUTS.get(name):
        return
    layout, word = found
    otherwise = f", or {word.otherwise}" if word.otherwise else ""
    problems.add(f"The layout {name} does not read {word.what}", f"use --layout {layout.name}{otherwise}")


def _check_scheme(config: CohortConfig, layout: Layout, problems: Problems) -> None:
    """Classes beside a scheme would hide findings from it, which wants exactly one; those of a list name columns."""
    if layout.classes_name_columns or config.labels != "chest8" or tuple(config.classes) in ((), CHEST8):
        return
    problems.add(
        "--labels chest8 has classes of its own, and --classes names others",
        "leave one of them out; to have some of the classes only, take --classes without --labels",
    )
