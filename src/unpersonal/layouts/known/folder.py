"""Nested folders of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...images.archives import ImageArchive, is_image_name
from ..config import CohortConfig
from ..layout import FileKind, Layout
from ..left_out import sort_out
from ..listing import (
    ListedImage,
    Listing,
    Problems,
    choose_classes,
    labels_by_pattern,
    make_listing,
    subjects_by_pattern,
)
from ..names import image_names
from ..split_folders import split_folder_note


def read_folder(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Nested folders: subject by `--subject`, label by the parent folder or by `--label-from`."""
    problems = Problems(str(path))
    found, ignored = image_names(archive, path)
    names, refused = sort_out(config, archive, found)
    if config.subject is None:
        problems.add(
            "Nothing says which images show the same person",
            r"give --subject a pattern such as '(?P<subject>sub-\d+)', or --subject file if no person is on two images",
        )
        problems.raise_any()
    subjects = subjects_by_pattern(names, config.subject or "file", problems)
    labels = labels_by_pattern(names, config.label_from, problems)
    classes = choose_classes(labels, config.classes, problems)
    problems.raise_any()
    records = (ListedImage(*fields) for fields in zip(names, subjects, labels, strict=True))
    return make_listing(archive, records, classes, ignored, refused=refused, notes=split_folder_note(names))


def _images(archive: ImageArchive, names: Sequence[str]) -> list[str]:
    return [name for name in names if is_image_name(name)]


LAYOUT = Layout(
    name="folder",
    title="a folder or zip of images, nested at will",
    read=read_folder,
    kind=FileKind("image", "images", _images, rank=0),
    reads=("label_from",),
)
