"""What the input of a cohort is, by content: the stage is stale as soon as a byte of it changes."""

from __future__ import annotations

from pathlib import Path

from ..core.hashing import hash_json, sha256_bytes, sha256_file
from .config import CohortConfig
from .readers import image_source, input_path
from .sources import FolderSource, ImageError, Source


def fingerprint(config: CohortConfig, *, base: Path) -> str:
    """Hex SHA-256 over the names and contents of the table, list, zip or image files that `config` names.

    An input that is gone is an `InputError`.
    """
    path, source = input_path(config, base), image_source(config, base)
    contents = {"input": sha256_file(path) if path.is_file() else ""}
    if isinstance(source, FolderSource):
        contents.update((f"images/{name}", _content(source, name)) for name in source.image_names())
    else:
        contents["images"] = sha256_file(source.root)
    return hash_json(contents)


def _content(source: Source, name: str) -> str:
    """Hash of one file, or why it cannot be read: what the reader would quarantine must not stop the run."""
    try:
        return sha256_bytes(source.open_bytes(name))
    except ImageError as error:
        return error.reason
