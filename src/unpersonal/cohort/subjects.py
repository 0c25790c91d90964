"""One spelling for each subject, and a word where two spellings look like one person."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace

from ..core.errors import InputError
from .listing import Listing
from .picture import split_name

EXAMPLES = 3


def tidy_subjects(listing: Listing) -> Listing:
    """The listing with subjects in Unicode's composed form (NFC), without white space around them.

    A note says how many of them differ only in what people write one way or the other. A subject of which nothing is
    left is an `InputError`.
    """
    spelt = {subject: unicodedata.normalize("NFC", subject).strip() for subject in {r.subject for r in listing.records}}
    if blank := [record.image for record in listing.records if not spelt[record.subject]]:
        raise InputError(
            f"{len(blank)} images have a subject of blanks only (for example {blank[0]!r})",
            where=str(listing.source.root),
            how="name who is on them, or correct --subject",
        )
    records = tuple(
        record if record.subject == spelt[record.subject] else replace(record, subject=spelt[record.subject])
        for record in listing.records
    )
    # where every image is a person of its own, the names of files are no spellings of people
    people = {record.subject for record in records if record.subject != _own(record.image)}
    alike = look_alikes(people)
    if not alike:
        return replace(listing, records=records)
    shown = ", ".join(map(repr, alike[0][:EXAMPLES]))
    note = (
        f"{sum(map(len, alike))} of {len(people)} subjects differ from another one only in capitals, blanks, "
        f"punctuation or form of letters (e.g. {shown}). If they are one person, that person may be in train and in "
        "test: write each subject in one way, and read the input again."
    )
    return replace(listing, records=records, notes=(note, *listing.notes))


def look_alikes(subjects: Iterable[str]) -> list[list[str]]:
    """Groups of subjects that agree in letters and digits, whatever their capitals, forms, blanks and punctuation.

    `1-11` and `11-1` are two: between digits it matters where a mark stands, unless somebody writes it without (`111`).
    """
    forms = {subject: _marked(subject) for subject in sorted(subjects)}
    counts = Counter(forms.values())
    groups: dict[str, list[str]] = defaultdict(list)
    for subject, form in forms.items():
        plain = form.replace("-", "")
        groups[plain if plain in counts else form].append(subject)
    return [members for members in groups.values() if len(members) > 1]


def _marked(subject: str) -> str:
    """Letters, marks on them, and digits, with one hyphen for whatever else stands between two digits."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", subject).casefold())
    text = "".join(c if unicodedata.category(c)[0] in "LMN" else "-" for c in folded)
    return re.sub(r"(?<!\d)-|-(?!\d)", "", re.sub("-+", "-", text))


def _own(image: str) -> str:
    return unicodedata.normalize("NFC", split_name(image)[0]).strip()
