"""The images of a folder or zip by name, for layouts that find them there."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from ..core.errors import InputError
from ..core.letters import one_spelling, spellings
from ..core.places import resolved
from ..core.words import plural, share
from ..images.archives import IMAGE_SUFFIXES, FolderArchive, ImageArchive, is_hidden, is_image_name
from ..images.formats import DICOM_SUFFIXES, NIFTI_SUFFIXES
from ..images.other_formats import SAVE, UNPACK, told
from ..images.picture import ImageError, split_name
from .listing import LISTED_KINDS, ListedImage, Problems, Refusal, is_packed, suffix_of

SUFFIXES = (*IMAGE_SUFFIXES, *DICOM_SUFFIXES, *NIFTI_SUFFIXES)


def image_names(archive: ImageArchive, path: Path) -> tuple[list[str], list[str]]:
    """Image names of `archive`, sorted, and those of the other files; no image at all is an `InputError`."""
    names = archive.names()
    images = [name for name in names if is_image_name(name)]
    refuse_odd_names(images, path)
    if not images:
        raise no_images(archive, names, path)
    return images, [name for name in names if not is_image_name(name)]


def no_images(archive: ImageArchive, names: Sequence[str], path: Path) -> InputError:
    """What to say of an input without images: what lies there instead, and what may be done with that."""
    kinds = Counter(suffix_of(name) for name in names if not is_hidden(name))
    shown = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(LISTED_KINDS))
    what = f"There are no images here ({plural(len(names), 'other file', 'other files')}{': ' if shown else ''}{shown}"
    hows = ["name a folder or zip with png, jpg, tif, bmp or webp files"]
    found = _what_they_are(archive, names, kinds.most_common(1)[0][0]) if kinds else None
    if found:
        what += f", which {'is' if len(names) == 1 else 'are'} {found[0]}"
        hows = [found[1]]
    if archive.skipped:
        what += f"; {plural(len(archive.skipped), 'link')} to folders not followed, e.g. {archive.skipped[0]!r}"
        hows = ["name the folder that the links lead to, or copy what they lead to"]
    if packed := [name for name in names if is_packed(name)]:
        what += f"; archives, e.g. {packed[0]!r}"
        # nobody unpacks an array or a database of pictures: then what its content says must be done is said alone
        hows = hows if found and found[1] not in (SAVE, UNPACK) else ["unpack the archives, and name the folder"]
    return InputError(f"{what})", where=str(path), how="; ".join(hows))


def _what_they_are(archive: ImageArchive, names: Sequence[str], kind: str) -> tuple[str, str] | None:
    """What the first file of the most frequent suffix is by its content, and what to do with such."""
    first = min(name for name in names if not is_hidden(name) and suffix_of(name) == kind)
    try:
        return told(archive.open_bytes(first))
    except ImageError:
        return None


def refuse_odd_names(images: Sequence[str], path: Path) -> None:
    """`InputError` where an image's name is no plain text."""
    odd = [name for name in images if not name.isprintable() and any(map(_breaks_text, name))]
    if odd:
        raise InputError(
            f"{share(len(odd), len(images), 'image names', 'is', 'are')} not plain text (for example {odd[0]!r})",
            where=str(path),
            how="rename them; names are UTF-8 without control characters",
        )


def _breaks_text(character: str) -> bool:
    """Whether a character is none of text: a control character, a byte that is no UTF-8, a separator of lines."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def is_bare(name: str) -> bool:
    """Whether a file's name has no suffix, or one of digits as in a UID (`1.2.840.113619`)."""
    suffix = PurePosixPath(name).suffix
    return not suffix or re.fullmatch(r"\.\d+", suffix) is not None


def tables_named(names: Sequence[str], pattern: str) -> list[str]:
    """The files among `names` whose own name matches the whole `pattern`, those nearest to the root first."""
    compiled = re.compile(pattern)
    found = [name for name in names if compiled.fullmatch(PurePosixPath(name).name) and not is_hidden(name)]
    return sorted(found, key=lambda name: (name.count("/"), name))


def only_table(names: Sequence[str], pattern: str, where: str) -> str | None:
    """The one file whose own name matches; None if there is none, an `InputError` if it lies in several folders."""
    found = tables_named(names, pattern)
    if len(found) > 1:
        raise InputError(
            f"There are {len(found)} such tables ({', '.join(found[:3])})",
            where=where,
            how="point --images at the folder that holds one data set",
        )
    return found[0] if found else None


class Lookup:
    """Finds the file that a table means by a key of its path, wherever under the root it lies.

    `keys` turns a path into what identifies it in the data set (its own name, or its last folders and name); several
    keys where the path leaves open which it is.
    """

    def __init__(self, names: Sequence[str], keys: Callable[[str], Sequence[str]]) -> None:
        self.keys = keys
        self._names: dict[str, list[str]] = defaultdict(list)
        for name in names:
            for key in keys(name):
                self._names[one_spelling(key)].append(name)
        self._doubled: list[str] = []
        self._found: Counter[str] = Counter()

    def find(self, listed: str, default: str) -> str:
        """The file with a key of `listed`; `default` where there is none, for the quarantine to name it."""
        found = self._files(listed)
        if len(found) > 1 and default not in found:
            self._doubled.append(listed)
        file = default if default in found or not found else found[0]
        self._found[file] += 1
        return file

    def note_doubled(self, problems: Problems) -> None:
        """A problem for files that lie in several folders, and for files that several rows mean."""
        if self._doubled:
            first = self._doubled[0]
            problems.add(
                f"{plural(len(self._doubled), 'listed image lies', 'listed images lie')} in several folders "
                f"(for example {first!r}: "
                f"{', '.join(self._files(first)[:3])})",
                "keep one copy of each, or point --images at the folder that holds one",
            )
        if shared := [file for file, rows in self._found.items() if rows > 1]:
            problems.add(
                f"{plural(len(shared), 'file is', 'files are')} meant by several rows (for example {shared[0]!r})",
                "list each image once, and restore the files that are missing",
            )

    def _files(self, listed: str) -> list[str]:
        return list(dict.fromkeys(name for key in self.keys(listed) for name in self._names.get(one_spelling(key), ())))


def unlisted_note(
    names: Sequence[str], records: Sequence[ListedImage], refused: Sequence[Refusal], tables: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Names of the files that no table lists (the tables themselves among them), and a sentence if images are."""
    listed = {split_name(name)[0] for name in (*(r.image for r in records), *(row[0] for row in refused))}
    ignored = [name for name in names if name not in listed]
    images = sum(is_image_name(name) for name in ignored)
    named = ", ".join(sorted({PurePosixPath(table).name for table in tables}))
    files = plural(images, "image file is", "image files are")
    note = f"{files} not listed in {named} and {'was' if images == 1 else 'were'} left out."
    return ignored, (note,) if images else ()


def no_official_splits(file: str) -> str:
    """A sentence for a public data set without the file that says which split an image is of."""
    return (
        f"The official splits are not there ({file}): all subjects are divided anew, and those of the official test "
        "set may be in train; add the file, or write --no-official-splits if that is meant."
    )


def true_names(archive: ImageArchive, listed: Sequence[str], names: Sequence[str], problems: Problems) -> list[str]:
    """The listed paths as the files among `names` have them, where they differ in letters that nobody can tell apart.

    A file of exactly the listed name counts first. Two files of one look, neither of them named exactly, and two rows
    that mean one file, are problems.
    """
    present = set(names)
    files = {file for name in listed if (file := split_name(name)[0]) not in present}
    if not files:
        return list(listed)
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[_look_of_path(name)].append(name)
    found = {file: alike.get(_look_of_path(file), []) for file in files if not _opens(archive, file)}
    if several := [file for file, others in found.items() if len(others) > 1]:
        problems.add(
            f"{plural(len(several), 'listed image means', 'listed images mean')} several files "
            f"({spellings(found[min(several)][:2])})",
            "rename one of the files, or write its name exactly into the table",
        )
    true = [_in_file(name, found.get(split_name(name)[0], [])) for name in listed]
    if twice := [name for name, count in Counter(true).items() if count > 1]:
        rows = sorted({name for name, file in zip(listed, true, strict=True) if file == twice[0]})
        problems.add(
            f"{plural(len(twice), 'file is', 'files are')} meant by several rows ({spellings(rows[:2])})",
            "list each image once",
        )
    return true


def _look_of_path(name: str) -> str:
    return "/".join(map(one_spelling, name.split("/")))


def _in_file(name: str, files: Sequence[str]) -> str:
    """A listed image in the only file of `files`; the name as it is where there is none or several."""
    fragment = split_name(name)[1]
    return name if len(files) != 1 else f"{files[0]}#{fragment}" if fragment else files[0]


def note_near_names(
    archive: ImageArchive, listed: Sequence[str], names: Sequence[str], problems: Problems
) -> list[str]:
    """What to say where files that a table lists are absent, but lie there with a suffix or in other capitals.

    A problem if no listed file exists, for then all names are written so; else a sentence for the owner. `names` are
    the files that lie there.
    """
    present = set(names)
    files = dict.fromkeys(split_name(name)[0] for name in listed)
    # links to folders are not followed for `names`, and capitals may not matter to the file system
    absent = [file for file in files if file not in present and not _opens(archive, file)]
    if not absent or not names:
        return []
    spelt = {form: name for name in reversed(names) for form in (_bare(name), name.casefold()) if not is_hidden(name)}
    near = [(file, spelt[file.casefold()]) for file in absent if file.casefold() in spelt]
    if not near:
        return []
    what = f"{near[0][0]!r} is {near[0][1]!r}"
    how = "write the names as the files have them, with suffix and in the same capitals"
    if len(absent) == len(files):
        there = plural(len(near), "lies", "lie")
        problems.add(
            f"None of the {len(files)} listed images exists, but {there} there under another spelling ({what})", how
        )
        return []
    have = plural(len(near), "listed image is missing, but lies", "listed images are missing, but lie")
    return [f"{have} there under another spelling ({what}): {how}."]


def _opens(archive: ImageArchive, file: str) -> bool:
    return isinstance(archive, FolderArchive) and os.path.isfile(archive.root / file)


def _bare(name: str) -> str:
    """A path in small letters without the suffix of an image or a volume."""
    lower = name.casefold()
    suffix = next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")
    return lower.removesuffix(suffix)


def names_around(archive: ImageArchive, table: Path) -> list[str]:
    """The files of the folder or zip that a table or list names images in, without the table itself.

    There are none where a folder among them cannot be read: what the table does not name need not be readable.
    """
    try:
        # an archive of its own, for links to folders that the table does not need are no news
        names = FolderArchive(archive.root).names() if isinstance(archive, FolderArchive) else archive.names()
    except InputError:
        return []
    own = resolved(table)
    return [name for name in names if PurePosixPath(name).name != table.name or resolved(archive.root / name) != own]
