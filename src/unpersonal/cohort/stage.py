"""The cohort stage: read and check the input, write cohort.parquet, quarantine.csv and understanding.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.files import write_json
from ..core.stages import nothing
from ..images.config import ImagesConfig
from ..layouts.config import CohortConfig
from .figures import CohortFigures
from .inspect.understanding import Understanding
from .read import Needs, Reading, read
from .refusals import write_quarantine
from .table import Cohort
from .texts import save_texts


def run_stage(
    study: Path,
    config: CohortConfig,
    *,
    seed: int,
    images: ImagesConfig | None = None,
    needs: Needs | None = None,
    begin: Callable[[], None] = nothing,
) -> CohortFigures:
    """Write the cohort of `study` (relative paths of the configuration start there) and return its figures.

    The images are prepared as `images` says, in store/, for the stages that follow. Figures are aggregates: no path,
    no subject. `begin` is called when the input has been read, before the cohort is written: a wrong input is an
    `InputError` before. `config` is that of a study.toml: a default says nothing there.
    """
    reading = read(
        config,
        seed,
        study,
        images=images,
        store=study / "store",
        workers=images.workers if images else 0,
        read_text=images.read_text if images else "never",
        needs=needs,
        named=(),
    )
    begin()
    write_reading(study, reading)
    return figures(reading.cohort, reading.understanding)


def figures(cohort: Cohort, understanding: Understanding) -> CohortFigures:
    """Counts of images, subjects and labels, in all and by split, and what was suspicious.

    They go into the evidence of a release, where counts under five are hidden: so no table of labels by split, from
    which a hidden one could be had by subtraction; and nothing that other tables of the configuration decide, for these
    may change while the cohort stays. The whole is in understanding.json.
    """
    per_label = cohort.targets.sum(axis=0)
    bare = ~cohort.labelled
    return CohortFigures(
        layout=understanding.layout,
        read=understanding.read,
        images=understanding.images,
        subjects=understanding.subjects,
        ignored=understanding.ignored,
        duplicates=understanding.duplicates,
        text=understanding.text,
        quarantined=sum(understanding.quarantined.values()),
        quarantine_reasons=understanding.quarantined,
        classes=cohort.classes,
        colour=cohort.colour,
        images_by_split={split: counts["images"] for split, counts in understanding.splits.items()},
        subjects_by_split={split: counts["subjects"] for split, counts in understanding.splits.items()},
        images_by_label={label: int(count) for label, count in zip(cohort.classes, per_label, strict=True)},
        unlabelled_images=int(bare.sum()) if bare.any() else None,
        unlabelled_subjects=len(set(cohort.subjects[bare])) if bare.any() else None,
    )


def write_reading(study: Path, reading: Reading) -> None:
    """Write what `read` found into `study`; understanding.json and the texts stay in the building."""
    write_quarantine(study / "quarantine.csv", reading.quarantine)
    write_json(study / "understanding.json", reading.understanding.to_dict())
    save_texts(study, reading.cohort.table["image"].tolist(), reading.texts)
    reading.cohort.save(study)
