"""The keys of the table `[cohort]` besides `images`, for type checkers: `layouts.config` says what each means."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class CohortKeys(TypedDict, total=False):
    """What `init_study` may be told of the input, all of it optional."""

    layout: str
    subject: str | None
    label_from: str
    image_column: str
    subject_column: str
    label_column: str
    label_columns: list[str]
    split_column: str | None
    text_column: str | None
    root: str | None
    classes: list[str]
    labels: Literal["all", "chest8"]
    uncertain: Literal["ignore", "zero", "one"]
    missing: Literal["ignore", "zero", "one", "predict"] | None
    views: Literal["all", "frontal"]
    masks: Literal["leave-out", "keep"]
    leave_out: str | None
    official_splits: bool
    split_conflict: Literal["error", "train", "test", "drop"] | None
    control: Literal["held-out", "random"]
    window: tuple[float, float] | None
    slice_axis: Literal["sagittal", "coronal", "axial"]
    slice_range: tuple[float, float]
    slice_step: int
    options: dict[str, Any]
    splits: dict[str, float]
