"""Configuration of the cohort stage: where the images are, who is on them, what they show."""

from __future__ import annotations

import math
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ..core.config import Config
from ..core.words import quoted
from ..images.picture import DecodeOptions

Layout = Literal[
    "auto",
    "folder",
    "table",
    "filelist",
    "nih",
    "chexpert",
    "mimic",
    "kermany",
    "mednist",
    "dicom",
    "nifti",
    "huggingface",
]
Value = Literal["ignore", "zero", "one"]
Missing = Literal["ignore", "zero", "one", "predict"]


def _check_regex(pattern: str, group: str) -> str:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{quoted(pattern)} is no regular expression ({error})") from None
    if group not in compiled.groupindex:
        raise ValueError(f"{quoted(pattern)} has no group named {group}; write (?P<{group}>…) around it")
    return pattern


class Splits(Config):
    """Fractions of subjects in each split; together 1."""

    train: float = Field(0.5, description="protected, synthesised from")
    val: float = Field(0.2, description="half early stopping, half calibration of thresholds")
    aux: float = Field(0.1, description="half the auditor's networks, half predicate weights")
    test: float = Field(0.2, description="held out: utility test and control group of the audit")

    @model_validator(mode="after")
    def _sum_to_one(self) -> Splits:
        fractions = (self.train, self.val, self.aux, self.test)
        if not min(fractions) > 0 or abs(sum(fractions) - 1) > 1e-6:
            raise ValueError(f"the fractions are each above 0 and add up to 1, not {sum(fractions):g}")
        return self


class CohortConfig(Config):
    """What `unpersonal init` is told about the input.

    Patterns are searched (`re.search`) in the image's path relative to the root of the images, with `/`.
    """

    images: str = Field(description="folder, zip, table (.csv .tsv .parquet) or file list (.txt)")
    layout: Layout = Field("auto", description="how the input is laid out; docs/formats.md has them all")
    subject: str | None = Field(
        None, description="regex with the group `subject`; file: every image is one; dicom: PatientID"
    )
    label_from: str = Field(
        "folder", description="folder, a regex with the group `label`, dicom:Keyword, or participants:column (BIDS)"
    )
    image_column: str = Field("image", description="table: path of the image, relative to `root`")
    subject_column: str = Field("subject", description="table: who is on it (unless `subject` is given)")
    label_column: str = Field("label", description="table: one label, or several as a|b")
    label_columns: list[str] = Field(
        default_factory=list, description="table: columns of 1, 0, -1 (uncertain) or blank, instead of label_column"
    )
    split_column: str | None = Field(None, description="table: train, val, aux or test")
    text_column: str | None = Field(None, description="table: report text, for [features] condition = text")
    root: str | None = Field(None, description="table, list: folder or zip that its paths are relative to")
    classes: list[str] = Field(
        default_factory=list, description="list: names of its label columns; else the labels allowed, in this order"
    )
    labels: Literal["all", "chest8"] = Field(
        "all", description="chest8: the paper's eight classes, images with exactly one finding"
    )
    uncertain: Value = Field(
        "ignore", description="labels of -1: ignore leaves the image out, zero and one take it as absent and present"
    )
    missing: Missing | None = Field(
        None,
        description="labels left blank: ignore, zero, one, or predict (train images only, by a classifier); "
        "absent: zero in 0/1 columns, an error in a column of names",
    )
    views: Literal["all", "frontal"] = Field("all", description="frontal leaves lateral radiographs out")
    official_splits: bool = Field(True, description="keep the splits that a public data set comes with")
    split_conflict: Literal["error", "train", "test", "drop"] | None = Field(
        None,
        description="subject in two given splits; absent: error for --split-column, train for a public data set",
    )
    window: tuple[float, float] | None = Field(
        None,
        description="DICOM, NIfTI: centre and width in stored units (HU); absent: the file's own or percentiles",
    )
    slice_axis: Literal["sagittal", "coronal", "axial"] = Field("axial", description="NIfTI: direction of the slices")
    slice_range: tuple[float, float] = Field((0.25, 0.75), description="NIfTI: part of the volume that is cut")
    slice_step: int = Field(1, ge=1, description="NIfTI: every n-th slice of that part")
    splits: Splits = Splits()

    def decoding(self) -> DecodeOptions:
        """The keys that decide how grey values and volumes become pictures."""
        return DecodeOptions(self.window, self.slice_axis)

    @field_validator("subject")
    @classmethod
    def _subject_pattern(cls, value: str | None) -> str | None:
        return value if value in (None, "file", "dicom") else _check_regex(str(value), "subject")

    @field_validator("label_from")
    @classmethod
    def _label_pattern(cls, value: str) -> str:
        if value == "folder" or re.fullmatch(r"dicom:\w+|participants:.+", value):
            return value
        return _check_regex(value, "label")

    @field_validator("classes", "label_columns")
    @classmethod
    def _distinct_names(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value) or any(not name.strip() for name in value):
            raise ValueError("the names are distinct and not empty")
        return value

    @field_validator("window")
    @classmethod
    def _positive_width(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not (all(map(math.isfinite, value)) and value[1] > 0):
            raise ValueError("a window is a centre and a width above 0, both finite")
        return value

    @field_validator("slice_range")
    @classmethod
    def _range_of_fractions(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] < value[1] <= 1:
            raise ValueError("a range is two fractions of the volume, the first below the second")
        return value
