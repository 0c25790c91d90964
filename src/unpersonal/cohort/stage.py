"""The cohort stage: read and check the input, write cohort.parquet, quarantine.csv and understanding.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.files import write_json, write_text
from ..images.preprocess import PreprocessConfig
from ..layouts.config import CohortConfig
from ..layouts.listing import Refusal
from .inspect.understanding import Understanding
from .read import Needs, read_with_texts
from .table import Cohort
from .texts import save_texts

QUARANTINE_COLUMNS = ("path", "reason", "detail")


def run_stage(
    study: Path,
    config: CohortConfig,
    *,
    seed: int,
    codec: PreprocessConfig | None = None,
    needs: Needs | None = None,
) -> dict[str, Any]:
    """Write the cohort of `study` (relative paths of the configuration start there) and return its counts.

    The images are prepared as `codec` says, for the stage that follows. Figures are aggregates: no path, no subject.
    Raises `InputError` before the cohort is written. `config` is that of a study.toml: a default says nothing there.
    """
    cohort, quarantine, understanding, texts = read_with_texts(
        config,
        seed,
        study,
        codec=codec,
        store=study / "store",
        workers=getattr(codec, "workers", 0),
        needs=needs,
        named=(),
    )
    write_cohort(study, cohort, quarantine, understanding, texts)
    return figures(cohort, understanding)


def figures(cohort: Cohort, understanding: Understanding) -> dict[str, Any]:
    """Counts of images, subjects and labels, in all and by split, and what was suspicious.

    They go into the evidence of a release, where counts under five are hidden: so no table of labels by split, from
    which a hidden one could be had by subtraction; and nothing that other tables of the configuration decide, for these
    may change while the cohort stays. The whole is in understanding.json.
    """
    found = understanding.figures()
    per_label = cohort.targets.sum(axis=0)
    bare = ~cohort.labelled
    unlabelled = {
        "unlabelled_images": int(bare.sum()),
        "unlabelled_subjects": len(set(cohort.subjects[bare])),
    }
    return {
        **(unlabelled if bare.any() else {}),
        **{name: found[name] for name in ("layout", "read", "images", "subjects", "ignored", "duplicates", "text")},
        "quarantined": sum(found["quarantined"].values()),
        "quarantine_reasons": found["quarantined"],
        "classes": list(cohort.classes),
        "colour": cohort.colour,
        "images_by_split": {split: counts["images"] for split, counts in found["splits"].items()},
        "subjects_by_split": {split: counts["subjects"] for split, counts in found["splits"].items()},
        "images_by_label": {label: int(count) for label, count in zip(cohort.classes, per_label, strict=True)},
    }


def write_cohort(
    study: Path,
    cohort: Cohort,
    quarantine: Sequence[Refusal],
    understanding: Understanding,
    texts: Sequence[str] | None = None,
) -> None:
    """Write what `read_with_texts` found into `study`; understanding.json and the texts stay in the building."""
    write_quarantine(study / "quarantine.csv", quarantine)
    write_json(study / "understanding.json", understanding.to_dict())
    save_texts(study, cohort.table["image"].tolist(), texts)
    cohort.save(study)


def write_quarantine(path: Path, rows: Sequence[Refusal]) -> None:
    """Write the refused images as CSV with the columns path, reason, detail; only the header if there are none."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(QUARANTINE_COLUMNS)
    writer.writerows(rows)
    write_text(path, stream.getvalue())
