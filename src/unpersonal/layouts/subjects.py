"""One spelling for each subject, none for whoever is unknown, and a word where two spellings look like one person."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import median

from ..core.errors import InputError
from ..core.letters import is_undecodable, look, mended, one_spelling, read_otherwise
from ..core.words import plural
from ..images.picture import split_name
from ..images.reasons import Reason
from .listing import ListedImage, Listing, Refusal

NOBODY = frozenset(
    (
        "na", "n a", "nan", "nat", "none", "null", "nil", "unknown", "unk", "missing", "undefined", "unspecified",
        "undisclosed", "not available", "not applicable", "not known", "not specified", "no id", "tbd",
        "not provided", "not given", "not recorded", "not stated", "no name", "noname", "unidentified",
        "anon", "anonym", "anonymous", "anonymized", "anonymised", "anonymizado", "anonimo", "anonimizado", "anonyme",
        "deidentified", "de identified", "removed", "redacted", "withheld", "blank", "empty",
        "unbekannt", "inconnu", "desconocido", "sconosciuto",
        "value", "ref", "name", "div 0", "num",
    )
)  # fmt: skip
"""What stands in for a subject that nobody knows; of `#VALUE!` and the other errors of spreadsheets the bare word."""
ERRORS = frozenset(("value", "ref", "name", "div 0", "num"))
FILLERS = frozenset(
    ("sub", "subj", "subject", "patient", "pat", "pt", "person", "participant", "case", "id", "pid", "p")
)
"""Words around it: `sub-nan`, `ANONYMOUS^PATIENT`."""
STAND_INS = frozenset(("test", "testing", "dummy", "demo", "example", "sample", "phantom"))
"""Words that are seldom somebody's; whoever is called so may be one or many."""
INITIALS = re.compile(r"[A-Z]{2,3}")
"""`NA`, `NAN`, `NAT`, `NIL`, `UNK` are these or nobody."""
UNDECODABLE = "the subject has letters that could not be decoded: several people may have become one"
LONGEST_ID = 18
"""Digits up to which a number is compared with its neighbours."""
ROUNDED = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE]\+\d+")
"""A long number as a spreadsheet shortens it: several people may have become one."""


def tidy_subjects(listing: Listing) -> Listing:
    """The listing with subjects in one spelling each (`letters.one_spelling`); files that are people keep their names.

    An image whose subject has letters that could not be decoded moves to `refused`: several people may have become one.
    One whose subject is a placeholder moves to `refused`, for it may show anybody, save initials among others'. A
    subject of which nothing is left is an `InputError`.
    """
    files = {own for record in listing.records if record.subject == (own := own_name(record.image))}
    written = {record.subject for record in listing.records}
    spelt = {subject: subject if subject in files else one_spelling(subject) for subject in written}
    if blank := [record.image for record in listing.records if not spelt[record.subject]]:
        raise InputError(
            f"{plural(len(blank), 'image has', 'images have')} a subject of blanks only (for example {blank[0]!r})",
            where=str(listing.archive.root),
            how="name who is on them, or correct --subject",
        )
    images = Counter(spelt[record.subject] for record in listing.records)
    unknown = {s: why for s in images if (why := why_unknown(s)) and not _are_initials(s, images)}
    unknown |= {spelt[s]: UNDECODABLE for s in written if is_undecodable(s)}
    kept: list[ListedImage] = []
    refused: list[Refusal] = []
    for record in listing.records:
        subject = spelt[record.subject]
        if subject in unknown and subject != own_name(record.image):
            refused.append((record.image, Reason.SUBJECT_UNKNOWN, unknown[subject]))
        else:
            kept.append(record if record.subject == subject else replace(record, subject=subject))
    left = {record.subject for record in kept}
    return replace(
        listing,
        records=tuple(kept),
        refused=tuple(sorted([*listing.refused, *refused])),
        spelt={subject: forms for subject, forms in _several(spelt).items() if subject in left},
    )


def _several(spelt: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The spellings of each subject that has several, save those that only compose letters differently."""
    forms: dict[str, set[str]] = defaultdict(set)
    for written, subject in spelt.items():
        forms[subject].add(unicodedata.normalize("NFC", written).strip())
    return {subject: tuple(sorted(found)) for subject, found in sorted(forms.items()) if len(found) > 1}


def why_unknown(subject: str) -> str:
    """Why a subject is no person: a sentence that names it, or nothing where it may be one.

    `N/A`, `nan`, `sub-unknown`, `ANONYMOUS` and the like, alone or after a site (`A/unknown`); marks only; `1.2E+11`.
    """
    if ROUNDED.fullmatch(subject):
        return f"the subject {subject!r} is a number that a spreadsheet has shortened; several people may have it"
    if _is_nobody(subject) or any(_is_nobody(end) for end in re.split("[/:]", subject)[-1:] if end.strip()):
        return f"the subject {subject!r} is a placeholder, no person"
    return ""


def _is_nobody(subject: str) -> bool:
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", subject).casefold())
    if len(words) < 2:
        # a person may be called Ref or Name: only the mark of the spreadsheet makes it an error
        return not words or (words[0] in NOBODY and (words[0] not in ERRORS or "#" in subject))
    core = " ".join(word for word in words if word not in FILLERS)
    return " ".join(words) in NOBODY or core in NOBODY - ERRORS


def _are_initials(subject: str, images: Mapping[str, int]) -> bool:
    """Whether `NA` stands among subjects that are most of them initials, and has no more images than any of these."""
    if not INITIALS.fullmatch(subject):
        return False
    others = [other for other in images if not why_unknown(other)]
    alike = [images[s] for s in others if INITIALS.fullmatch(s) and len(s) == len(subject)]
    return 2 * len(alike) > len(others) and images[subject] <= max(alike)


def doubtful_subjects(images: Mapping[str, int]) -> list[str]:
    """Subjects that may stand for nobody known, by their form and their number of `images`; most images first.

    Zeros, one digit repeated, a run of X, a bare `patient`, `TEST`, a lone numbered placeholder: where they have more
    images than the median, or than twice the median where they are numbers with a neighbour (`0` beside `1`), for then
    they may well be people. Initials that `tidy_subjects` kept (`NA`) always.
    """
    if not images:
        return []
    cores = {subject: _core(subject) for subject in images}
    numbers = {int(core) for core in cores.values() if core.isascii() and core.isdecimal() and len(core) <= LONGEST_ID}
    stems = Counter(re.sub(r"\d+", "", core) for core in cores.values())
    initials = sum(map(bool, map(INITIALS.fullmatch, images)))
    middle = median(images.values())
    found = []
    for subject, core in cores.items():
        least = middle
        if core.isascii() and core.isdecimal():
            number = int(core) if len(core) <= LONGEST_ID else 0
            least = 2 * middle if {number - 1, number + 1} & numbers else middle
            odd = len(set(core)) == 1 and (number == 0 or len(core) > 2 or subject.strip() == "-1")
        elif core.isdecimal() or (INITIALS.fullmatch(subject) and 2 * initials > len(images)):
            odd = False
        else:
            stem = re.sub(r"\d+", "", core)
            odd = not core or (stems[stem] == 1 and (re.fullmatch("x{2,}", stem) is not None or _stands_in(subject)))
        if why_unknown(subject) or (odd and images[subject] > least):
            found.append(subject)
    return sorted(found, key=lambda subject: (-images[subject], subject))


def _core(subject: str) -> str:
    """Letters and digits of the last part of a subject (`A/sub-000`), without the words around it."""
    words = _words(re.split("[/:]", subject)[-1])
    return "".join(word for word in words if word not in FILLERS or words == ["p"])


def _stands_in(subject: str) -> bool:
    words = [word for word in _words(re.split("[/:]", subject)[-1]) if word not in FILLERS and not word.isdecimal()]
    return " ".join(words) in NOBODY - ERRORS or set(words) & STAND_INS != set()


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", unicodedata.normalize("NFKC", text).casefold())


def look_alikes(subjects: Iterable[str]) -> list[list[str]]:
    """Groups of subjects that agree in letters and digits, whatever their capitals, forms, blanks and punctuation.

    `1-11` and `11-1` are two: between digits it matters where a mark stands, unless somebody writes it without (`111`).
    Zeros before a number count for nothing (`P01`, `P1`), nor does the `.0` of a column of numbers with gaps. Letters
    of other alphabets count by their look, and what was read as Latin-1 by what was meant; of a DICOM name in
    several scripts (`Wang^XiaoDong=王^小东`) the first counts.
    """
    ordered = sorted(set(subjects))
    parent = {subject: subject for subject in ordered}

    def root(subject: str) -> str:
        while parent[subject] != subject:
            subject = parent[subject]
        return subject

    for spell in (_marked, _without_zeros, _seen):
        for first, *others in _agreeing({subject: spell(subject) for subject in ordered}):
            for other in others:
                parent[root(other)] = root(first)
    for subject in ordered:
        for other in read_otherwise(subject):
            if other in parent:
                parent[root(other)] = root(subject)
    groups: dict[str, list[str]] = defaultdict(list)
    for subject in ordered:
        groups[root(subject)].append(subject)
    return [members for members in groups.values() if len(members) > 1]


def _agreeing(forms: dict[str, str]) -> list[list[str]]:
    """Subjects by form; a form with marks between digits joins the form without, where somebody writes it so."""
    counts = Counter(forms.values())
    groups: dict[str, list[str]] = defaultdict(list)
    for subject, form in forms.items():
        plain = form.replace("-", "")
        groups[plain if plain in counts else form].append(subject)
    return list(groups.values())


def _without_zeros(subject: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", _marked(re.sub(r"^(\d+)\.0+$", r"\1", subject)))


def _seen(subject: str) -> str:
    first = subject.split("=")[0] if "^" in subject and "=" in subject else subject
    return _without_zeros(look(mended(first)))


def _marked(subject: str) -> str:
    """Letters, marks on them, and digits, with one hyphen for whatever else stands between two digits."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", subject).casefold())
    text = "".join(c if unicodedata.category(c)[0] in "LMN" else "-" for c in folded)
    return re.sub(r"(?<!\d)-|-(?!\d)", "", re.sub("-+", "-", text))


def own_name(image: str) -> str:
    """The subject of an image that is a person of its own (`--subject file`): the name of its file."""
    return split_name(image)[0]
