"""Identifiers in the names of files and folders. They are not carried over; the owner should know that they are there.

Each part of a path is looked at on its own. Content hashes and DICOM UIDs are taken out first; numbers padded with
zeros are counters. Nothing is certain from a name alone, so a kind is reported with its count and few examples.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ...core.words import plural
from .suspicion import EXAMPLES, Suspicion

YEARS = range(1900, 2036)
CHANCE = 0.05
"""Share of the eight-digit numbers of a cohort that must be dates before any is taken for one: by chance 0.1 % are."""

KINDS = {
    "date": "a date",
    "number": "a long number, as record and accession numbers are",
    "e-mail": "an e-mail address",
    "person": "what may be a person's name",
    "national-id": "a number in the form of a national identity number",
    "face": "a hint at a face (portrait, photo, head, T1w …)",
}

_UID = re.compile(r"(?<![\w.])(?:1\.[23]|2\.(?:16|25))(?:\.\d+){1,}(?![\w])|(?<![\w.])\d+(?:\.\d+){4,}(?![\w])")
_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z])")
_HASH = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{16,}(?![0-9A-Za-z])|\d{20,}")
_MAIL = re.compile(r"[A-Za-z0-9][\w.+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})([-_. ])(\d{2})\2(\d{2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})([-_. ])(\d{1,2})\2(\d{4})(?!\d)")
_EIGHT = re.compile(r"(?<!\d)\d{8}(?!\d)")
_NUMBER = re.compile(r"(?<!\d)(?!00)\d{7,19}(?!\d)")
_CARET = re.compile(r"[^\W\d_][\w' -]*\^[\w' -]*[^\W\d_]")
_COMMA = re.compile(r"[^\W\d_]{2,}, ?[^\W\d_]{2,}")
_NAMES = re.compile(r"([A-Z][a-zà-ÿ]+|[A-Z]{3,})([_ ])([A-Z][a-zà-ÿ]+|[A-Z]{3,})(?:\2\d{1,6})?")
_WORD = re.compile(r"[Tt][12][Ww](?![A-Za-z])|(?i:mp2rage)|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

FACE_WORDS = """
    face faces facial portrait portraits photo photos photograph photographs selfie mugshot head heads t1w t2w mprage
    flair mp2rage
    """
"""Words that hint at a face; from the volumes behind the last ones a face can be reconstructed."""

ORDINARY_WORDS = """
    abdomen acute adult anterior aorta atelectasis axial bacteria bacterial baseline benign bilateral body bone brain
    breast calcification cancer cardiac cardiomegaly case chest chronic class consolidation control coronal covid ct
    data dataset device devices disease dx edema effusion emphysema enlarged female fibrosis finding findings fluid
    foreign fracture frontal hand head heart hernia high hospital image images infiltration knee lateral left lesion
    low lung lungs male malignant mass mild mixed mr mri negative no nodule non none normal not object opacity other
    ovary part patient patients pelvis pleural pneumonia pneumothorax portable positive posterior right sagittal
    sample scan scans series set severe site skin spine study subject support test thickening thorax train training
    tuberculosis tumor tumour ultrasound unknown val valid validation viral virus visit volume wrist xray ray x
    cardiomediastinum
    """
"""Words of labels and folders: next to one of them a word with a capital is no person."""

_FACES, _ORDINARY = frozenset(FACE_WORDS.split()), frozenset(ORDINARY_WORDS.split())


@dataclass(frozen=True)
class NamesCheck:
    """Images whose names carry each kind of `KINDS`, and at most three such names each (for the owner's eyes)."""

    images: int
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Counts only."""
        return dict(self.counts)


def inspect_names(images: Sequence[str], labels: Iterable[str] = ()) -> NamesCheck:
    """Identifiers in relative paths with `/`; `labels` are names that are no person's.

    A national identity number that is no valid one (date or check digit), and eight digits that are no date, fall
    back to `number`.
    """
    ordinary = {label.casefold() for label in labels}
    seen: dict[str, frozenset[str]] = {}
    found: dict[str, list[str]] = defaultdict(list)
    numbers = dates = 0
    for image in images:
        kinds: set[str] = set()
        parts = image.split("#", 1)[0].split("/")
        parts[-1] = _stem(parts[-1])
        for part in parts:
            if part not in seen:
                seen[part] = _kinds(part, ordinary)
            kinds |= seen[part]
        numbers += "eight" in kinds
        dates += "eight-date" in kinds
        for kind in kinds - {"eight"}:
            found[kind].append(image)
    if dates < CHANCE * numbers:
        found["number"] += found.pop("eight-date", [])
    found["date"] += found.pop("eight-date", [])
    distinct = {kind: sorted(set(found[kind])) for kind in KINDS if found.get(kind)}
    return NamesCheck(
        len(images),
        {kind: len(names) for kind, names in distinct.items()},
        {kind: tuple(names[:EXAMPLES]) for kind, names in distinct.items()},
    )


def suspect_names(names: NamesCheck | None) -> list[Suspicion]:
    """Names that may identify people, or hint at faces."""
    if names is None:
        return []
    return [
        Suspicion(
            "faces-in-names" if kind == "face" else "identifiers-in-names",
            f"{plural(count, 'name')} of files or folders with {KINDS[kind]}",
            count,
            "check whether images show faces; they would be synthesised too"
            if kind == "face"
            else "nothing of a name is carried over; rename the files if others see them",
        )
        for kind, count in names.counts.items()
    ]


def _stem(file: str) -> str:
    """A file's name without its suffix; what follows the last dot of a UID or a date is none."""
    stem, dot, suffix = file.rpartition(".")
    if not dot or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{1,4}", suffix):
        return file
    return stem[:-4] if stem.lower().endswith(".nii") else stem


def _kinds(part: str, ordinary: set[str]) -> frozenset[str]:
    """Kinds in one folder's or file's name; `eight` and `eight-date` where it has eight digits, padded or not."""
    kinds = set()
    if _MAIL.search(part):
        kinds.add("e-mail")
    rest = _HASH.sub("~", _HEX.sub("~", _MAIL.sub("~", part)))
    rest, national = _without_national(rest)
    if national:
        kinds.add("national-id")
    rest = _UID.sub("~", rest)
    rest, dated = _without_dates(rest)
    if dated:
        kinds.add("date")
    eights = _EIGHT.findall(rest)
    if eights:
        kinds.add("eight")
    if any(_is_date(digits) for digits in eights):
        kinds.add("eight-date")
        rest = _EIGHT.sub(lambda match: "~" if _is_date(match[0]) else match[0], rest)
    if _NUMBER.search(rest):
        kinds.add("number")
    if part.casefold() not in ordinary and _names_person(rest):
        kinds.add("person")
    if _FACES & {word.lower() for word in _WORD.findall(rest)}:
        kinds.add("face")
    return frozenset(kinds)


def _valid(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return year in YEARS


def _is_date(digits: str) -> bool:
    """Whether eight digits are YYYYMMDD or DDMMYYYY."""
    forms = ((digits[:4], digits[4:6], digits[6:]), (digits[4:], digits[2:4], digits[:2]))
    return any(_valid(int(year), int(month), int(day)) for year, month, day in forms)


def _without_dates(text: str) -> tuple[str, bool]:
    """The text without written dates, and whether there was one."""
    found = False

    def cut(match: re.Match[str]) -> str:
        nonlocal found
        first, second, third = match[1], match[3], match[4]
        forms = ((first, second, third),) if len(first) == 4 else ((third, second, first), (third, first, second))
        if any(_valid(*map(int, form)) for form in forms):
            found = True
            return "~"
        return match[0]

    return _YEAR_LAST.sub(cut, _YEAR_FIRST.sub(cut, text)), found


def _names_person(text: str) -> bool:
    """`DOE^JOHN`, `Doe, John`, or a whole part like `Doe_John` of words that no label is made of."""
    if _CARET.search(text) or _COMMA.search(text):
        return True
    match = _NAMES.fullmatch(text)
    return match is not None and not {match[1].lower(), match[3].lower()} & _ORDINARY


# national identity numbers, each in the form in which it is written and with its check, so that counters do not match


def _nhs(digits: str) -> bool:
    """United Kingdom: ten digits, the last the check of the others modulo 11."""
    check = -sum(int(d) * weight for d, weight in zip(digits, range(10, 1, -1))) % 11
    return check == int(digits[9]) and len(set(digits)) > 2


def _ssn(digits: str) -> bool:
    """United States: area, group and serial number that are issued."""
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def _born(digits: str) -> bool:
    """Nordic countries: day and month, or month and day, in front."""
    day_first = _valid(1904, int(digits[2:4]), int(digits[:2]))
    return day_first or _valid(1904, int(digits[2:4]), int(digits[4:6]))


def _ean13(digits: str) -> bool:
    """Switzerland: 756 and a check digit as on goods."""
    return sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(digits)) % 10 == 0


_NATIONAL = (
    (re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), _ssn),
    (re.compile(r"(?<![\d-])\d{3}[ -]\d{3}[ -]\d{4}(?![\d-])"), _nhs),
    (re.compile(r"(?<![\d-])\d{6}[-+]\d{4}(?![\d-])"), _born),
    (re.compile(r"(?<!\d)756\.\d{4}\.\d{4}\.\d{2}(?!\d)"), _ean13),
    (re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z](?![A-Za-z0-9])"), lambda digits: True),
    (
        re.compile(r"(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\d)"),
        lambda digits: int(digits[13:]) == 97 - int(digits[:13]) % 97,
    ),
)
"""United States, United Kingdom, Nordic countries, Switzerland, Italy, France."""


def _without_national(text: str) -> tuple[str, bool]:
    found = False
    for pattern, check in _NATIONAL:
        for match in pattern.findall(text):
            if check(re.sub(r"\D", "", match)):
                text, found = text.replace(match, "~"), True
    return text, found
