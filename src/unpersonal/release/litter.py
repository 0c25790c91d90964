"""What file managers, editors and network shares leave in a folder that was looked at; it says nothing of a release."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from ..images.contents import FORMATS, may_hold

NAMES = re.compile(
    r"\.DS_Store|\._.*|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r|\.nfs[0-9a-f]+|.*~|\.directory|\.localized"
    r"|\.Spotlight-V100|\.Trashes|\.fseventsd|\.TemporaryItems|\.AppleDouble|__MACOSX|@eaDir|\.~lock\..*#|\..*\.sw[a-p]"
    r"|\.fuse_hidden[0-9a-f]+|\.Trash-\d+|System Volume Information|\.cache|\.gitattributes|\.gitignore",
    re.IGNORECASE,
)
MOST, STUB, NOTE = 2**16, 8, 1024
"""Bytes of litter, of what is too short to say anything, and of what systems write as text."""
VIEW, RESOURCES, COMPOUND = b"\x00\x00\x00\x01Bud1", b"\x00\x05\x16\x07", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of .DS_Store, of AppleDouble, and of the compound file that Thumbs.db is."""
RECORD = re.compile(rb"[0-9a-f]{40}\n\"?[0-9a-f]{40,64}\"?\n\d{9,11}(\.\d{1,9})?\n?")
"""What a client of the Hugging Face Hub writes of each file into .cache: its commit, its hash and the time."""
STORED = re.compile(
    rb"[\w.*/-]{1,32}( -?(text|filter=lfs|diff=lfs|merge=lfs))+|# (Audio|Image|Video) files - (un)?compressed|"
)
"""A line of .gitattributes as hubs write it: which files are large."""
MARKS = tuple(mark for mark, _ in FORMATS if len(mark) > 2)


def is_left_behind(root: Path, name: str, listed: Collection[str] = ()) -> bool:
    """Whether the file `name` below `root` is litter: by its name, or a folder's, and by its content.

    Its content must be none, be that of a file of the release (`listed` are their hex SHA-256), or what such a system
    writes; a name alone would let any picture or table into a release. A link, a pipe and what cannot be read are none.
    """
    path = root / name
    if not any(NAMES.fullmatch(part) for part in PurePosixPath(name).parts) or path.is_symlink() or not path.is_file():
        return False
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST + 1)
    except OSError:
        return False
    if len(data) > MOST:
        return False
    return hashlib.sha256(data).hexdigest() in listed or _is_of_a_system(path.name.lower(), data)


def _is_of_a_system(name: str, data: bytes) -> bool:
    """Whether it is what systems write into a file of this name, or next to nothing."""
    if len(data) <= STUB and not data.startswith(MARKS):
        return True
    if name in ("thumbs.db", "ehthumbs.db") and data.startswith(COMPOUND):
        return not any(mark in data for mark in MARKS)
    if may_hold(data) is not None:
        return False
    if name == ".ds_store" and data.startswith(VIEW):
        return not any(mark in data for mark in MARKS)
    if name.endswith(".metadata"):
        return RECORD.fullmatch(data) is not None
    if name == ".gitattributes":
        return all(STORED.fullmatch(line) for line in data.splitlines())
    if name in ("desktop.ini", ".directory"):
        return len(data) <= NOTE and _text(data).startswith("[")
    return data.startswith(RESOURCES)


def _text(data: bytes) -> str:
    """Text in UTF-8, or in UTF-16 as Windows writes it, without its mark."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, "replace").lstrip()


def is_litter_folder(name: str) -> bool:
    """Whether a folder below a release is one that systems leave behind."""
    return any(NAMES.fullmatch(part) for part in PurePosixPath(name).parts)
