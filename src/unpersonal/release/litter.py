"""What file managers, editors and network shares leave in a folder that was looked at; it says nothing of a release."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from ..images.contents import FORMATS

NAMES = re.compile(
    r"\.DS_Store|\._.*|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r|\.nfs[0-9a-f]+|.*~|\.directory|\.localized"
    r"|\.Spotlight-V100|\.Trashes|\.fseventsd|\.TemporaryItems|\.AppleDouble|__MACOSX|@eaDir|\.~lock\..*#|\..*\.sw[a-p]"
    r"|\.fuse_hidden[0-9a-f]+|\.Trash-\d+|System Volume Information",
    re.IGNORECASE,
)
HEAD = 132
MARKS = tuple(mark for mark, _ in FORMATS if len(mark) > 2)


def is_left_behind(root: Path, name: str) -> bool:
    """Whether the file `name` below `root` is litter: by its name, or a folder's, and no picture or archive by content.

    A link, a pipe and what cannot be read are none.
    """
    path = root / name
    if not any(NAMES.fullmatch(part) for part in PurePosixPath(name).parts) or path.is_symlink() or not path.is_file():
        return False
    try:
        with open(path, "rb") as stream:
            head = stream.read(HEAD)
    except OSError:
        return False
    return not head.startswith(MARKS) and head[128:132] != b"DICM"


def is_litter_folder(name: str) -> bool:
    """Whether a folder below a release is one that systems leave behind."""
    return any(NAMES.fullmatch(part) for part in PurePosixPath(name).parts)
