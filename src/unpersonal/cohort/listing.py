"""What a reader hands on: one record per image, as the input declares it, before any file is opened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..core.errors import InputError
from .sources import Source, reaches_outside

LISTED_LABELS = 5
"""Labels that one message names."""
Refusal = tuple[str, str, str]
"""A row of quarantine.csv: path, reason (a short word), detail (a sentence)."""


@dataclass(frozen=True)
class Record:
    """One image: relative path (with `#frame=K` or `#slice=K` in a file of several), subject, labels (none to several),
    and the split that the input gives it, if any: train, val, aux, test, or `train-val` where it leaves both open.
    """

    image: str
    subject: str
    labels: tuple[str, ...]
    split: str | None = None


@dataclass(frozen=True)
class Listing:
    """Records of one input in the order of their paths; `classes` names every label that may occur, in order.

    `refused` are images that the layout itself rules out (no subject in the header, an uncertain label, a lateral
    view); images read = records + refused. `official` says that the splits are those of a public data set, not the
    user's own; `notes` are sentences for the owner.
    """

    layout: str
    source: Source
    records: tuple[Record, ...]
    classes: tuple[str, ...]
    ignored: int = 0  # files that are no images by name
    refused: tuple[Refusal, ...] = ()
    official: bool = False
    notes: tuple[str, ...] = ()


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
    """Subject of every relative path by the regex (or `file`); paths without a match are a problem."""
    if pattern == "file":
        return list(names)
    return _groups(names, pattern, "subject", problems, "widen the pattern of --subject, or move those images away")


def labels_by_pattern(names: Sequence[str], label_from: str, problems: Problems) -> list[tuple[str, ...]]:
    """Label of every relative path: its parent folder or the group `label` of the regex."""
    if label_from != "folder":
        how = "widen the pattern of --label-from, or move those images away"
        return [(label,) for label in _groups(names, label_from, "label", problems, how)]
    parents = [PurePosixPath(name).parent.name for name in names]
    loose = [name for name, parent in zip(names, parents, strict=True) if not parent]
    if loose:
        problems.add(
            f"{len(loose)} of {len(names)} images lie in no folder that could be their label (e.g. {loose[0]!r})",
            "put each image into a folder named after its label, or give --label-from a pattern with (?P<label>…)",
        )
    return [(parent,) for parent in parents]


def check_names(names: Sequence[str], problems: Problems) -> list[str]:
    """Normalised relative paths of a table or list; paths that reach outside or are listed twice are problems."""
    bad = [name for name in names if reaches_outside(name)]
    if bad:
        problems.add(
            f"{len(bad)} of {len(names)} image paths are empty, absolute or reach outside the root (e.g. {bad[0]!r})",
            "write paths relative to the table or to --root, with /",
        )
    plain = [PurePosixPath(name).as_posix() for name in names]
    twice = sorted(name for name, count in Counter(plain).items() if count > 1)
    if twice:
        problems.add(f"{len(twice)} images are listed more than once (e.g. {twice[0]!r})", "list each image once")
    return plain


def choose_classes(labels: Iterable[tuple[str, ...]], allowed: Sequence[str], problems: Problems) -> tuple[str, ...]:
    """`allowed` in its order, or every label sorted; a label that is not allowed is a problem."""
    counts = Counter(label for row in labels for label in row)
    if not allowed:
        return tuple(sorted(counts))
    unknown = sorted(set(counts) - set(allowed))
    for label in unknown[:LISTED_LABELS]:
        problems.add(
            f"{counts[label]} images have the label {label!r}, which --classes does not name",
            "add it to --classes, or correct the label",
        )
    if len(unknown) > LISTED_LABELS:
        problems.add(
            f"There are {len(unknown) - LISTED_LABELS} more such labels", "add them to --classes, or correct the labels"
        )
    return tuple(allowed)


def make_listing(
    layout: str,
    source: Source,
    records: Iterable[Record],
    classes: tuple[str, ...],
    ignored: int = 0,
    *,
    refused: Iterable[Refusal] = (),
    official: bool = False,
    notes: Iterable[str] = (),
) -> Listing:
    """A listing in the order of the paths, so that nothing depends on the order of the input."""
    ordered = tuple(sorted(records, key=lambda record: record.image))
    return Listing(layout, source, ordered, classes, ignored, tuple(sorted(refused)), official, tuple(notes))


def _groups(names: Sequence[str], pattern: str, group: str, problems: Problems, how: str) -> list[str]:
    compiled = re.compile(pattern)
    found = [match.group(group) or "" if (match := compiled.search(name)) else "" for name in names]
    missed = [name for name, value in zip(names, found, strict=True) if not value]
    if missed:
        problems.add(
            f"The pattern {pattern!r} finds no {group} in {len(missed)} of {len(names)} images (e.g. {missed[0]!r})",
            how,
        )
    return found
