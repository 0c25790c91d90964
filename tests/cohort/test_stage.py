"""The cohort stage: what it writes, and that a refused input leaves nothing behind."""

from __future__ import annotations

import csv
import json

import pytest
from PIL import Image

from unpersonal.cohort.stage import run_stage
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.phantom import write_phantom

from ..layouts.cases import FINDINGS, SUBJECT, SUBJECTS, configure


@pytest.mark.slow
def test_stage_quarantines_with_reasons_and_counts_add_up(folder, tmp_path):
    root, study = tmp_path / "images", tmp_path / "study"
    study.mkdir()
    write_phantom(root, SUBJECTS, seed=1, size=32, findings=FINDINGS)
    files = sorted(root.rglob("*.png"))
    bad = dict(zip(("empty", "unreadable", "constant", "unreadable"), files[::11], strict=False))
    bad["empty"].write_bytes(b"")
    bad["unreadable"].write_bytes(bad["unreadable"].read_bytes()[:60])
    Image.new("L", (32, 32), 9).save(bad["constant"])
    (root / "No Finding" / "notes.txt").write_text("no image")
    copy = root / "No Finding" / "sub-90000_0.png"
    copy.write_bytes(next(f for f in files if f.parent.name == "No Finding" and f not in bad.values()).read_bytes())
    figures = run_stage(study, configure(images="../images", subject=SUBJECT), seed=0)
    cohort = load_cohort(study)
    with open(study / "quarantine.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(r["path"], r["reason"]) for r in rows} == {(p.relative_to(root).as_posix(), k) for k, p in bad.items()}
    assert all(row["detail"] for row in rows)
    assert figures.images == len(cohort) and figures.quarantined == len(rows) == 3
    assert figures.images + figures.quarantined == figures.read == len(files) + 1
    copies = figures.duplicates.exact_across_subjects
    assert figures.ignored == 1 and copies.groups == 1 and copies.images == 2
    assert sum(figures.images_by_split.values()) == len(cohort)
    assert sum(figures.subjects_by_split.values()) == figures.subjects
    assert "sub-" not in json.dumps(figures.to_json()) and sorted(p.name for p in study.iterdir()) == [
        "cohort.parquet",
        "quarantine.csv",
        "store",
        "understanding.json",
    ]


def test_refused_stage_leaves_nothing_behind(folder, tmp_path):
    with pytest.raises(InputError):
        run_stage(tmp_path, configure(images=folder), seed=0)
    assert not list(tmp_path.iterdir())
