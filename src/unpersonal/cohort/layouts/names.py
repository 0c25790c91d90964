"""The images of a folder or zip by name, for layouts that find them there."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import InputError
from ..sources import Source, is_image_name


def image_names(source: Source, path: Path) -> tuple[list[str], int]:
    """Image names of `source`, sorted, and the number of other files; none at all is an `InputError`."""
    names = source.names()
    images = [name for name in names if is_image_name(name)]
    odd = [name for name in images if not name.isprintable()]
    if odd:
        raise InputError(
            f"{len(odd)} of {len(images)} image names are not plain text (for example {odd[0]!r})",
            where=str(path),
            how="rename them; names are UTF-8 without control characters",
        )
    if not images:
        raise InputError(
            f"There are no images here ({len(names)} other files)",
            where=str(path),
            how="name a folder or zip with png, jpg, tif, bmp or webp files",
        )
    return images, len(names) - len(images)
