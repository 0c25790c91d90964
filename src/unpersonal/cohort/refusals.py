"""What was refused: as the table quarantine.csv, and in the words of an error where too little is left."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..core.errors import InputError
from ..core.files import write_text
from ..core.words import plural
from ..images.reasons import Reason
from ..layouts.listing import PACKED_SUFFIXES, Listing, Problems, Refusal

UNOPENED = tuple(f".{suffix.rpartition('.')[2]}" for suffix in PACKED_SUFFIXES)
"""Last suffixes of archives."""
QUARANTINE_COLUMNS = ("path", "reason", "detail")


def write_quarantine(path: Path, rows: Sequence[Refusal]) -> None:
    """Write the refused images as CSV with the columns path, reason, detail; only the header if there are none."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(QUARANTINE_COLUMNS)
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def note_refusals(quarantine: Sequence[Refusal], read: int, problems: Problems) -> None:
    """Count the images that cannot be used, and apart from them those that the options leave out, which are sound."""
    chosen = [row for row in quarantine if row[1].chosen]
    spoiled = [row for row in quarantine if not row[1].chosen]
    if spoiled:
        problems.add(f"{len(spoiled)} of {read} images cannot be used ({_count_reasons(spoiled)})", "check these files")
    if chosen:
        hints = [reason.hint for reason in dict.fromkeys(reason for _, reason, _ in chosen) if reason.hint]
        how = "; ".join(hints) or "widen what is selected"
        problems.add(f"{len(chosen)} of {read} images are left out as the options say ({_count_reasons(chosen)})", how)


@contextmanager
def naming_unopened(listing: Listing) -> Iterator[None]:
    """Adds to an `InputError` that archives lie among the images, which nobody opened: what lacks may be in them."""
    try:
        yield
    except InputError as error:
        unopened = sum(count for kind, count in listing.ignored_by.items() if kind.endswith(UNOPENED))
        if not unopened or type(error) is not InputError:
            raise
        lie = plural(unopened, "archive lies", "archives lie")
        raise InputError(
            f"{error.what}; {lie} among the images and {'was' if unopened == 1 else 'were'} not opened",
            where=error.where,
            how=f"unpack what is not unpacked yet, and move the archives away; {error.how}",
        ) from None


def refuse_nothing_left(kept: Sequence[Any], quarantine: Sequence[Refusal], where: str) -> None:
    """Raise an `InputError` where no image is kept: it says what was refused, and how to mend it."""
    if kept:
        return
    if not quarantine:
        raise InputError("The input lists no images", where=where, how="name an input with images")
    reasons = Counter(reason for _, reason, _ in quarantine)
    if set(reasons) == {Reason.MISSING}:
        listed = f"None of the {len(quarantine)} images that are listed exists"
        listed = listed if len(quarantine) > 1 else "The one image that is listed does not exist"
        how = "name the folder or zip that their paths are relative to with --root"
        if all(unquote(name) != name for name, _, _ in quarantine):
            how = f"the paths are written as in addresses (%20 is a blank, %2F a slash): decode them, or {how}"
        raise InputError(f"{listed} (for example {quarantine[0][0]!r})", where=where, how=how)
    how = "; ".join(reason.hint for reason in reasons if reason.hint) or "check the files"
    raise InputError(f"No image can be used ({_count_reasons(quarantine)})", where=where, how=how)


def _count_reasons(quarantine: Sequence[Refusal]) -> str:
    """How many images were refused for which reason, and one of them."""
    counts = Counter(reason for _, reason, _ in quarantine)
    found = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    name, _, detail = quarantine[0]
    return f"{found}; for example {name!r}: {detail}"
