"""Folders and zips of DICOM files: who is on them and what they show stands in their headers."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from ...core.errors import InputError
from ...core.letters import is_undecodable, one_spelling
from ...core.progress import progress_bar
from ...core.words import plural
from ...images.archives import ImageArchive, is_hidden, is_image_name
from ...images.dicom import DicomHeader, read_header
from ...images.formats import DICOM_SUFFIXES
from ...images.picture import NOTES, ImageError
from ...images.reasons import Reason
from ..config import CohortConfig
from ..layout import FileKind, Layout, SubjectRule, Word
from ..left_out import is_left_out, left_out
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
from ..names import is_bare, refuse_odd_names
from ..split_folders import split_folder_note

THREADS = min(16, 4 * (os.cpu_count() or 1))  # they wait for the disk
PEEKED = 3
"""Files without a suffix that are opened to see whether they are DICOM."""
UNNAMED = re.compile(r"[^.]+|.*\.\d+")  # no suffix, or that of a UID (1.2.840.…): the mark in the file decides
LABEL_KINDS = {"CS", "LO", "SH", "IS", "DS", "US", "SS", "AS", "LT", "ST", "UC", "UT"}
PERSONAL = re.compile(r"Patient(ID|Address)|OtherPatient|IssuerOf|AccessionNumber|StudyID|Telephone|Insurance|Serial")
Headers = Mapping[str, DicomHeader]


def read_dicom(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """DICOM files wherever they lie: subject by PatientID (or `--subject`), label by folder, pattern or keyword.

    Files are taken by suffix (.dcm .dicom .ima) or, without one, by the DICOM mark; DICOMDIR is ignored. Each frame is
    an image, each file refused one row. An id that several issuers gave is joined with its issuer.
    """
    problems = Problems(str(path))
    keyword = _label_keyword(config, problems)
    problems.raise_any()
    names = archive.names()
    headers, errors = _read_headers(archive, path, names, (keyword,) if keyword else ())
    ignored = [name for name in names if name not in headers and name not in errors]
    if not headers and not errors:
        raise InputError(
            f"There are no DICOM files here ({len(ignored)} other files)",
            where=str(path),
            how="name a folder or zip with .dcm, .dicom or .ima files, or files with the DICOM mark and no suffix",
        )
    refused = [(name, error.reason, error.detail) for name, error in errors.items()]
    gone = {name for name, header in headers.items() if is_left_out(config, name, _said(header))}
    refused += map(left_out, sorted(gone))
    headers = {name: header for name, header in headers.items() if name not in gone}
    subjects = _subjects(config, headers, refused, problems)
    labels = _labels(config, {name: headers[name] for name in subjects}, keyword, refused, problems)
    classes = choose_classes(labels.values(), config.classes, problems)
    problems.raise_any()
    records = [
        ListedImage(image, subjects[name], labels[name])
        for name in labels
        for image in images_of(name, headers[name].frames)
    ]
    read = {name: headers[name] for name in labels}
    declared: dict[str, str] = {}
    notes = [*_notes(read, ignored), *_no_pictures_note(errors), *split_folder_note(list(read))]
    if _by_header(config):
        notes = [*_issuer_note(read), *notes]
    else:
        own = _own_subjects(headers)
        declared = {image: own[name][0] for name in labels for image in images_of(name, headers[name].frames)}
    about = {
        image: About(header.modality.upper(), header.body_part.upper(), header.sort)
        for name, header in read.items()
        for image in images_of(name, header.frames)
    }
    return make_listing(
        archive, records, classes, ignored, refused=refused, notes=notes, declared=declared, about=about
    )


def _said(header: DicomHeader) -> str:
    """What `--leave-out` is searched in besides the path."""
    return " ".join((header.modality, "\\".join(header.image_type), header.body_part, header.sort))


def images_of(name: str, frames: int) -> list[str]:
    """Names of the images in a file: its own for one frame, `name#frame=K` for each of several."""
    return [name] if frames == 1 else [f"{name}#frame={number}" for number in range(frames)]


def _label_keyword(config: CohortConfig, problems: Problems) -> str | None:
    """The keyword of `dicom:Keyword`; one that is none, or would put a person into the release, is a problem."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    kind, _, keyword = config.label_from.partition(":")
    if kind != "dicom":
        return None
    how = "name a keyword that says what the image shows, such as dicom:BodyPartExamined"
    tag = tag_for_keyword(keyword)
    if tag is None:
        problems.add(f"DICOM has no keyword {keyword!r}", how)
    elif dictionary_VR(tag) not in LABEL_KINDS or PERSONAL.search(keyword):
        problems.add(f"The DICOM keyword {keyword} cannot be a label: labels are released", how)
    return keyword


def _read_headers(
    archive: ImageArchive, path: Path, names: Sequence[str], keywords: Sequence[str]
) -> tuple[dict[str, DicomHeader], dict[str, ImageError]]:
    """Headers of the DICOM files among `names`, and why there is none; other files are in neither."""
    candidates = [name for name in names if _may_be_dicom(name)]
    refuse_odd_names(candidates, path)

    def read(name: str) -> DicomHeader | ImageError | None:
        try:
            data = archive.open_bytes(name)
            if not name.lower().endswith(DICOM_SUFFIXES) and data[128:132] != b"DICM":
                return None
            return read_header(data, keywords)
        except ImageError as error:
            return error

    headers, errors = {}, {}
    with ThreadPoolExecutor(THREADS) as threads, progress_bar("reading DICOM headers", len(candidates)) as bar:
        for name, found in zip(candidates, threads.map(read, candidates), strict=True):
            bar.advance()
            if isinstance(found, DicomHeader):
                headers[name] = found
            elif found is not None:
                errors[name] = found
    return headers, errors


def _may_be_dicom(name: str) -> bool:
    file = PurePosixPath(name).name
    if is_hidden(name) or file.upper() == "DICOMDIR":
        return False
    return file.lower().endswith(DICOM_SUFFIXES) or UNNAMED.fullmatch(file) is not None


def _subjects(config: CohortConfig, headers: Headers, refused: list[Refusal], problems: Problems) -> dict[str, str]:
    """Subject by file; a file whose header does not name one is refused."""
    if not _by_header(config):
        return dict(zip(headers, subjects_by_pattern(list(headers), str(config.subject), problems), strict=True))
    own = _own_subjects(headers)
    refused += [(name, Reason.NO_SUBJECT, why) for name, (subject, why) in own.items() if not subject]
    return {name: subject for name, (subject, _) in own.items() if subject}


def _by_header(config: CohortConfig) -> bool:
    """Whether PatientID says who is on an image."""
    return config.subject in (None, "dicom")


def _own_subjects(headers: Headers) -> dict[str, tuple[str, str]]:
    """Subject by file as the headers say it; none, and why, where they do not."""
    issuers = _issuers(headers.values())
    joined = any(len(names) > 1 for names in issuers.values())
    found = {}
    for name, header in headers.items():
        several = len(issuers[header.patient_id]) > 1
        if not header.patient_id:
            found[name] = ("", "the header has no PatientID")
        elif several and not header.issuer:
            found[name] = ("", "several issuers gave this PatientID, and the header names none")
        else:
            # escaped, or issuer a with id b:c, issuer a:b with id c, and the plain id a:b:c would be one person
            own = _escaped(header.patient_id) if joined else header.patient_id
            found[name] = (f"{_escaped(header.issuer.casefold())}:{own}" if several else own, "")
    return found


def _escaped(text: str) -> str:
    """Text in which no colon stands alone."""
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _issuers(headers: Iterable[DicomHeader]) -> dict[str, set[str]]:
    """The issuers named with each PatientID, whatever their capitals."""
    issuers: dict[str, set[str]] = defaultdict(set)
    for header in headers:
        issuers[header.patient_id] |= {header.issuer.casefold()} - {""}
    return issuers


def _labels(
    config: CohortConfig, headers: Headers, keyword: str | None, refused: list[Refusal], problems: Problems
) -> dict[str, tuple[str, ...]]:
    """Labels by file; a file whose header lacks the keyword is refused, one that a pattern misses is a problem."""
    if keyword is None:
        return dict(zip(headers, labels_by_pattern(list(headers), config.label_from, problems), strict=True))
    labels = {}
    for name, header in headers.items():
        values = [one_spelling(value) for value in header.values[keyword]]
        if any(map(is_undecodable, header.values[keyword])):
            refused.append((name, Reason.NO_LABEL, f"{keyword} has letters that could not be decoded"))
        elif values := [value for value in values if value]:
            labels[name] = tuple(dict.fromkeys(values))
        else:
            refused.append((name, Reason.NO_LABEL, f"the header has no {keyword}"))
    return labels


def _notes(headers: Headers, ignored: Sequence[str]) -> list[str]:
    """Sentences for the owner: counts only, no name and no id."""
    said = Counter(note for header in headers.values() for note in header.notes)
    notes = [
        f"{said[word]} of {len(headers)} DICOM files: {sentence}." for word, sentence in NOTES.items() if said[word]
    ]
    instances = Counter(header.instance for header in headers.values() if header.instance)
    if repeated := sum(count - 1 for count in instances.values()):
        notes.append(f"{repeated} DICOM files repeat the SOPInstanceUID of another.")
    if left := sum(is_image_name(name) for name in ignored):
        notes.append(f"{left} image files of other kinds lie among the DICOM files and were left out.")
    return notes


def _no_pictures_note(errors: Mapping[str, ImageError]) -> list[str]:
    """A sentence that counts the objects that are no pictures, by what they are."""
    kinds = Counter(error.detail for error in errors.values() if error.reason == Reason.NO_PIXELS)
    if not kinds:
        return []
    shown = ", ".join(f"{count} {kind.removeprefix('no image: ')}" for kind, count in kinds.most_common())
    are = plural(kinds.total(), "DICOM object is no picture and was", "DICOM objects are no pictures and were")
    return [f"{are} left out: {shown}."]


def _issuer_note(headers: Headers) -> list[str]:
    """A sentence where the issuer is a part of subjects' names."""
    joined = sum(len(issuers) > 1 for issuers in _issuers(headers.values()).values())
    said = f"{joined} PatientIDs were given by several issuers; their subjects are named issuer:id."
    return [said] if joined else []


def _files(archive: ImageArchive, names: Sequence[str]) -> list[str]:
    """The DICOM files by suffix; if there is none, all files without one, as hospitals' archives write them."""
    return [name for name in names if name.lower().endswith(DICOM_SUFFIXES)] or _bare_files(archive, names)


def _bare_files(archive: ImageArchive, names: Sequence[str]) -> list[str]:
    """The files without a suffix, if one of the first few has the DICOM mark."""
    bare = [name for name in names if is_bare(name)]
    for name in bare[:PEEKED]:
        try:
            if archive.open_bytes(name)[128:132] == b"DICM":
                return bare
        except ImageError:
            continue
    return []


LAYOUT = Layout(
    name="dicom",
    title="a folder or zip of DICOM files (.dcm, .dicom, .ima, or without a suffix)",
    read=read_dicom,
    kind=FileKind("DICOM file", "DICOM files", _files, rank=1),
    reads=("label_from",),
    words=(
        Word("subject", "dicom", "the patient from DICOM headers", "name the subject by a column or a pattern"),
        Word("label_from", r"dicom:\w+", "labels from DICOM headers"),
    ),
    subjects=SubjectRule("PatientID in the DICOM headers", called="PatientID", numbered_once=False),
)
