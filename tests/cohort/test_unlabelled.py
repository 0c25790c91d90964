"""Cohorts of which a share is labelled, and report text: what is read, split, refused and written."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unpersonal.cohort.checks import read_cohort, read_with_texts
from unpersonal.cohort.config import CohortConfig, Splits
from unpersonal.cohort.labels import UNLABELLED, Policy, settle
from unpersonal.cohort.listing import Record
from unpersonal.cohort.preprocess import PreprocessConfig
from unpersonal.cohort.splits import resolve_splits, split_subjects
from unpersonal.cohort.stage import run_stage
from unpersonal.cohort.table import load_cohort
from unpersonal.cohort.texts import load_texts
from unpersonal.core.errors import InputError

SUBJECTS = 60
SMALL = PreprocessConfig(size=32)


def write_table(folder, *, bare=lambda subject, visit: subject % 3 == 0 and visit == 1, split=None, text=None):
    """Two images of each of 60 people, labels a and b in turn; `bare` are left blank."""
    rng = np.random.default_rng(0)
    rows = ["image,subject,label" + (",split" if split else "") + (",report" if text else "")]
    for subject in range(SUBJECTS):
        for visit in range(2):
            name = f"{subject:02d}-{visit}.png"
            Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).save(folder / name)
            label = "" if bare(subject, visit) else "ab"[subject % 2]
            more = [split(subject)] if split else []
            more += [text(subject, visit)] if text else []
            rows.append(",".join([name, f"p{subject:02d}", label, *more]))
    (folder / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "table.csv"


def config(table, **more):
    return CohortConfig(images=str(table), layout="table", missing="predict", **more)


def test_people_with_images_that_nobody_labelled_are_in_train_and_counted(tmp_path):
    table = write_table(tmp_path)
    study = tmp_path / "study"
    study.mkdir()
    figures = run_stage(study, config(table), seed=0, codec=SMALL)
    cohort = load_cohort(study)
    assert figures["unlabelled_images"] == 20 and figures["unlabelled_subjects"] == 20
    assert figures["images"] == figures["read"] == 120 and figures["quarantined"] == 0
    bare = ~cohort.labelled
    assert set(cohort.table["image"][bare]) == {f"{s:02d}-1.png" for s in range(0, SUBJECTS, 3)}
    assert set(cohort.subjects[bare]) == {f"p{s:02d}" for s in range(0, SUBJECTS, 3)}
    # whole people, and the others by the fractions
    open_ones = np.isin(cohort.subjects, list(set(cohort.subjects[bare])))
    assert (cohort.splits[open_ones] == "train").all()
    rest = {s: x for s, x in zip(cohort.subjects[~open_ones], cohort.splits[~open_ones])}
    labels = [["ab"[int(s[1:]) % 2]] for s in rest]
    assert rest == split_subjects(list(rest), labels, Splits(), 0)
    # blank is not "nothing there": it is null in the file, and an empty row in memory
    column = pq.read_table(study / "cohort.parquet").column("labels").to_pylist()
    assert [row is None for row in column] == bare.tolist()
    assert (cohort.targets[bare] == 0).all() and (cohort.targets[~bare].sum(1) == 1).all()
    assert sum(figures["images_by_label"].values()) == 100
    cohort.save(tmp_path)
    assert load_cohort(tmp_path).unlabelled == cohort.unlabelled
    assert (tmp_path / "cohort.parquet").read_bytes() == (study / "cohort.parquet").read_bytes()


def test_the_owner_is_told(tmp_path):
    _, _, found = read_cohort(config(write_table(tmp_path)), 0, codec=SMALL)
    assert any("Nobody labelled 20 images of 20 subjects" in note for note in found.notes)
    assert found.unlabelled == 20


def test_a_given_split_is_kept_and_what_nobody_labelled_outside_train_is_quarantined(tmp_path):
    parts = ("train", "val", "test", "aux")
    table = write_table(tmp_path, split=lambda subject: parts[subject // 2 % 4])
    cohort, quarantine, _ = read_cohort(config(table, split_column="split"), 0, codec=SMALL)
    given = {f"p{s:02d}": parts[s // 2 % 4] for s in range(SUBJECTS)}
    assert all(given[s] == part for s, part in zip(cohort.subjects, cohort.splits))
    outside = [s for s in range(0, SUBJECTS, 3) if given[f"p{s:02d}"] != "train"]
    assert [row[:2] for row in quarantine] == [(f"{s:02d}-1.png", "label-missing") for s in outside]
    assert len(cohort) + len(quarantine) == 120
    assert (cohort.splits[~cohort.labelled] == "train").all() and len(cohort.unlabelled) == 20 - len(outside)
    # their labelled image stays
    assert {f"{s:02d}-0.png" for s in outside} <= set(cohort.table["image"])


@pytest.mark.parametrize("pool", ["train", "train-val"])
def test_nobody_with_an_open_label_is_carved_out_of_train(pool):
    records = [
        Record(f"{s}-{v}", f"p{s:03d}", () if s % 2 and v else ("a",), pool if s < 90 else "test", not (s % 2 and v))
        for s in range(100)
        for v in range(2)
    ]
    found = resolve_splits(records, Splits(), 0, official=True)
    for subject, part in found.split.items():
        number = int(subject[1:])
        assert part == "test" if number >= 90 else part == "train" or number % 2 == 0
    assert {"train", "val", "aux", "test"} == set(found.split.values())
    assert [row[0] for row in found.refused] == [f"{s}-1" for s in range(91, 100, 2)]


def test_a_cohort_of_which_nothing_is_labelled_is_refused(tmp_path):
    with pytest.raises(InputError, match="fewer than two labels"):
        read_cohort(config(write_table(tmp_path, bare=lambda *_: True)), 0, codec=SMALL)


def test_values_that_were_given_are_never_overruled():
    policy = Policy(missing="predict")
    assert settle(("a", "b"), (None, None), policy) == UNLABELLED
    assert settle(("a", "b"), (1, 0), policy) == (("a",), "", "")
    assert settle(("a", "b"), (0, 0), policy) == ((), "", "")
    labels, reason, detail = settle(("a", "b"), (1, None), policy)
    assert (labels, reason) == ((), "label-missing") and "b" in detail
    assert settle(("a", "b"), (-1, None), policy)[1] == "label-uncertain"


def test_a_scheme_keeps_what_nobody_labelled(tmp_path):
    table = write_table(tmp_path)
    named = {"a": "Edema", "b": "Effusion"}
    rows = [row.split(",") for row in table.read_text().splitlines()]
    table.write_text("\n".join(",".join([*row[:2], named.get(row[2], row[2])]) for row in rows) + "\n")
    cohort, quarantine, _ = read_cohort(config(table, labels="chest8"), 0, codec=SMALL)
    assert cohort.classes == ("Edema", "Pleural Effusion") and len(cohort.unlabelled) == 20 and not quarantine


def test_texts_are_kept_in_a_file_of_their_own(tmp_path):
    def text(subject, visit):
        return f'"Report, {subject}"' if visit == 0 else ""

    table = write_table(tmp_path, text=text)
    study = tmp_path / "study"
    study.mkdir()
    figures = run_stage(study, config(table, text_column="report"), seed=0, codec=SMALL)
    cohort = load_cohort(study)
    wanted = [f"Report, {int(name[:2])}" if name[3] == "0" else "" for name in cohort.table["image"]]
    assert load_texts(study, cohort) == wanted
    assert "Report" not in str(figures) and "Report" not in (study / "understanding.json").read_text()
    assert list(cohort.table.columns) == pq.read_table(study / "cohort.parquet").column_names
    _, _, _, texts = read_with_texts(config(table, text_column="report"), 0, codec=SMALL)
    assert texts == wanted and "Report" not in repr(Record("a", "b", (), text="Report"))
    # read again without them, they are gone
    run_stage(study, config(table), seed=0, codec=SMALL)
    assert not (study / "texts.parquet").exists()
    with pytest.raises(InputError, match="no column 'findings'"):
        read_cohort(config(table, text_column="findings"), 0, codec=SMALL)


def test_a_layout_without_texts_refuses_the_option(tmp_path):
    write_table(tmp_path)
    with pytest.raises(InputError, match="text-column"):
        read_cohort(
            CohortConfig(
                images=str(tmp_path), subject="file", layout="folder", text_column="report", label_from=r"(?P<label>\d)"
            ),
            0,
        )
