"""Configuration of the cohort stage: where the images are, who is on them, what they show."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ..core.config import Config, check_options
from ..core.letters import one_spelling
from ..core.words import quoted
from ..images.picture import DecodeOptions
from .registry import AUTO, LAYOUTS, word_of

IN_FILE_SYSTEM = "path"
"""Marks a field that names a file or folder."""
PLAIN_WORDS = {"subject": "file", "label_from": "folder"}
"""What `subject` and `label_from` may be besides patterns and the words of layouts."""
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
    val: float = Field(0.1, description="half early stopping, half strangers to the gate")
    aux: float = Field(0.1, description="half the auditor's networks, half predicate weights; strangers to the gate")
    test: float = Field(0.3, description="held out: utility test and control group of the audit")

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

    IDLE: ClassVar[frozenset[str]] = frozenset({"images", "root"})
    """Where the images lie decides nothing: what lies there is hashed, so that a study and its images may be moved."""

    images: Annotated[str, IN_FILE_SYSTEM] = Field(
        description="folder, zip, table (.csv .tsv .parquet) or file list (.txt) that holds or names the images"
    )
    layout: str = Field(AUTO, description="how the input is laid out; `unpersonal init --help` lists all layouts")
    subject: str | None = Field(
        None,
        description="regex with the group `subject`, searched in each path; file: every image is one; dicom: PatientID",
    )
    label_from: str = Field(
        "folder",
        description="where the label stands: folder, regex with the group `label`, dicom:KEYWORD, or "
        "participants:COLUMN (BIDS)",
    )
    image_column: str = Field("image", description="column of the image paths, relative to `root`")
    subject_column: str = Field("subject", description="column of who is on the image (unless `subject` is given)")
    label_column: str = Field("label", description="column of one label, or several as a|b, a;b or lists")
    label_columns: list[str] = Field(
        default_factory=list, description="columns of 1, 0, -1 (uncertain) or blank, instead of label_column"
    )
    split_column: str | None = Field(None, description="column of given splits: train, val, aux or test")
    text_column: str | None = Field(
        None, description="column of report text, for features.condition = text; never released"
    )
    root: Annotated[str | None, IN_FILE_SYSTEM] = Field(
        None, description="folder or zip that the paths of a table or list are relative to"
    )
    classes: list[str] = Field(
        default_factory=list, description="names of a list's label columns; else the labels allowed, in this order"
    )
    labels: Literal["all", "chest8"] = Field(
        "all", description="scheme of labels; chest8: the paper's eight classes, images with exactly one finding"
    )
    uncertain: Value = Field(
        "ignore", description="labels of -1: ignore leaves the image out, zero and one take it as absent and present"
    )
    missing: Missing | None = Field(
        None,
        description="labels left blank: ignore, zero, one, or predict (train images only, by a classifier); "
        "absent: zero in 0/1 columns, an error in a column of names",
    )
    views: Literal["all", "frontal"] = Field(
        "all", description="which radiographs are read; frontal leaves lateral ones out"
    )
    masks: Literal["leave-out", "keep"] = Field(
        "leave-out",
        description="masks and maps of labels beside their images, as in public data sets; leave-out: they are not "
        "read, and counted in quarantine.csv",
    )
    leave_out: str | None = Field(
        None,
        description="regex searched in each path, and in DICOM also in modality, image type, body part and the words "
        "localizer, secondary-capture and derived; what it finds is not read, and counted in quarantine.csv",
    )
    official_splits: bool = Field(True, description="keep the splits that a public data set comes with")
    split_conflict: Literal["error", "train", "test", "drop"] | None = Field(
        None,
        description="subject in two given splits; absent: error for --split-column, train for a public data set",
    )
    control: Literal["held-out", "random"] = Field(
        "held-out",
        description="control group of the audit; random: where the input gives test, a part of its train people is "
        "held out for the audit alone, since chance must decide who trains",
    )
    window: tuple[float, float] | None = Field(
        None,
        description="centre and width of grey values in stored units, such as 40,80 HU; absent: the file's own or "
        "percentiles",
    )
    slice_axis: Literal["sagittal", "coronal", "axial"] = Field("axial", description="direction of the slices")
    slice_range: tuple[float, float] = Field(
        (0.25, 0.75), description="part of the volume that is cut, from and to as fractions of it"
    )
    slice_step: int = Field(1, ge=1, description="every n-th slice of that part")
    options: dict[str, Any] = Field(default_factory=dict, description="keys of a layout that another package offers")
    splits: Splits = Splits()

    def decoding(self) -> DecodeOptions:
        """The keys that decide how grey values and volumes become pictures."""
        return DecodeOptions(self.window, self.slice_axis)

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        return () if self.layout == AUTO else ((LAYOUTS.kind, self.layout),)

    @field_validator("layout")
    @classmethod
    def _layout_is_known(cls, value: str) -> str:
        if value == AUTO or LAYOUTS.is_ours(value) or value in LAYOUTS.names():
            return value
        raise ValueError(f"there is no layout {quoted(value)}; use one of {', '.join((AUTO, *LAYOUTS.names()))}")

    @field_validator("subject", "label_from")
    @classmethod
    def _pattern_or_word(cls, value: str | None, info: ValidationInfo) -> str | None:
        key = str(info.field_name)
        if value in (None, PLAIN_WORDS[key]) or word_of(key, str(value), info.data.get("layout", AUTO)):
            return value
        return _check_regex(str(value), "subject" if key == "subject" else "label")

    @field_validator("image_column", "subject_column", "label_column", "split_column", "text_column")
    @classmethod
    def _one_spelling(cls, value: str | None) -> str | None:
        return None if value is None else one_spelling(value)

    @field_validator("leave_out")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{quoted(str(value))} is no regular expression ({error})") from None
        return value

    @field_validator("classes", "label_columns")
    @classmethod
    def _distinct_names(cls, value: list[str]) -> list[str]:
        value = [one_spelling(name) for name in value]
        if len(set(value)) != len(value) or any(not name.strip() for name in value):
            raise ValueError("the names are distinct and not empty")
        return value

    @model_validator(mode="after")
    def _options_fit(self) -> CohortConfig:
        if self.layout == AUTO and self.options:
            raise ValueError(f"options: name the layout that reads them ({', '.join(self.options)}), not {AUTO}")
        if self.layout != AUTO:
            check_options(LAYOUTS, self.layout, self.options)
        return self

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
