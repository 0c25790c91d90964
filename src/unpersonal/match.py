"""`unpersonal match`: which pictures show somebody of a gallery, and would be refused.

The gallery is a study, whose gate rules as it was calibrated, or any folder of pictures (`match_gallery.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .core.device import pick_device
from .core.errors import InputError
from .core.rooms import callable_room
from .core.words import plural
from .images.preprocess import PreprocessConfig
from .layouts.account import account_of
from .match_result import UNREAD, MatchResult, MatchRow
from .matching.base import flags

if TYPE_CHECKING:
    from .layouts.pictures import Pictures
    from .match_gallery import MatchGallery

callable_room(__name__)

SIZE = 64
"""Side in pixels at which the pictures of two folders are compared."""
ERROR = re.compile(r"^(\w*(Error|Exception)|error): ")
"""The class of an error before what it says: of no use to who looks for a damaged file."""


def match_pictures(
    gallery: Path | str,
    images: Path | str,
    *,
    subject: str | None = None,
    rate: float | None = None,
    size: int | None = None,
    device: str = "auto",
) -> MatchResult:
    """Say of every picture in the folder or zip `images` whether it would be refused.

    `gallery` is a study, or a folder or zip of pictures. Of a folder, `subject` says who is on a picture (as in
    `layouts.loose.find_pictures`), `rate` what share of strangers may be refused (0.05), and `size` the side at which
    pictures are compared (64); a study has its own, and they are refused. Raises `InputError` for a wrong input.
    """
    gallery, images = Path(gallery).expanduser(), Path(images).expanduser()
    for side, path in (("GALLERY", gallery), ("IMAGES", images)):
        if not path.exists():
            raise InputError(f"{side}: no such file or folder", where=str(path), how="correct the path")
    is_study = (gallery / "study.toml").is_file()
    _refuse_overlap(gallery, images, is_study)
    options = {"--subject": subject, "--rate": rate, "--size": size}
    if is_study:
        if given := [name for name, value in options.items() if value is not None]:
            raise InputError(
                f"A study has its own {' and '.join(given)}",
                where=str(gallery),
                how="leave it out, or name the folder of its images as GALLERY",
            )
        return _match_study(gallery, images, device)
    return _match_folder(gallery, images, subject, rate, size, device)


def _match_folder(
    gallery: Path, images: Path, subject: str | None, rate: float | None, size: int | None, device: str
) -> MatchResult:
    from .layouts.pictures import read_pictures
    from .match_gallery import RATE, folder_gallery

    share = RATE if rate is None else rate
    if not 0 < share < 1:
        raise InputError(f"{share:g} is no share of strangers", where="--rate", how="write a number between 0 and 1")
    config = _preparation(SIZE if size is None else size)
    known = read_pictures(gallery, config, channels=1, subject=subject)
    if not known.names:
        raise InputError("No picture here can be read", where=str(gallery), how="check the files")
    queries = read_pictures(images, config, channels=1, subject="file")
    people = folder_gallery(known, share, pick_device(device))
    return _ruled(people, queries, [*people.notes, *_accounts("GALLERY", known), *_not_enrolled(known)], known)


def _match_study(gallery: Path, images: Path, device: str) -> MatchResult:
    from .layouts.pictures import read_pictures
    from .match_study import open_study, study_gallery

    study = open_study(gallery, device)
    queries = read_pictures(images, study.preparation, channels=study.channels, subject="file", settings=study.settings)
    people = study_gallery(study)
    return _ruled(people, queries, people.notes)


def _preparation(size: int) -> PreprocessConfig:
    try:
        return PreprocessConfig(size=size)
    except ValueError:
        how = "leave it out, or write such a number"
        raise InputError("--size must be at least 32, and at most 1024", where=f"--size {size}", how=how) from None


def _refuse_overlap(gallery: Path, images: Path, is_study: bool) -> None:
    """Pictures that lie on both sides would find themselves, and say nothing about anybody else."""
    known, asked = (Path(os.path.realpath(path)) for path in (gallery, images))
    how = "name a folder of pictures that are not in the gallery"
    if (asked / "study.toml").is_file():
        raise InputError(
            "IMAGES is a study, not a folder of pictures", where=str(images), how="name its release, or other pictures"
        )
    if known == asked:
        raise InputError("GALLERY and IMAGES are the same", where=str(images), how=how)
    if asked in known.parents:
        raise InputError("GALLERY lies inside IMAGES", where=str(gallery), how=how)
    if not is_study and known in asked.parents:
        raise InputError("IMAGES lies inside GALLERY", where=str(images), how=how)


def _ruled(people: MatchGallery, queries: Pictures, notes: Iterable[str], known: Pictures | None = None) -> MatchResult:
    """Every picture, read or not, in the order of their names; `known` is the folder of the gallery, if it is one."""
    sides = {**({"GALLERY": known} if known is not None else {}), "IMAGES": queries}
    rows = [
        MatchRow(name, True, UNREAD, None, why=f"{reason.value}: {ERROR.sub('', why)}")
        for name, reason, why in queries.unread
    ]
    rows += _rows(people, queries) if queries.names else []
    return MatchResult(
        tuple(sorted(rows, key=lambda row: row.file)),
        len(next(iter(people.strangers.values()))),
        (*notes, *_accounts("IMAGES", queries)),
        people.blind,
        queries.ignored,
        tuple(account_of(name, len(side.names), side.unread, side.ignored_by) for name, side in sides.items()),
    )


def _rows(people: MatchGallery, queries: Pictures) -> Iterator[MatchRow]:
    """The rows of the pictures [n] that were read."""
    from .match_gallery import score_pictures

    names = [e.name for e in people.panel]
    found = [score_pictures(e, queries) for e in people.panel]
    levels = [people.thresholds.get(name, float("nan")) for name in names]
    flagged = np.stack([flags(one.score, level) for one, level in zip(found, levels, strict=True)])
    rates = np.stack([stranger_rate(one.score, people.strangers[name]) for name, one in zip(names, found, strict=True)])
    refused = np.logical_or.reduce(flagged)
    # among the matchers that refuse, or among all where none does
    first = np.where(flagged | ~refused, rates, np.inf).argmin(axis=0)
    for number, (file, matcher) in enumerate(zip(queries.names, first, strict=True)):
        yield MatchRow(
            file,
            bool(refused[number]),
            names[matcher] if refused[number] else None,
            float(rates[matcher, number]),
            str(people.subjects[found[matcher].nearest[number]]) if refused[number] else None,
        )


def stranger_rate(score: np.ndarray, strangers: np.ndarray) -> np.ndarray:
    """float64 [q]: share of strangers that score at least as high, (k + 1) / (n + 1); NaN is taken for the highest."""
    known = np.sort(np.where(np.isnan(strangers), np.inf, strangers))
    reached = len(known) - np.searchsorted(known, np.where(np.isnan(score), np.inf, score), side="left")
    found: np.ndarray = (reached + 1) / (len(known) + 1)
    return found


def _accounts(side: str, pictures: Pictures) -> Iterator[str]:
    """Read + not read + ignored = found, of one side."""
    yield (
        f"{side}: {pictures.found:,} found, of which {len(pictures.names):,} pictures read, "
        f"{len(pictures.unread):,} not read, {pictures.ignored:,} files without a picture ignored."
    )
    yield from (f"{side}: {note}" for note in pictures.notes)


def _not_enrolled(known: Pictures) -> Iterator[str]:
    if known.unread:
        them = "it" if len(known.unread) == 1 else "them"
        pictures = plural(len(known.unread), "picture")
        yield f"{pictures} of GALLERY could not be read: nobody looked for the people on {them}."
