"""Options that only some layouts read; what would be ignored is refused."""

from __future__ import annotations

from ..core.errors import InputError
from .config import CohortConfig

READ_BY: dict[str, tuple[str, ...]] = {
    "label_from": ("folder", "dicom", "nifti", "huggingface"),
    "image_column": ("table", "huggingface"),
    "subject_column": ("table", "huggingface"),
    "label_column": ("table", "huggingface"),
    "label_columns": ("table", "huggingface"),
    "split_column": ("table", "huggingface"),
    "root": ("table", "filelist"),
    "missing": ("table", "nih", "chexpert", "mimic", "huggingface"),
    "uncertain": ("table", "chexpert", "mimic", "huggingface"),
    "views": ("nih", "chexpert", "mimic"),
    "slice_axis": ("nifti",),
    "slice_range": ("nifti",),
    "slice_step": ("nifti",),
}
"""The options that only some layouts read."""


def refuse_unused(cohort: CohortConfig, layout: str) -> None:
    """An option that the layout does not read is an `InputError`: a split that is ignored would train on controls."""
    fields = CohortConfig.model_fields
    defaults = {name: fields[name].get_default(call_default_factory=True) for name in READ_BY}
    unused = [
        name for name, layouts in READ_BY.items() if layout not in layouts and getattr(cohort, name) != defaults[name]
    ]
    if unused:
        options = ", ".join(f"--{name.replace('_', '-')} ({name})" for name in unused)
        fit = sorted({layout for name in unused for layout in READ_BY[name]})
        raise InputError(
            f"The layout {layout} does not read {options}",
            where="the command line, or [cohort] in study.toml",
            how=f"leave it out, or use the layout {' or '.join(fit)}",
        )
