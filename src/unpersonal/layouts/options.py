"""Options that only some layouts read; what would be ignored is refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ..core.errors import InputError
from ..images.archives import ImageArchive, is_image_name
from ..images.decode import bits_of
from ..images.picture import ImageError, split_name
from .config import CohortConfig
from .listing import Problems
from .registry import AUTO, LAYOUTS, readers_of

if TYPE_CHECKING:
    import pandas as pd

SHALLOW = 8
"""Bits per channel up to which a window changes nothing."""
PEEKED = 64
"""Images, spread over all, whose headers are looked at first for one that a window changes."""


def given_options(cohort: CohortConfig, named: Collection[str] | None = None) -> set[str]:
    """The options that somebody gave: those that differ from their defaults, and the `named`, whatever their value.

    Where `named` is None, it stands for the keys that `cohort` was made from. It is empty for a study.toml: `init`
    wrote its keys, and one that is the default says nothing, whichever others were deleted or did not exist then.
    """
    fields = CohortConfig.model_fields
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    named = cohort.model_fields_set if named is None else named
    return {name for name, default in defaults.items() if name in named or getattr(cohort, name) != default}


def refuse_unused(cohort: CohortConfig, layout: str, named: Collection[str] | None = None) -> None:
    """An option that the layout does not read is an `InputError`: a split that is ignored would train on controls.

    `named` as in `given_options`.
    """
    given = given_options(cohort, named)
    read = LAYOUTS.get(layout).reads
    unused = [name for name in CohortConfig.model_fields if name in given and name not in read and readers_of(name)]
    if unused:
        fit = sorted({reader for name in unused for reader in readers_of(name)})
        raise InputError(
            f"The layout {layout} does not read {', '.join(map(option, unused))}",
            where="the command line, or [cohort] in study.toml",
            how=f"leave it out, or use the layout {' or '.join(fit)}",
        )


def note_rivals(cohort: CohortConfig, problems: Problems, named: Collection[str] | None = None) -> None:
    """Two options that say the same thing in two ways are a problem: one of them would be ignored.

    `named` as in `given_options`.
    """
    given = given_options(cohort, named)
    for one, other, what in (
        ("subject", "subject_column", "who is on an image"),
        ("label_columns", "label_column", "which column is the label"),
    ):
        if one in given and other in given:
            problems.add(f"{option(one)} and {option(other)} both say {what}", "leave one of them out")


def option(name: str) -> str:
    """A key of `[cohort]` as the option of `unpersonal init`."""
    return "--no-official-splits" if name == "official_splits" else f"--{name.replace('_', '-')}"


def label_options(layout: str) -> str:
    """The options that say where a layout's labels are, for a sentence; `--classes` where the data set says it."""
    reads = LAYOUTS.get(layout).reads
    return " or ".join(option(name) for name in ("label_from", "label_column") if name in reads) or "--classes"


def place(cohort: CohortConfig, layout: str, where: str) -> str:
    """Where an input was read, with its layout where `auto` found that, and what else may have been meant."""
    if cohort.layout != AUTO:
        return where
    other = LAYOUTS.get(layout).instead
    instead = f"; else --layout {other}" if other else ""
    return f"{where}, layout {layout} (recognised{instead})"


def refuse_idle_window(cohort: CohortConfig, images: Sequence[str], archive: ImageArchive) -> None:
    """As `idle_window` where it raises, before anything is decoded: by the headers, up to the first deep image."""
    if cohort.window is None or not images or not all(is_image_name(split_name(image)[0]) for image in images):
        return
    step = max(1, len(images) // PEEKED)
    seen = False
    for image in (image for start in range(step) for image in images[start::step]):
        try:
            bits = bits_of(archive.open_bytes(split_name(image)[0]))
        except ImageError:
            continue
        if bits > SHALLOW:
            return
        seen = True
    if seen:
        raise _no_use_of_window(cohort)


def idle_window(cohort: CohortConfig, images: Sequence[str], facts: pd.DataFrame) -> str:
    """A sentence where `--window` changes nothing in some raster images, for they have 8 bits or colour.

    `facts` has a row for each of the kept `images`. A window that changes nothing in any image
    is an `InputError`.
    """
    if cohort.window is None:
        return ""
    raster = [is_image_name(split_name(image)[0]) for image in images]
    idle = sum(
        flat and (bits <= SHALLOW or channels > 1)
        for flat, bits, channels in zip(raster, facts["bits"], facts["channels"], strict=True)
    )
    if idle and idle == len(images):
        raise _no_use_of_window(cohort)
    return f"--window changes nothing in {idle} of {len(images)} images, which have 8 bits or colour." if idle else ""


def _no_use_of_window(cohort: CohortConfig) -> InputError:
    return InputError(
        "--window is about images deeper than 8 bits, and every image here has 8 bits or colour",
        where=cohort.images,
        how="leave out --window",
    )
