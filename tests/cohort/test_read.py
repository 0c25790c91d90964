"""What a cohort must have: subjects, labels in every part, images; colour where most have it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unpersonal.cohort.read import read
from unpersonal.cohort.splits import resolve_splits, split_subjects
from unpersonal.cohort.stage import run_stage
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.layouts.config import Splits
from unpersonal.layouts.listing import ListedImage
from unpersonal.layouts.pictures import read_pictures

from ..images.dicom_files import dataset, saved
from ..layouts.cases import SUBJECT, cohort_refused, configure
from .tables import SMALL, SUBJECTS, config, write_table


def test_colour_is_kept_where_most_images_have_it(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    assert read(configure(images=tmp_path, subject="file"), 0).cohort.colour


@pytest.mark.slow
def test_too_few_subjects_and_labels(folder, tmp_path):
    cohort_refused("All images show one subject", images=folder, subject=r"(?P<subject>sub-)")
    cohort_refused("too few for the splits .*aux has", images=folder, subject=r"(?P<subject>sub-0000[1-4]|sub-)")
    cohort_refused("fewer than two labels", images=folder / "No Finding", subject=SUBJECT, label_from=r"(?P<label>sub)")


def test_a_label_in_one_split_only_is_named(flat):
    base, names, subjects, labels = flat
    rare = ["rare" if subject == subjects[0] else label for subject, label in zip(subjects, labels, strict=True)]
    pd.DataFrame({"image": names, "subject": subjects, "label": rare}).to_csv(base / "t.csv", index=False)
    text = cohort_refused("label 'rare' .1 subject. does not occur in test", images="t.csv", base=base)
    assert "val (its calibration half)" in text and "join it" in text


def test_no_image_left(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"broken")
    cohort_refused("No image can be used .2 unreadable", images=tmp_path, subject="file")


@pytest.mark.slow
def test_subjects_are_divided_as_if_all_were_labelled_and_what_is_left_out_is_counted(tmp_path):
    table = write_table(tmp_path)
    study = tmp_path / "study"
    study.mkdir()
    figures = run_stage(study, config(table), seed=0, images=SMALL)
    cohort = load_cohort(study)
    people = [f"p{s:02d}" for s in range(SUBJECTS)]
    divided = split_subjects(people, [["ab"[s % 2]] for s in range(SUBJECTS)], Splits(), 0)
    assert dict(zip(cohort.subjects, cohort.splits)) == divided
    assert Counter(divided.values()) == {"train": 30, "val": 6, "aux": 6, "test": 18}
    open_ones = range(0, SUBJECTS, 3)
    inside = [s for s in open_ones if divided[f"p{s:02d}"] == "train"]
    outside = [s for s in open_ones if divided[f"p{s:02d}"] != "train"]
    assert inside and outside
    bare = ~cohort.labelled
    assert set(cohort.table["image"][bare]) == {f"{s:02d}-1.png" for s in inside}
    assert figures.unlabelled_images == figures.unlabelled_subjects == len(inside)
    assert figures.read == 120 and figures.quarantine_reasons == {"label-missing": len(outside)}
    assert figures.images == 120 - len(outside)
    quarantined = [row.split(",")[:2] for row in (study / "quarantine.csv").read_text().splitlines()[1:]]
    assert quarantined == [[f"{s:02d}-1.png", "label-missing"] for s in outside]
    # blank is not "nothing there": it is null in the file, and an empty row in memory
    column = pq.read_table(study / "cohort.parquet").column("labels").to_pylist()
    assert [row is None for row in column] == bare.tolist()
    assert (cohort.targets[bare] == 0).all() and (cohort.targets[~bare].sum(1) == 1).all()
    assert sum(figures.images_by_label.values()) == 100
    cohort.save(tmp_path)
    assert load_cohort(tmp_path).unlabelled == cohort.unlabelled
    assert (tmp_path / "cohort.parquet").read_bytes() == (study / "cohort.parquet").read_bytes()


def records_of(sizes, bare, part=None):
    """`sizes[s]` images of person s, of which those are unlabelled that `bare(s, v)` says."""
    return [
        ListedImage(f"{s:03d}-{v}", f"p{s:03d}", () if bare(s, v) else ("ab"[s % 2],), part, not bare(s, v))
        for s, size in enumerate(sizes)
        for v in range(size)
    ]


def test_who_has_many_images_is_not_drawn_into_train_by_a_blank_label():
    """With 1 to 7 images a person and 15 % of labels blank, nearly everybody with many images has a blank one."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 8, 1200)
    blank = rng.random((1200, 7)) < 0.15
    records = records_of(sizes, lambda s, v: blank[s, v])
    found = resolve_splits(records, Splits(), 0)
    alone = {f"p{s:03d}" for s in range(1200) if blank[s, : sizes[s]].all()}
    known = {record.subject for record in records} - alone
    assert alone and all(found.split[subject] == "train" for subject in alone)
    counts = Counter(found.split[subject] for subject in known)
    for part, share in Splits().model_dump().items():
        assert abs(counts[part] - share * len(known)) <= 2  # a stratum of each label
    means = {
        part: np.mean([sizes[int(subject[1:])] for subject in known if found.split[subject] == part])
        for part in ("train", "test")
    }
    assert abs(means["train"] - means["test"]) < 0.5  # 3 standard errors
    assert len(found.refused) == sum(not r.labelled and found.split[r.subject] != "train" for r in records)
    (note,) = found.notes
    assert f"{len(alone)} subjects have no labelled image at all" in note
    assert f"(subjects: train {counts['train'] + len(alone)}, val {counts['val']}," in note
    assert f"{len(found.refused)} images outside train were left out (label-missing)" in note
    kept = [r.subject for r in records if found.split[r.subject] == "test" and r.labelled]
    assert f"{len(kept) / counts['test']:.1f} in test per subject" in note


@pytest.mark.slow
def test_the_size_that_is_asked_for_follows_from_the_parts_as_they_are(tmp_path):
    """Half the people are without any label: test is an eighth of all, not the three tenths that were configured."""
    table = write_table(tmp_path, bare=lambda subject, _: subject % 4 < 2)
    reading = read(config(table), 0, images=SMALL)
    cohort, quarantine, found = reading.cohort, reading.quarantine, reading.understanding
    assert not quarantine and len(cohort) == 120
    assert {split: found.splits[split]["subjects"] for split in ("train", "val", "aux", "test")} == {
        "train": 46, "val": 4, "aux": 2, "test": 8
    }  # fmt: skip
    size = found.size
    assert size.cohort_needed == int(np.ceil(max(size.protected_needed * 60 / 46, size.strangers_needed * 60 / 4)))


@pytest.mark.parametrize(
    ("part", "bare", "sentence"),
    [
        ("test", 1, "Nobody labelled 1 image of 1 subject (--missing predict). 1 image outside train was left out"),
        (
            "train",
            1,
            "Nobody labelled 1 image of 1 subject (--missing predict). 1 image of 1 subject is in train, where",
        ),
        ("train", 0, None),
    ],
)
def test_the_note_says_what_became_of_the_images(part, bare, sentence):
    records = [
        ListedImage(f"{s}-{v}", f"p{s:03d}", ("a",), ("train", "val", "aux", "test")[s % 4])
        for s in range(40)
        for v in "01"
    ]
    row = next(i for i, record in enumerate(records) if record.split == part)
    records[row : row + bare] = [replace(record, labels=(), labelled=False) for record in records[row : row + bare]]
    found = resolve_splits(records, Splits(), 0)
    told = [note for note in found.notes if "Nobody labelled" in note]
    assert [note.startswith(sentence) for note in told] == [True] * bare
    assert "0 images" not in " ".join(told) and len(found.refused) == (bare if part != "train" else 0)
    if bare:
        assert ("are in train" in told[0] or "is in train" in told[0]) == (part == "train")


@pytest.mark.slow
def test_the_owner_is_told(tmp_path):
    reading = read(config(write_table(tmp_path)), 0, images=SMALL)
    cohort, found = reading.cohort, reading.understanding
    assert any("Nobody labelled 20 images of 20 subjects" in note for note in found.notes)
    assert found.unlabelled == len(cohort.unlabelled) < 20


@pytest.mark.slow
def test_a_given_split_is_kept_and_what_nobody_labelled_outside_train_is_quarantined(tmp_path):
    parts = ("train", "val", "test", "aux")
    table = write_table(tmp_path, split=lambda subject: parts[subject // 2 % 4])
    reading = read(config(table, split_column="split"), 0, images=SMALL)
    cohort, quarantine = reading.cohort, reading.quarantine
    given = {f"p{s:02d}": parts[s // 2 % 4] for s in range(SUBJECTS)}
    assert all(given[s] == part for s, part in zip(cohort.subjects, cohort.splits))
    outside = [s for s in range(0, SUBJECTS, 3) if given[f"p{s:02d}"] != "train"]
    assert [row[:2] for row in quarantine] == [(f"{s:02d}-1.png", "label-missing") for s in outside]
    assert len(cohort) + len(quarantine) == 120
    assert (cohort.splits[~cohort.labelled] == "train").all() and len(cohort.unlabelled) == 20 - len(outside)
    # their labelled image stays
    assert {f"{s:02d}-0.png" for s in outside} <= set(cohort.table["image"])


@pytest.mark.parametrize("pool", ["train", "train-val"])
def test_only_who_has_no_label_at_all_is_never_carved_out_of_train(pool):
    def bare(subject, visit):
        return subject % 3 == 2 or bool(subject % 3 and visit)

    records = [
        ListedImage(f"{s}-{v}", f"p{s:03d}", () if bare(s, v) else ("a",), pool if s < 90 else "test", not bare(s, v))
        for s in range(100)
        for v in range(2)
    ]
    found = resolve_splits(records, Splits(), 0, official=True)
    carved = {kind: set() for kind in range(3)}
    for subject, part in found.split.items():
        number = int(subject[1:])
        assert (part == "test") == (number >= 90)
        carved[number % 3].add(part)
    assert carved[2] == {"train", "test"} and {"train", "val", "test"} <= carved[0] & carved[1]
    refused = {r.image for r in records if not r.labelled and found.split[r.subject] != "train"}
    assert {row[0] for row in found.refused} == refused and {row[1] for row in found.refused} == {"label-missing"}


def test_a_cohort_of_which_nothing_is_labelled_is_refused(tmp_path):
    with pytest.raises(InputError, match="fewer than two labels"):
        read(config(write_table(tmp_path, bare=lambda *_: True)), 0, images=SMALL)


@pytest.mark.slow
def test_a_scheme_keeps_what_nobody_labelled(tmp_path):
    table = write_table(tmp_path)
    named = {"a": "Edema", "b": "Effusion"}
    rows = [row.split(",") for row in table.read_text().splitlines()]
    table.write_text("\n".join(",".join([*row[:2], named.get(row[2], row[2])]) for row in rows) + "\n")
    reading = read(config(table, labels="chest8"), 0, images=SMALL)
    cohort, quarantine = reading.cohort, reading.quarantine
    assert cohort.classes == ("Edema", "Pleural Effusion") and len(cohort.unlabelled) + len(quarantine) == 20
    assert cohort.unlabelled and {row[1] for row in quarantine} == {"label-missing"}


def given_splits(base, *, copies: int = 0) -> str:
    """A table of 120 people with one picture each, half in train and half in test; `copies` people of train are in test
    under another name as well."""
    rng, rows = np.random.default_rng(0), []
    for i in range(120):
        twin = i - 60 if 60 <= i < 60 + copies else i
        pixels = np.random.default_rng(twin).integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(base / f"{i}.png")
        rows.append((f"{i}.png", f"p{i:03d}", "ab"[int(rng.integers(2))], "train" if i < 60 else "test"))
    table = base / "t.csv"
    pd.DataFrame(rows, columns=["image", "subject", "label", "part"]).to_csv(table, index=False)
    return str(table)


def test_given_splits_are_no_control_by_chance_and_init_says_so(tmp_path):
    table = given_splits(tmp_path, copies=4)
    keys = {"images": table, "split_column": "part"}
    found = read(configure(**keys), 0, images=SMALL)
    kinds = {warning.kind for warning in found.understanding.warnings}
    assert {"control-not-at-random", "shared-across-splits"} <= kinds
    assert set(found.cohort.dealing.dealt) == {"train", "val", "aux"}
    assert found.cohort.dealing.shared == tuple((f"p{i:03d}", f"p{i + 60:03d}") for i in range(4))
    chance = read(configure(**keys, control="random"), 0, images=SMALL)
    assert "control-not-at-random" not in {warning.kind for warning in chance.understanding.warnings}
    splits = Counter(dict(zip(chance.cohort.subjects, chance.cohort.splits, strict=True)).values())
    assert splits["test"] == 60 and splits["control"] == 18 and splits["train"] == 30
    assert chance.understanding.splits["control"]["subjects"] == 18


def test_who_shares_a_picture_is_dealt_as_one(tmp_path):
    table = given_splits(tmp_path, copies=20)
    cohort = read(configure(images=table), 0, images=SMALL).cohort
    split = dict(zip(cohort.subjects, cohort.splits, strict=True))
    assert all(split[f"p{i:03d}"] == split[f"p{i + 60:03d}"] for i in range(20))
    assert len({split[f"p{i:03d}"] for i in range(20)}) > 1
    assert cohort.dealing.joined == 40 and cohort.dealing.shared == ()


def test_pixels_that_are_not_square_are_round_in_the_store_and_on_the_other_side(tmp_path):
    rng = np.random.default_rng(0)
    place = (np.arange(64) - 31.5) ** 2
    disc = (np.add.outer(place, place) < 20**2) * 200
    for person in range(60):
        for visit, stored in enumerate((disc, disc[:, ::2], disc[::2])):
            ratio = [["1", "1"], ["1", "2"], ["2", "1"]][visit]
            noisy = (stored + rng.integers(0, 20, stored.shape)).astype(np.uint8)
            file = tmp_path / "us" / "ab"[person % 2] / f"{person:03d}_{visit}.dcm"
            file.parent.mkdir(parents=True, exist_ok=True)
            ids = {"PatientID": f"P{person:03d}", "BurnedInAnnotation": "NO"}
            file.write_bytes(saved(dataset(noisy, PixelAspectRatio=ratio, **ids)))
    found = read(configure(images=tmp_path / "us"), 0, images=SMALL, store=tmp_path / "store")
    report = found.understanding
    assert report.sizes == [{"height": 64, "width": 64, "images": 180}]
    assert any("120 images: the header gives pixels that are not square" in note for note in report.notes)
    assert not {"cropped", "squared"} & {warning.kind for warning in report.warnings}
    store = np.load(tmp_path / "store" / "images.npy")
    loose = read_pictures(tmp_path / "us", SMALL, channels=1)
    assert len(loose.views) == len(loose.names) == 180
    for images in (store[:6, 0], loose.views[:6, 0]):
        for image in images:
            down, across = (int((image > 120).any(axis=axis).sum()) for axis in (1, 0))
            assert abs(down - 20) <= 1
            assert abs(across - 20) <= 1
