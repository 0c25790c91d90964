"""What lies on each side of an audit: every file and link is read, refused or ignored, and counted as such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.words import plural
from ..images.contents import holds_more
from ..images.picture import split_name
from ..images.preprocess import ViewConfig
from ..images.reasons import Reason
from ..layouts.account import Account, account_of, counted, kind_of_file
from ..layouts.listing import Refusal
from ..layouts.pictures import Pictures, read_once

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_UNREAD = 0.01
"""Share of a side's pictures that may be unread; of the synthetic side none may be."""
SHOWN = 3
"""Files that one message names."""
WHOLE = {"slice_range": (0.0, 1.0)}
"""Of volumes every slice is compared: what a cohort leaves out may hold a copy all the same."""
CONVERT = (
    "save pictures as PNG, JPEG, TIFF, BMP, WebP, DICOM or NIfTI under such a suffix; unpack archives; copy what links "
    "lead to; move away what holds no picture"
)


@dataclass(frozen=True, kw_only=True)
class SideRead(Account):
    """Files and pictures of one side of a comparison.

    `blank` among the read ones are slices and frames of one value, which show nobody. `refused` may hold pictures that
    were not compared; `ignored` certainly hold none. `edge` are the smallest, median and largest longer edge in pixels
    of the pictures in the files; `views` is how many squares are compared.
    """

    blank: int
    edge: tuple[int, int, int]
    views: int


def read_side(path: Path, name: str, subject: str | None, size: int) -> Pictures:
    """All pictures of a side, squashed to `size`; a side without a readable picture is an `InputError`.

    `subject` as in `layouts.loose.find_pictures`; where it is None, a picture of which the input itself does not say
    who is on it is an `InputError`, and so is anything synthetic that is not read.
    """
    where = f"--{name} {path}"
    try:
        found = read_once(path, ViewConfig(size=size, squash=True), subject=subject, settings=WHOLE)
    except InputError as error:
        raise InputError(error.what, where=f"--{name} {error.where}", how=error.how) from None
    if name == "synthetic" and (unread := not_compared(found)):
        raise InputError(
            f"{_told(unread)} not read, and what is not read is not audited: {_examples(unread)}",
            where=where,
            how=CONVERT,
        )
    if name == "synthetic":
        _refuse_more(found, where)
    if found.assumed:
        raise InputError(
            f"Nobody says who is on {plural(found.assumed, 'picture')}: no PatientID in a header, no sub-… in a path",
            where=where,
            how="give --subject a pattern that finds the person in the path, or `file` if every file is a person",
        )
    if not found.names:
        raise InputError(f"No picture here can be read: {_examples(found.unread)}", where=where, how=CONVERT)
    return found


def _refuse_more(pictures: Pictures, where: str) -> None:
    """`InputError` where a file holds more than the picture that is compared."""
    assert pictures.source is not None
    archive = pictures.source.archive
    files = sorted({split_name(name)[0] for name in pictures.names})
    more = [(file, what) for file in files if (what := holds_more(archive.open_bytes(file)))]
    if more:
        file, what = more[0]
        raise InputError(
            f"{plural(len(more), 'file holds', 'files hold')} more than one picture, and one alone is audited: {what} "
            f"(e.g. in {file!r})",
            where=where,
            how="write the files anew, with nothing but pixels",
        )


def not_compared(pictures: Pictures) -> list[Refusal]:
    """What was refused, without the blank frames and slices: these were read, and show nobody."""
    return [refusal for refusal in pictures.unread if not _is_blank(refusal)]


def side_read(name: str, given: Pictures, views: int) -> SideRead:
    """The account of a side of which `views` squares are compared."""
    refused = not_compared(given)
    blank = len(given.unread) - len(refused)
    edges = np.sort(given.sizes.max(axis=1))
    account = account_of(name, len(given.names) + blank, refused, given.ignored_by)
    edge = (int(edges[0]), int(edges[len(edges) // 2]), int(edges[-1]))
    return SideRead(**vars(account), blank=blank, edge=edge, views=views)


def unread_remarks(sides: Mapping[str, Pictures]) -> tuple[list[str], list[str]]:
    """(shortfalls, notes) about what was not read of the sides of real people; counts alone."""
    shortfalls, notes = [], []
    for name, given in sides.items():
        # a DICOM object without pixels was looked at
        unread = [refusal for refusal in not_compared(given) if refusal[1] != Reason.NO_PIXELS]
        if not unread:
            continue
        by = ", ".join(
            f"{count} {kind}" for kind, count in counted(kind_of_file(file) for file, _, _ in unread).items()
        )
        share = len(unread) / (len(unread) + len(given.names))
        said = f"{_told(unread)} not read of {name} ({by}; {share:.2%})"
        if share > MOST_UNREAD:
            shortfalls.append(f"{said}: more than {MOST_UNREAD:.0%}, so nobody knows whose pictures are missing")
        else:
            notes.append(f"{said}, and left out")
    return shortfalls, notes


def _is_blank(refusal: Refusal) -> bool:
    name, reason, _ = refusal
    return reason == Reason.CONSTANT and bool(split_name(name)[1])


def _told(unread: Sequence[Refusal]) -> str:
    return plural(len(unread), "file or picture was", "files or pictures were")


def _examples(unread: Iterable[Refusal]) -> str:
    """Each reason in words, how often, and the first file of it."""
    by: dict[str, list[str]] = {}
    for name, reason, detail in unread:
        by.setdefault(f"{reason.value}: {detail}", []).append(name)
    most = sorted(by.items(), key=lambda item: -len(item[1]))
    shown = [f"{len(names)} × {why} (e.g. {names[0]!r})" for why, names in most[:SHOWN]]
    return "; ".join([*shown, *(["…"] if len(most) > SHOWN else [])])
