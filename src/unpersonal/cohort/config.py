"""Configuration of the cohort stage: where the images are, who is on them, what they show."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ..core.config import Config


def _check_regex(pattern: str, group: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
    if group not in compiled.groupindex:
        raise ValueError(f"{pattern!r} has no group named {group}; write (?P<{group}>…) around it")
    return pattern


class Splits(Config):
    """Fractions of subjects in each split; together 1."""

    train: float = 0.5  # protected, synthesised from
    val: float = 0.2  # half early stopping, half calibration of thresholds
    aux: float = 0.1  # half the auditor's networks, half predicate weights
    test: float = 0.2  # held out: utility test and control group of the audit

    @model_validator(mode="after")
    def _sum_to_one(self) -> Splits:
        fractions = (self.train, self.val, self.aux, self.test)
        if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
            raise ValueError(f"the fractions are each above 0 and add up to 1, not {sum(fractions):g}")
        return self


class CohortConfig(Config):
    """What `unpersonal init` is told about the input.

    Patterns are searched (`re.search`) in the image's path relative to the root of the images, with `/`.
    """

    images: str  # folder, zip, table (.csv .tsv .parquet) or file list (.txt); relative paths start at `base`
    layout: Literal["auto", "folder", "table", "filelist", "kermany"] = "auto"
    subject: str | None = None  # regex with the group `subject`, or "file": every image is its own subject
    label_from: str = "folder"  # "folder": name of the parent folder; else a regex with the group `label`
    image_column: str = "image"  # table: path of the image, relative to `root`
    subject_column: str = "subject"  # table: who is on it (unless `subject` is given)
    label_column: str = "label"  # table: one label or several as a|b
    split_column: str | None = None  # table: train, val, aux or test; absent: split by subject here
    root: str | None = None  # table, filelist: folder or zip of the images; default: the folder of the table or list
    classes: list[str] = Field(
        default_factory=list
    )  # filelist: names of the label columns; else: the labels allowed, in this order
    splits: Splits = Splits()

    @field_validator("subject")
    @classmethod
    def _subject_pattern(cls, value: str | None) -> str | None:
        return value if value is None or value == "file" else _check_regex(value, "subject")

    @field_validator("label_from")
    @classmethod
    def _label_pattern(cls, value: str) -> str:
        return value if value == "folder" else _check_regex(value, "label")

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value) or any(not name.strip() for name in value):
            raise ValueError("class names are distinct and not empty")
        return value
