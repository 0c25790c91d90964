"""Folders and zips of NIfTI volumes, BIDS or not: each gives the slices that the configuration asks for."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from ...core.errors import InputError
from ...core.progress import progress_bar
from ...core.words import plural, share
from ...images.archives import ImageArchive, is_hidden, is_image_name
from ...images.formats import NIFTI_SUFFIXES
from ...images.nifti import NiftiHeader, read_nifti_header
from ...images.picture import NOTES, ImageError
from ...images.reasons import Reason
from ..columns import archive_columns
from ..config import CohortConfig
from ..folder_words import SERIAL, without_copies
from ..labels import is_blank
from ..layout import FileKind, Layout, SubjectRule, Word
from ..left_out import sort_out
from ..listing import (
    About,
    ListedImage,
    Listing,
    Problems,
    Refusal,
    choose_classes,
    labels_by_pattern,
    make_listing,
    subjects_by_pattern,
)
from ..names import refuse_odd_names, tables_named
from ..split_folders import SPLIT_NAMES, split_folder_note

THREADS = min(16, 4 * (os.cpu_count() or 1))  # they wait for the disk
BIDS_SUBJECT = re.compile(r"(?:^|[/_])(?P<subject>sub-[A-Za-z0-9]+)(?=[/_.])")
PARTICIPANTS = r"participants\.tsv"
LIKELY = ("diagnosis", "dx", "group", "label", "disease", "pathology")
"""Columns of participants.tsv that are most often the label."""
LISTED = 10
PAIR_SUFFIXES = (".img", ".img.gz")
HEAD = re.compile(r"T[12]w|FLAIR|head|brain|face", re.IGNORECASE)
DERIVED = frozenset(("derivatives", "sourcedata"))
MODALITIES = {"anat", "beh", "dwi", "eeg", "fmap", "func", "ieeg", "meg", "micr", "mrs", "nirs", "perf", "pet"}
"""Folders of BIDS that hold the files of a session: how an image was taken, not what it shows."""
SEQUENCE = re.compile(
    r"t[12](w|ce|c|n|f|gd|star|flair)?|t2starw|flair|pdw?|dwi|adc|swi|bold|asl|epi|mp2?rage|uni|ct|cta|cbct|pet|mra?|us|cxr",
    re.IGNORECASE,
)
"""Words that say how a volume was taken, as BIDS, BraTS and others write them."""
Headers = Mapping[str, NiftiHeader]


def read_nifti(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Every .nii and .nii.gz: subject by `--subject` or BIDS `sub-`, label by folder, pattern or participants.tsv.

    Slices are those of `slice_range` and `slice_step` along `slice_axis`; a flat file is one image. `derivatives/` and
    `sourcedata/` are read like the rest, and counted in a note; hidden files are not. Each file refused is one row.
    """
    problems = Problems(str(path))
    names = archive.names()
    headers, errors = _read_headers(archive, path, names)
    ignored = [name for name in names if name not in headers and name not in errors]
    if not headers and not errors:
        raise InputError(
            f"There are no NIfTI files here ({plural(len(ignored), 'other file', 'other files')})",
            where=str(path),
            how="name a folder or zip with .nii or .nii.gz files",
        )
    refused = [(name, error.reason, error.detail) for name, error in errors.items()]
    headers, left = _chosen(config, archive, headers)
    refused += left
    subjects = dict(zip(headers, _subjects(config, list(headers), problems), strict=True))
    labels = _labels(config, archive, names, subjects, refused, problems)
    classes = choose_classes(labels.values(), config.classes, problems)
    problems.raise_any()
    records = [
        ListedImage(image, subjects[name], labels[name])
        for name in labels
        for image in images_of(name, headers[name], config)
    ]
    notes = [*_notes(list(labels), ignored), *split_folder_note(list(labels))]
    tables = tables_named(names, PARTICIPANTS) if config.label_from.startswith("participants:") else ()
    about = {image: _sequence(name) for name in labels for image in images_of(name, headers[name], config)}
    return make_listing(archive, records, classes, ignored, tables=tables, refused=refused, notes=notes, about=about)


def _chosen(
    config: CohortConfig, archive: ImageArchive, headers: Headers
) -> tuple[dict[str, NiftiHeader], list[Refusal]]:
    """The volumes that are read, and why others are not: `--leave-out`, masks, and maps of labels by their header."""
    names, refused = sort_out(config, archive, list(headers))
    if config.masks == "leave-out":
        maps = [name for name in names if headers[name].labels]
        names = [name for name in names if not headers[name].labels]
        refused += [(name, Reason.MASK, "its header says that its values are labels") for name in maps]
    return {name: headers[name] for name in names}, refused


def images_of(name: str, header: NiftiHeader, config: CohortConfig) -> list[str]:
    """Names of the images in a file: `name#slice=K` from the first to the last slice that `slice_range` touches."""
    if header.flat is not None:
        return [name]
    count = header.slices(config.slice_axis)
    first, last = math.floor(config.slice_range[0] * count), math.ceil(config.slice_range[1] * count)
    return [f"{name}#slice={number}" for number in range(first, last, config.slice_step)]


def _read_headers(
    archive: ImageArchive, path: Path, names: Sequence[str]
) -> tuple[dict[str, NiftiHeader], dict[str, ImageError]]:
    """Headers of the NIfTI files among `names`, and why there is none; other files are in neither."""
    present = set(names)
    pairs = [name for name in names if not is_hidden(name) and _is_pair(name, present)]
    volumes = [name for name in names if not is_hidden(name) and name.lower().endswith(NIFTI_SUFFIXES)]
    refuse_odd_names(volumes + pairs, path)

    def read(name: str) -> NiftiHeader | ImageError:
        try:
            return read_nifti_header(archive.open_bytes(name))
        except ImageError as error:
            return error

    headers: dict[str, NiftiHeader] = {}
    errors = {
        name: ImageError(Reason.UNREADABLE, "a pair of .hdr and .img; convert it to one .nii file") for name in pairs
    }
    with ThreadPoolExecutor(THREADS) as threads, progress_bar("reading NIfTI headers", len(volumes)) as bar:
        for name, found in zip(volumes, threads.map(read, volumes), strict=True):
            bar.advance()
            if isinstance(found, NiftiHeader):
                headers[name] = found
            else:
                errors[name] = found
    return headers, errors


def _is_pair(name: str, present: set[str]) -> bool:
    """Whether a file is the voxels of a pair whose header lies beside it."""
    suffix = next((suffix for suffix in PAIR_SUFFIXES if name.lower().endswith(suffix)), None)
    if suffix is None:
        return False
    stem = name[: -len(suffix)]
    return any(stem + ending in present for ending in (".hdr", ".HDR", ".hdr.gz"))


def _subjects(config: CohortConfig, names: Sequence[str], problems: Problems) -> list[str]:
    if config.subject is not None:
        return subjects_by_pattern(names, config.subject, problems)
    missed = Problems("")
    subjects = subjects_by_pattern(names, BIDS_SUBJECT.pattern, missed)
    unknown = [name for name, subject in zip(names, subjects, strict=True) if not subject]
    if unknown:
        problems.add(
            f"{share(len(unknown), len(names), 'volumes', 'is', 'are')} not named after a subject as in BIDS "
            f"(e.g. {unknown[0]!r})",
            "give --subject a pattern with (?P<subject>…), or --subject file if no person is on two volumes",
        )
    return subjects


def _labels(
    config: CohortConfig,
    archive: ImageArchive,
    names: Sequence[str],
    subjects: Mapping[str, str],
    refused: list[Refusal],
    problems: Problems,
) -> dict[str, tuple[str, ...]]:
    """Labels by file; a subject whom participants.tsv gives none is refused, a path that a pattern misses a problem."""
    kind, _, column = config.label_from.partition(":")
    if kind != "participants":
        if kind == "folder":
            _refuse_modality(archive, names, subjects, problems)
        return dict(zip(subjects, labels_by_pattern(list(subjects), config.label_from, problems), strict=True))
    listed = _participants(archive, names, column, problems)
    labels: dict[str, tuple[str, ...]] = {}
    for name, subject in subjects.items():
        value = listed.get(_participant(subject), "")
        if is_blank(value):
            refused.append((name, Reason.NO_LABEL, f"participants.tsv has no {column} of this subject"))
        else:
            labels[name] = (value,)
    return labels


def _refuse_modality(archive: ImageArchive, names: Sequence[str], files: Iterable[str], problems: Problems) -> None:
    """A problem where the folder, which ought to be the label, is that of a modality and participants.tsv is there."""
    tables = tables_named(names, PARTICIPANTS)
    folders = {PurePosixPath(name).parent.name for name in files}
    if len(folders) != 1 or not folders <= MODALITIES or not tables:
        return
    columns = [name for name in archive_columns(archive, tables[0], ()).cells if name != "participant_id"]
    first = next((name for name in LIKELY if name in columns), columns[0] if columns else "COLUMN")
    problems.add(
        f"Every volume lies in the folder {next(iter(folders))!r} of BIDS, which is no label",
        f"take the label from a column of participants.tsv ({', '.join(columns[:LISTED]) or 'it has none'}): "
        f"--label-from participants:{first}",
    )


def _participant(subject: str) -> str:
    return subject.removeprefix("sub-")


def _participants(archive: ImageArchive, names: Sequence[str], column: str, problems: Problems) -> dict[str, str]:
    """`column` of the participants.tsv that lies nearest to the root, by participant without `sub-`."""
    tables = tables_named(names, PARTICIPANTS)
    nearest = [name for name in tables if name.count("/") == tables[0].count("/")]
    if len(nearest) != 1:
        where = f" ({', '.join(nearest[:3])})" if nearest else ""
        problems.add(f"There are {len(nearest)} files participants.tsv at the root{where}", "name one BIDS data set")
        return {}
    table = archive_columns(archive, nearest[0])
    for wanted in ("participant_id", column):
        table.require(wanted, "name a column of participants.tsv with --label-from participants:COLUMN", problems)
    problems.raise_any()
    listed: dict[str, str] = {}
    for subject, value in zip(table.words("participant_id"), table.words(column), strict=True):
        if listed.setdefault(_participant(subject), value) != value:
            problems.add(f"participants.tsv lists {subject!r} twice with different {column}", "list each subject once")
    return listed


def _sequence(name: str) -> About:
    """How a volume was taken, by the last word of its name that says it, else by a folder of BIDS."""
    words = re.split(r"[_.\-]", PurePosixPath(name).name)
    found = next((word.upper() for word in reversed(words) if SEQUENCE.fullmatch(word)), "")
    folder = next((part for part in reversed(PurePosixPath(name).parts[:-1]) if part in MODALITIES), "")
    return About(found or folder)


def _notes(names: Sequence[str], ignored: Iterable[str]) -> list[str]:
    """Sentences for the owner: counts only."""
    notes = []
    if heads := sum(HEAD.search(PurePosixPath(name).name) is not None for name in names):
        notes.append(f"{heads} of {len(names)} volumes: {NOTES['head']} (by their names).")
    if derived := sum(not DERIVED.isdisjoint(PurePosixPath(name).parts) for name in names):
        lie = plural(derived, "volume lies", "volumes lie")
        notes.append(f"{lie} in derivatives/ or sourcedata/ (masks and maps may be among them).")
    if left := sum(is_image_name(name) for name in ignored):
        lie = plural(left, "image file of another kind lies", "image files of other kinds lie")
        notes.append(f"{lie} among the volumes, not read.")
    return notes


def _files(archive: ImageArchive, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.lower().endswith(NIFTI_SUFFIXES)]


def _bids_subject(match: re.Match[str]) -> str:
    """`sub-01` with the folders before it, as two BIDS sets both have one; not with those of visits, splits …"""
    folders = without_copies(match.string[: match.start("subject")].split("/")[:-1], DERIVED)
    kept = [f for f in folders if not SERIAL.fullmatch(f) and f.lower() not in SPLIT_NAMES]
    return "/".join((*kept, match["subject"]))


LAYOUT = Layout(
    name="nifti",
    title="a folder or zip of NIfTI volumes (.nii, .nii.gz), in BIDS or not",
    read=read_nifti,
    kind=FileKind("NIfTI file", "NIfTI files", _files, rank=2),
    reads=("label_from", "slice_axis", "slice_range", "slice_step"),
    words=(Word("label_from", "participants:.+", "participants.tsv"),),
    subjects=SubjectRule(
        "sub-… in the path, as in BIDS",
        called="sub-…",
        numbered_once=False,
        pattern=BIDS_SUBJECT,
        name=_bids_subject,
        with_folders=True,
        copies=DERIVED,
    ),
    tables=PARTICIPANTS,
)
