"""What a layout is: one object that says how an input is recognised and read, and who is on its images.

Each module of the package `known` holds one as `LAYOUT`; other packages offer theirs as entry points of the group
`unpersonal.layouts`. A layout that only has a name, a title and a reader is complete: it is read where it is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.config import Config

if TYPE_CHECKING:
    from ..images.archives import ImageArchive
    from .config import CohortConfig
    from .listing import Listing, Problems

Reader = Callable[["CohortConfig", Path, "ImageArchive"], "Listing"]
"""(configuration, the input on disk, the archive that its images lie in) -> what the input declares."""


class NoOptions(Config):
    """A layout without options of its own: it reads the keys of `[cohort]` itself."""


@dataclass(frozen=True)
class FileKind:
    """The kind of files that a layout consists of, by which it is recognised where no table tells."""

    one: str
    many: str
    """What such files are called, for messages."""
    find: Callable[[ImageArchive, Sequence[str]], list[str]]
    """(archive, names of its files that are not hidden) -> those of this kind."""
    rank: int
    """Order in messages; the lowest is that of an input with no such file at all."""


@dataclass(frozen=True)
class Opener:
    """An input that is neither a plain folder nor a zip, such as a folder that another library saved."""

    fits: Callable[[Path], bool]
    open: Callable[[CohortConfig, Path], ImageArchive]
    files: Callable[[Path], list[str]]
    """Relative paths of the files that it consists of: a cohort is stale as soon as one of them changes."""


@dataclass(frozen=True)
class Word:
    """A value of an option that only this layout understands, such as `dicom:KEYWORD` of `--label-from`."""

    key: str
    """The key of `[cohort]`: `subject` or `label_from`."""
    pattern: str
    """The whole value as a regular expression."""
    what: str
    """What is read then, for the refusal in other layouts."""
    otherwise: str = ""
    """What else may be done in other layouts."""


@dataclass(frozen=True)
class SubjectRule:
    """Who is on an image by the layout's own account, where no option says it."""

    found_in: str
    """Where the subject stands, for the owner."""
    called: str = ""
    """What the input calls a person; empty where it has no name for one."""
    numbered_once: bool = True
    """Whether a subject in several folders is one person: the whole data set numbers its people once."""
    pattern: re.Pattern[str] | None = None
    """Finds the person in a path, where that is where the person stands."""
    name: Callable[[re.Match[str]], str] = lambda match: match["subject"]
    """The person out of a match of `pattern`."""
    with_folders: bool = False
    """Whether that name has the folders before it: their last part is then the person's own."""
    copies: frozenset[str] = frozenset()
    """Folders that repeat people of the folders beside them."""


@dataclass(frozen=True)
class Layout:
    """One way in which an input is laid out. Only the first three fields are needed."""

    name: str
    title: str
    """What it is, as a sentence without its full stop: for the help and the docs."""
    read: Reader
    config: type[Config] = NoOptions
    """Class of the layout's own options, which stand in `[cohort.options]`."""

    # how `auto` recognises it; see `recognise`
    suffixes: tuple[str, ...] = ()
    """Suffixes of an input that is one file, such as a table; empty where the input is a folder or a zip."""
    opener: Opener | None = None
    told_by: Callable[[ImageArchive, Sequence[str], str], str | None] | None = None
    """(archive, names, where) -> the file among them that gives the layout away."""
    kind: FileKind | None = None
    all_named: Callable[[Sequence[str]], bool] | None = None
    """Whether all files, which are of the kind of `instead`, are named as in this layout."""
    instead: str = ""
    """The layout that may have been meant where `auto` recognises this one."""

    # which keys of [cohort] it reads, among those that only some layouts read
    reads: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()
    check: Callable[[CohortConfig, Path, Problems], None] | None = None
    """Notes further options that do not fit an input."""
    classes_name_columns: bool = False
    """Whether `classes` names columns, not the labels that are allowed."""

    official_splits: bool = False
    """Whether the data set comes with splits, which are kept unless `official_splits` is false."""
    keeps_split_folders: bool = False
    """Whether folders train, val and test are splits here, whatever lies in them."""
    splits_from: str = ""
    """How an input of this layout may be given splits: a sentence for whoever has none."""

    subjects: SubjectRule | None = None
    """None where a column or `--subject` says who is on an image."""

    tables: str = ""
    """Regular expression of the names of the tables that it reads among the images."""
    names_files: bool = False
    """Whether its tables may name any file as an image, whatever its suffix."""

    def options(self, config: CohortConfig) -> Config:
        """The layout's own options out of a configuration, an instance of its class `config`."""
        return self.config.model_validate(config.options)
