"""The paper's file lists: every positive kept, against counts made without the reader."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from unpersonal.cohort.read import read
from unpersonal.core.errors import InputError
from unpersonal.core.hashing import sha256_file
from unpersonal.layouts.known.filelist import parse_filelist
from unpersonal.layouts.labels import CHEST8
from unpersonal.layouts.read import read_listing

from ..cases import FINDINGS, cohort_refused, configure


@pytest.mark.slow
def test_filelist_with_several_positives(flat):
    base, names, _, labels = flat
    columns = [*FINDINGS, "never"]
    lines = [
        f"{n} {int(la == 'No Finding')} {int(la != 'No Finding')} {int(la == 'Cardiomegaly')} 0"
        for n, la in zip(names, labels)
    ]
    (base / "list.txt").write_text("\n".join(lines) + "\n")
    config = configure(images="list.txt", classes=columns, subject="file")
    reading = read(config, 0, base)
    cohort, report = reading.cohort, reading.understanding
    assert report.layout == "filelist" and cohort.classes == FINDINGS
    expected = {name: [name] for name in FINDINGS} | {"Cardiomegaly": ["Pleural Effusion", "Cardiomegaly"]}
    assert cohort.table["labels"].tolist() == [expected[label] for label in labels]


def test_bad_file_lists(flat):
    base, *_ = flat

    def written(text: str) -> str:
        (base / "l.txt").write_text(text)
        return "l.txt"

    cohort_refused("is empty", images=written("\n \n"), subject="file", base=base)
    cohort_refused("2 label columns without names", images=written("a.png 0 1\n"), subject="file", base=base)
    eight = " ".join("10000000")
    cohort_refused("line 2", images=written(f"a.png {eight}\nb.png 0 2 0\n"), subject="file", base=base)
    cohort_refused("same person", images=written(f"a.png {eight}\n"), base=base)
    cohort_refused(
        "one image that is listed does not exist", images=written(f"a.png {eight}\n"), subject="file", base=base
    )
    (base / "l.txt").write_bytes(b"\xff\xfe\xfa")
    cohort_refused("cannot be read", images="l.txt", subject="file", base=base)


def test_paths_with_spaces_in_a_file_list():
    rows, _ = parse_filelist("a b/c 1.png 0 1\n", ["x", "y"])
    assert rows == [("a b/c 1.png", ("y",))]


def test_a_file_list_of_any_width():
    for width in range(1, 6):
        classes = [f"c{i}" for i in range(width)]
        for path in ("1", "a b 2", "x"):
            flags = ["1" if i % 2 else "0" for i in range(width)]
            rows, _ = parse_filelist(f" {path}  {' '.join(flags)} \n", classes)
            assert rows == [(path, tuple(classes[1::2]))]
            with pytest.raises(InputError, match="1 of 1 lines"):
                parse_filelist(f"{path} 0 {' '.join(flags)}\n", classes)
            with pytest.raises(InputError):
                parse_filelist(f"{path} {' '.join(flags[1:])}\n", classes)


PATIENT = r"(?P<subject>\d+)_\d+\.png$"


def list_facts(rows: list[tuple[str, list[int]]], classes: list[str]) -> dict:
    """What a correct reader finds in a list, counted with arrays and not by the reader."""
    flags = np.array([row for _, row in rows])
    patients = np.array([path.split("/")[-1].split("_")[0] for path, _ in rows])
    sums = flags.sum(axis=1)
    first = flags.argmax(axis=1)[sums > 0]
    return {
        "rows": len(rows),
        "distinct_paths": len({path for path, _ in rows}),
        "distinct_patients": len(np.unique(patients)),
        "class_counts": dict(zip(classes, flags.sum(axis=0).tolist(), strict=True)),
        "rows_with_no_positive": int((sums == 0).sum()),
        "rows_with_one_positive": int((sums == 1).sum()),
        "rows_with_multiple_positives": int((sums > 1).sum()),
        "no_finding_together_with_finding": int(((flags[:, 0] == 1) & (sums > 1)).sum()),
        "first_positive_class_counts": {c: int((first == i).sum()) for i, c in enumerate(classes)},
        "distinct_patients_per_class": {c: len(np.unique(patients[flags[:, i] == 1])) for i, c in enumerate(classes)},
        "max_images_of_one_patient": int(np.unique(patients, return_counts=True)[1].max()),
        "first_row": {"path": rows[0][0], "labels": rows[0][1]},
        "last_row": {"path": rows[-1][0], "labels": rows[-1][1]},
    }


def check_list(path: Path, facts: dict, classes: list[str]) -> None:
    """Every count of `facts` against what `read_listing` finds, with the layout recognised and named."""
    for layout in ("auto", "filelist"):
        listing = read_listing(configure(images=path, subject=PATIENT, layout=layout), Path("."))
        records = listing.records
        assert listing.layout == "filelist" and list(listing.classes) == classes and not listing.refused
        assert len(records) == facts["rows"] and len({r.image for r in records}) == facts["distinct_paths"]
        per_patient = Counter(record.subject for record in records)
        assert len(per_patient) == facts["distinct_patients"]
        assert max(per_patient.values()) == facts["max_images_of_one_patient"]
        if "patient_with_most_images" in facts:
            assert per_patient[facts["patient_with_most_images"]] == facts["max_images_of_one_patient"]
        positive = Counter(label for record in records for label in record.labels)
        assert {c: positive[c] for c in classes} == facts["class_counts"]
        first = Counter(record.labels[0] for record in records if record.labels)
        assert {c: first[c] for c in classes} == facts["first_positive_class_counts"]
        widths = Counter(min(len(record.labels), 2) for record in records)
        names = ("rows_with_no_positive", "rows_with_one_positive", "rows_with_multiple_positives")
        assert [widths[k] for k in range(3)] == [facts[name] for name in names]
        both = sum("No Finding" in record.labels and len(record.labels) > 1 for record in records)
        assert both == facts["no_finding_together_with_finding"]
        assert facts["distinct_patients_per_class"] == {
            c: len({record.subject for record in records if c in record.labels}) for c in classes
        }
        by_path = {record.image: record.labels for record in records}
        for key in ("first_row", "last_row"):
            assert [int(c in by_path[facts[key]["path"]]) for c in classes] == facts[key]["labels"]
    chosen = read_listing(configure(images=path, subject=PATIENT, labels="chest8"), Path("."))
    assert len(chosen.records) == facts["rows_with_one_positive"]
    reasons = Counter(row[1] for row in chosen.refused)
    assert reasons["several-findings"] == facts["rows_with_multiple_positives"]
    assert reasons["other-finding"] == facts["rows_with_no_positive"]


def test_an_invented_file_list(tmp_path):
    rng = np.random.default_rng(3)
    rows = []
    for patient in range(1, 200):
        for visit in range(int(rng.integers(1, 9))):
            flags = [0] * 8
            for i in rng.choice(8, size=rng.choice([0, 1, 1, 1, 2, 3]), replace=False):
                flags[i] = 1
            rows.append((f"images/{patient:08d}_{visit:03d}.png", flags))
    rng.shuffle(rows)
    facts = list_facts(rows, list(CHEST8))
    assert facts["no_finding_together_with_finding"] and facts["rows_with_no_positive"]
    (tmp_path / "list.txt").write_text("".join(f"{path} {' '.join(map(str, flags))}\n" for path, flags in rows))
    check_list(tmp_path / "list.txt", facts, list(CHEST8))


def test_the_recorded_file_lists():
    root = Path(os.environ.get("UNPERSONAL_REFERENCE") or Path(__file__).parents[2] / "data" / "reference")
    if not (root / "filelists" / "facts.json").is_file():
        pytest.skip(f"no recorded file lists at {root / 'filelists'} (set UNPERSONAL_REFERENCE)")
    recorded = json.loads((root / "filelists" / "facts.json").read_text())
    assert recorded["files"]
    for name, facts in recorded["files"].items():
        check_list(root / "filelists" / name, facts, recorded["class_order"])


def reference_lists() -> Path:
    root = os.environ.get("UNPERSONAL_REFERENCE") or Path(__file__).parents[2] / "data" / "reference"
    path = Path(root) / "filelists"
    if not (path / "facts.json").is_file():
        pytest.skip(f"no recorded file lists at {path}")
    return path


def test_recorded_file_lists():
    folder = reference_lists()
    facts = json.loads((folder / "facts.json").read_text())
    assert tuple(facts["class_order"]) == CHEST8
    patients = {}
    for name, expected in facts["files"].items():
        assert sha256_file(folder / name) == expected["sha256"]
        rows, classes = parse_filelist((folder / name).read_text())
        assert list(classes) == facts["class_order"] and len(rows) == expected["rows"]
        assert len({path for path, _ in rows}) == expected["distinct_paths"]
        assert dict(Counter(label for _, labels in rows for label in labels)) == expected["class_counts"]
        assert dict(Counter(labels[0] for _, labels in rows)) == expected["first_positive_class_counts"]
        assert sum(len(labels) > 1 for _, labels in rows) == expected["rows_with_multiple_positives"]
        assert sum(not labels for _, labels in rows) == expected["rows_with_no_positive"]
        owner = [path.split("/")[-1].split("_")[0] for path, _ in rows]
        patients[name] = set(owner)
        assert len(patients[name]) == expected["distinct_patients"]
        assert Counter(owner).most_common(1)[0][1] == expected["max_images_of_one_patient"]
        per_class = {c: len({o for o, (_, labels) in zip(owner, rows) if c in labels}) for c in classes}
        assert per_class == expected["distinct_patients_per_class"]
        for row, key in ((rows[0], "first_row"), (rows[-1], "last_row")):
            assert row[0] == expected[key]["path"]
            assert [int(c in row[1]) for c in classes] == expected[key]["labels"]


def test_recorded_file_list_read_as_a_layout_with_patients():
    path = next(reference_lists().glob("*.txt"))
    facts = json.loads((path.parent / "facts.json").read_text())["files"][path.name]
    listing = read_listing(configure(images=path, subject=r"(?P<subject>\d+)_\d+\.png$"), Path("."))
    assert len(listing.records) == facts["rows"]
    assert len({record.subject for record in listing.records}) == facts["distinct_patients"]
    with pytest.raises(InputError, match="None of the 2000 images"):
        read(configure(images=path, subject=r"(?P<subject>\d+)_\d+\.png$"), 0)
