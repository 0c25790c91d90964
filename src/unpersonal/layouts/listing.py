"""What a reader hands on: one record per image, as the input declares it, before any file is opened."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from ..core.errors import InputError
from ..core.letters import one_spelling
from ..core.words import plural, quoted, share
from ..images.archives import ImageArchive, is_hidden, is_image_name, reaches_outside
from ..images.nested import ARCHIVE_SUFFIXES
from ..images.picture import split_name
from ..images.reasons import Reason

PACKED_SUFFIXES = (
    *ARCHIVE_SUFFIXES,
    ".7z",
    ".rar",
    ".z01",
    ".001",
    ".lz4",
    ".arrow",
    ".tfrecord",
    ".h5",
    ".hdf5",
    ".npz",
)
"""Suffixes of files that hold many others, or many pictures."""
LISTED_LABELS = 5
"""Labels that one message names."""
LISTED_KINDS = 5
"""Kinds of ignored files that one note names."""
LONGEST_NAME, LONGEST_SHOWN = 4096, 100
"""Characters of a path that may be one, and of one that is quoted."""
Refusal = tuple[str, Reason, str]
"""A row of quarantine.csv: path, reason, detail (a sentence)."""


@dataclass(frozen=True)
class ListedImage:
    """One image: relative path (with `#frame=K` or `#slice=K` in a file of several), subject, labels (none to several),
    and the split that the input gives it, if any: train, val, aux, test, or `train-val` where it leaves both open.

    Without labels, `labelled` tells whether none is present or nobody labelled it. `text` is a report: personal data.
    """

    image: str
    subject: str
    labels: tuple[str, ...]
    split: str | None = None
    labelled: bool = True
    text: str | None = field(default=None, repr=False)


class About(NamedTuple):
    """What the input says of an image: how it was taken, of what part of the body, and its sort where it is no plain
    picture (`localizer`, `secondary-capture`, `derived`)."""

    modality: str = ""
    body_part: str = ""
    sort: str = ""


@dataclass(frozen=True)
class Listing:
    """Records of one input in the order of their paths; `classes` names every label that may occur, in order.

    `refused` are images that the layout itself rules out (no subject in the header, an uncertain label, a lateral
    view); images read = records + refused. `official` says that the splits are those of a public data set, not the
    user's own; `notes` are sentences for the owner. `declared` is who the input itself says is on an image (PatientID,
    a column), where `--subject` says something else. `spelt` are the spellings of a subject, where people cannot tell
    several of them apart. `about` tells of images what they are, by their names, where the input says it; `mask_names`
    are files that are named like masks and were not left out as such.
    """

    archive: ImageArchive
    records: tuple[ListedImage, ...]
    classes: tuple[str, ...]
    ignored: int = 0  # files that are no images by name, or that a table does not list
    refused: tuple[Refusal, ...] = ()
    official: bool = False
    notes: tuple[str, ...] = ()
    declared: Mapping[str, str] = field(default_factory=dict)
    layout: str = ""
    ignored_by: Mapping[str, int] = field(default_factory=dict)
    """The ignored files by suffix, hidden ones as `hidden`."""
    spelt: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    about: Mapping[str, About] = field(default_factory=dict)
    mask_names: tuple[str, ...] = ()


class Problems:
    """Collects what is wrong with an input and raises it at once."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._found: list[tuple[str, str]] = []

    def add(self, what: str, how: str) -> None:
        """Note one problem and how to mend it."""
        self._found.append((what, how))

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_any(self) -> None:
        """One `InputError` that names every problem noted, if there is one."""
        if self._found:
            whats, hows = zip(*self._found, strict=True)
            raise InputError("; ".join(whats), where=self.where, how="; ".join(dict.fromkeys(hows)))


def subjects_by_pattern(names: Sequence[str], pattern: str, problems: Problems) -> list[str]:
    """Subject of every relative path by the regex (or `file`); paths without a match are a problem.

    The frames and slices of one file are of one subject.
    """
    if pattern == "file":
        return [split_name(name)[0] for name in names]
    return _groups(names, pattern, "subject", problems, "widen the pattern of --subject, or move those images away")


def labels_by_pattern(names: Sequence[str], label_from: str, problems: Problems) -> list[tuple[str, ...]]:
    """Label of every relative path: its parent folder or the group `label` of the regex."""
    if label_from != "folder":
        how = "widen the pattern of --label-from, or move those images away"
        return [(one_spelling(label),) for label in _groups(names, label_from, "label", problems, how)]
    parents = [PurePosixPath(name).parent.name for name in names]
    loose = [name for name, parent in zip(names, parents, strict=True) if not parent]
    if loose:
        problems.add(
            f"{share(len(loose), len(names), 'images', 'lies', 'lie')} in no folder that could be their label "
            f"(e.g. {loose[0]!r})",
            "put each image into a folder named after its label, or give --label-from a pattern with (?P<label>…)",
        )
    return [(one_spelling(parent),) for parent in parents]


def check_names(names: Sequence[str], problems: Problems) -> list[str]:
    """Normalised relative paths of a table or list; paths that reach outside or are listed twice are problems.

    Backslashes are separators, as Windows writes them.
    """
    names = [name.replace("\\", "/") for name in names]
    bad = [name for name in names if len(name) > LONGEST_NAME or reaches_outside(name)]
    if bad:
        problems.add(
            f"{len(bad)} of {len(names)} image paths cannot be followed: names that are empty or absolute, reach "
            f"outside the root or are no paths (e.g. {bad[0][:LONGEST_SHOWN]!r})",
            "write paths relative to the table or to --root, without a drive or a folder that holds it",
        )
        return list(names)
    plain = [PurePosixPath(name).as_posix() for name in names]
    twice = sorted(name for name, count in Counter(plain).items() if count > 1)
    if twice:
        problems.add(
            f"{plural(len(twice), 'image is', 'images are')} listed more than once (e.g. {twice[0]!r})",
            "list each image once",
        )
    return plain


def choose_classes(labels: Iterable[tuple[str, ...]], allowed: Sequence[str], problems: Problems) -> tuple[str, ...]:
    """`allowed` in its order, or every label sorted; a label that is not allowed is a problem."""
    counts = Counter(label for row in labels for label in row)
    if not allowed:
        return tuple(sorted(counts))
    unknown = sorted(set(counts) - set(allowed))
    for label in unknown[:LISTED_LABELS]:
        problems.add(
            f"{plural(counts[label], 'image has', 'images have')} the label {label!r}, which --classes does not name",
            "add it to --classes, or correct the label",
        )
    if len(unknown) > LISTED_LABELS:
        problems.add(
            f"{plural(len(unknown) - LISTED_LABELS, 'more label is', 'more labels are')} not named either",
            "add them to --classes, or correct the labels",
        )
    return tuple(allowed)


def make_listing(
    archive: ImageArchive,
    records: Iterable[ListedImage],
    classes: tuple[str, ...],
    ignored: Collection[str] = (),
    *,
    tables: Collection[str] = (),
    refused: Iterable[Refusal] = (),
    official: bool = False,
    notes: Iterable[str] = (),
    declared: Mapping[str, str] | None = None,
    about: Mapping[str, About] | None = None,
) -> Listing:
    """A listing in the order of the paths, so that nothing depends on the order of the input.

    `ignored` are the names of the files that were left alone; a note says of which kinds they are, save the `tables`
    among them that the layout did read.
    """
    ordered = tuple(sorted(records, key=lambda record: record.image))
    left_alone = [name for name in ignored if name not in tables]
    said = (*notes, *packed_note(left_alone), *ignored_note(left_alone))
    left = tuple(sorted(refused))
    by = Counter("hidden" if is_hidden(name) else suffix_of(name) for name in ignored)
    return Listing(
        archive,
        ordered,
        classes,
        len(ignored),
        left,
        official,
        said,
        declared or {},
        ignored_by=dict(sorted(by.items())),
        about=about or {},
    )


def ignored_note(names: Iterable[str]) -> list[str]:
    """A sentence that counts files by suffix: what the layout does not read may be images all the same.

    Hidden files say nothing, and files that are images by name have a sentence of their layout's.
    """
    counts = Counter(suffix_of(name) for name in names if not is_hidden(name) and not is_image_name(name))
    if not counts:
        return []
    shown = [f"{count} {suffix}" for suffix, count in counts.most_common(LISTED_KINDS)]
    more = counts.total() - sum(count for _, count in counts.most_common(LISTED_KINDS))
    shown += [f"{more} more"] if more else []
    files = plural(counts.total(), "file of another kind was", "files of other kinds were")
    return [f"{files} ignored: {', '.join(shown)}."]


def is_packed(name: str) -> bool:
    """Whether a path names an archive that may hold images, of a kind that is read or of another."""
    return name.lower().endswith(PACKED_SUFFIXES) and not is_hidden(name)


def packed_note(names: Iterable[str]) -> list[str]:
    """A sentence where archives lie among images: nobody looked into them."""
    packed = sorted(name for name in names if is_packed(name))
    if not packed:
        return []
    lie = plural(len(packed), "archive lies", "archives lie")
    return [
        f"{lie} among the images, and nobody looked into {'it' if len(packed) == 1 else 'them'} (e.g. {packed[0]!r}): "
        "unpack what is not unpacked yet, and move the archives away."
    ]


def suffix_of(name: str) -> str:
    """The suffix of a file in lower case, in words where it has none or is none (a part of a name or of a UID)."""
    suffix = PurePosixPath(name).suffix.lower()
    if not suffix or re.fullmatch(r"\.\d+", suffix):
        return "without suffix"
    return suffix if re.fullmatch(r"\.[a-z0-9_+-]{1,10}", suffix) else "of odd suffixes"


def _groups(names: Sequence[str], pattern: str, group: str, problems: Problems, how: str) -> list[str]:
    # whoever types a pattern composes its letters, and a Mac decomposes those of its files
    compiled = re.compile(unicodedata.normalize("NFC", pattern))
    composed = (unicodedata.normalize("NFC", name) for name in names)
    found = [match.group(group) or "" if (match := compiled.search(name)) else "" for name in composed]
    missed = [name for name, value in zip(names, found, strict=True) if not value]
    if missed:
        problems.add(
            f"The pattern {quoted(pattern)} finds no {group} in {len(missed)} of {len(names)} images "
            f"(e.g. {missed[0]!r})",
            how,
        )
    return found
