"""Why an image is refused: the words of the column `reason` in quarantine.csv, each with what it means."""

from __future__ import annotations

from enum import Enum


class Reason(str, Enum):
    """One word for quarantine.csv; equal to its text, and written as it.

    `meaning` is a phrase for people. `hint` says how to mend an input of which everything is refused for this reason,
    where there is a general way. `chosen` reasons follow from an option of the owner: the image itself is sound.
    """

    meaning: str
    hint: str
    chosen: bool

    def __new__(cls, word: str, meaning: str = "", hint: str = "", chosen: bool = False) -> Reason:
        """A member whose text is `word`."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning, member.hint, member.chosen = meaning, hint, chosen
        return member

    __str__ = str.__str__

    MISSING = "missing", "listed, but there is no such file, frame or slice"
    EMPTY = "empty", "no content"
    UNREADABLE = "unreadable", "damaged, encrypted, no image, or its decoder died"
    CONSTANT = "constant", "every pixel has the same value"
    NOT_FINITE = "not-finite", "NaN or infinite pixel values"
    TOO_LARGE = "too-large", "over the limits above"
    TOO_SMALL = "too-small", "a side under 8 pixels"
    ASPECT = "pixel-aspect", "a header that gives pixels over 32 times as long as wide"
    FRAMES = (
        "frames",
        "several frames in one raster file",
        "save each page or frame as a file of its own (ImageMagick: `convert pages.tif page-%03d.png`)",
    )
    DIMENSIONS = "dimensions", "a 4-D series, or a volume that is not one picture"
    OUTSIDE = (
        "outside",
        "a link or name that leads out of the folder",
        "name the folder that the files themselves lie in, or copy what the links lead to (`cp -rL`)",
    )
    NO_PIXELS = (
        "no-pixels",
        "a DICOM object that is no picture (report, plan, dose, segmentation, map …), by its SOP class",
    )
    MASK = "mask", "a segmentation mask or map of labels beside its image, under `--masks leave-out`", "", True
    LEFT_OUT = "left-out", "found by the pattern of `--leave-out`", "", True
    NO_SUBJECT = (
        "no-subject",
        "a DICOM file without PatientID",
        "give --subject a pattern that finds the person in the path",
    )
    SUBJECT_UNKNOWN = (
        "subject-unknown",
        "its subject is a placeholder (`N/A`, `unknown`), a number that a spreadsheet has shortened, or has letters "
        "that could not be decoded",
        "name who is on them in another column (--subject-column), or with a pattern in the path (--subject)",
    )
    NO_LABEL = "no-label", "a DICOM or NIfTI file without label", "take the label from elsewhere with --label-from"
    LABEL_MISSING = (
        "label-missing",
        "its label is blank, under `--missing ignore`; outside train also under `predict`",
        "say with --missing how blank labels are read",
        True,
    )
    LABEL_UNCERTAIN = (
        "label-uncertain",
        "its label is −1, under `--uncertain ignore`",
        "say with --uncertain how labels of -1 are read",
        True,
    )
    SEVERAL_FINDINGS = "several-findings", "more than one finding, where the label scheme takes one", "", True
    OTHER_FINDING = "other-finding", "no finding of the label scheme", "", True
    VIEW = "view", "lateral, under `--views frontal`", "", True
    SPLIT_CONFLICT = "split-conflict", "its subject is in two given splits, under `--split-conflict drop`", "", True
