"""Which layout an input has, from the names of its files and at most a few headers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..core.errors import InputError
from ..core.words import plural
from ..images.archives import ImageArchive, is_image_name, open_archive
from ..images.archives_huggingface import is_saved_dataset
from ..images.formats import DICOM_SUFFIXES, NIFTI_SUFFIXES
from ..images.picture import ImageError
from .chexpert import chexpert_tables
from .columns import is_table_name
from .huggingface import SAVED, metadata_files
from .kermany import is_kermany
from .mednist import is_mednist
from .mimic import MIMIC_TABLE, TABLES
from .names import is_hidden, tables_named
from .nih import NIH_TABLE
from .split_folders import looks_split

LIST_SUFFIXES = (".txt", ".lst", ".list")
PEEKED = 3  # files without a suffix that are opened to see whether they are DICOM


def recognise(path: Path) -> str:
    """The layout of an input.

    A table or a list by its suffix; a folder or zip of a public data set by its tables or, for Kermany and MedNIST, by
    the names of all images; else by the kind of its files: `folder`, `dicom` or `nifti`. Marks of several layouts, or
    files of several kinds, are an `InputError` that asks for `--layout`; so are folders that look like splits, which
    only `huggingface` keeps.
    """
    if path.is_file() and is_table_name(path.name):
        return "table"
    if path.is_file() and path.name.lower().endswith(LIST_SUFFIXES):
        return "filelist"
    if is_saved_dataset(path):
        return "huggingface"
    archive = open_archive(path)
    names = [name for name in archive.names() if not is_hidden(name)]
    found = described_layouts(archive, names, str(path))
    if len(found) > 1:
        _refuse([f"tables of {layout} ({file})" for layout, file in found.items()], path)
    return next(iter(found)) if found else _by_files(archive, names, path)


def described_layouts(archive: ImageArchive, names: Sequence[str], where: str) -> dict[str, str]:
    """Layouts whose tables lie among the files, each with the file that told."""
    found = {}
    if nih := tables_named(names, NIH_TABLE):
        found["nih"] = nih[0]
    if chexpert := chexpert_tables(archive, names, where):
        found["chexpert"] = next(iter(chexpert.values()))
    if mimic := tables_named(names, MIMIC_TABLE.format(f"({'|'.join(TABLES)})")):
        found["mimic"] = mimic[0]
    if metadata := [*tables_named(names, SAVED), *metadata_files(archive, names)]:
        found["huggingface"] = metadata[0]
    return found


def _by_files(archive: ImageArchive, names: Sequence[str], path: Path) -> str:
    """The layout of files that no table describes."""
    images = [name for name in names if is_image_name(name)]
    kinds = {
        "folder": len(images),
        "dicom": sum(name.lower().endswith(DICOM_SUFFIXES) for name in names) or _bare_dicom(archive, names),
        "nifti": sum(name.lower().endswith(NIFTI_SUFFIXES) for name in names),
    }
    seen = [kind for kind, count in kinds.items() if count]
    if not seen:
        return "folder"
    if len(seen) > 1:
        titles = {"folder": "image", "dicom": "DICOM file", "nifti": "NIfTI file"}
        _refuse([plural(kinds[kind], titles[kind], f"{titles[kind]}s") for kind in seen], path)
    if seen == ["folder"] and is_kermany(images):
        return "kermany"
    if seen == ["folder"] and (parts := looks_split(images)):
        raise InputError(
            f"The layout is not clear; the folders look like splits ({', '.join(parts)})",
            where=str(path),
            how="write --layout huggingface to keep these splits, or --layout folder to divide the subjects anew",
        )
    return "mednist" if seen == ["folder"] and is_mednist(images) else seen[0]


def _bare_dicom(archive: ImageArchive, names: Sequence[str]) -> int:
    """How many files without a suffix, as hospitals' archives write them, there are if one is DICOM by its mark."""
    bare = [name for name in names if is_bare(name)]
    for name in bare[:PEEKED]:
        try:
            if archive.open_bytes(name)[128:132] == b"DICM":
                return len(bare)
        except ImageError:
            continue
    return 0


def is_bare(name: str) -> bool:
    """Whether a file's name has no suffix, or one of digits as in a UID (`1.2.840.113619`)."""
    suffix = PurePosixPath(name).suffix
    return not suffix or re.fullmatch(r"\.\d+", suffix) is not None


def _refuse(seen: Sequence[str], path: Path) -> None:
    raise InputError(
        f"The layout is not clear; there are {' and '.join(seen)}",
        where=str(path),
        how="say which is meant with --layout, or move the other files away",
    )
