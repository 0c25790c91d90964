"""Every layout read from real files, and every bad input refused with a message."""

from __future__ import annotations

import csv
import json
import os
import random
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from unpersonal.cohort.read import read
from unpersonal.cohort.stage import run_stage
from unpersonal.cohort.table import load_cohort
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.core.hashing import sha256_file
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.known.filelist import parse_filelist
from unpersonal.layouts.known.kermany import KERMANY
from unpersonal.layouts.labels import CHEST8
from unpersonal.layouts.read import read_listing
from unpersonal.layouts.recognise import recognise
from unpersonal.phantom import phantom_cohort, write_phantom

SUBJECT = r"(?P<subject>sub-\d+)"
SUBJECTS = 36
FINDINGS = ("No Finding", "Pleural Effusion", "Cardiomegaly")


def configure(**values) -> CohortConfig:
    return build_config(
        CohortConfig, {key: str(v) if isinstance(v, Path) else v for key, v in values.items()}, where="test"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("phantom") / "images"
    write_phantom(path, SUBJECTS, seed=1, size=32, findings=FINDINGS)
    return path


@pytest.fixture
def flat(tmp_path) -> tuple[Path, list[str], list[str], list[str]]:
    """A flat folder img/0000.png… with its names, subjects and labels."""
    images, subjects, labels = phantom_cohort(SUBJECTS, 1, 32, findings=FINDINGS)
    (tmp_path / "img").mkdir()
    names = [f"img/{i:04d}.png" for i in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image[0]).save(tmp_path / name)
    return tmp_path, names, subjects, labels


def assert_same_cohort(one, other):
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.classes == other.classes


# layouts


def test_folder(folder):
    reading = read(configure(images=folder, subject=SUBJECT), 0)
    cohort, quarantine, report = reading.cohort, reading.quarantine, reading.understanding
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    assert cohort.table["image"].tolist() == files and not quarantine
    assert cohort.classes == ("Cardiomegaly", "No Finding", "Pleural Effusion")
    for image, subject, labels, digest in cohort.table[["image", "subject", "labels", "sha256"]].itertuples(
        index=False
    ):
        assert subject in image and labels == [image.split("/")[0]] and digest == sha256_file(folder / image)
    assert cohort.table.groupby("subject")["split"].nunique().max() == 1
    assert report.images == len(files) and report.subjects == SUBJECTS and not cohort.colour


def test_zip_read_in_place_is_the_same_cohort(folder, tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in random.Random(0).sample(sorted(folder.rglob("*.png")), k=len(list(folder.rglob("*.png")))):
            archive.write(file, file.relative_to(folder).as_posix())
    before = sha256_file(path)
    zipped = read(configure(images="images.zip", subject=SUBJECT), 0, tmp_path).cohort
    assert_same_cohort(zipped, read(configure(images=folder, subject=SUBJECT), 0).cohort)
    assert sha256_file(path) == before and [p.name for p in tmp_path.iterdir()] == ["images.zip"]


def test_label_by_pattern_and_every_image_its_own_subject(folder):
    config = configure(images=folder, subject="file", label_from=r"^(?P<label>[A-Z])")
    cohort = read(config, 0).cohort
    assert cohort.classes == ("C", "N", "P") and cohort.table["subject"].tolist() == cohort.table["image"].tolist()


def test_seed_changes_the_split_only(folder):
    one, two = (read(configure(images=folder, subject=SUBJECT), seed).cohort for seed in (0, 1))
    assert (one.table["split"] != two.table["split"]).any()
    pd.testing.assert_frame_equal(one.table.drop(columns="split"), two.table.drop(columns="split"))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_table_in_any_order(flat, suffix):
    base, names, subjects, labels = flat
    frame = pd.DataFrame({"image": names, "subject": subjects, "label": labels}).sample(frac=1, random_state=0)
    write = {
        "csv": lambda p: frame.to_csv(p, index=False),
        "tsv": lambda p: frame.to_csv(p, index=False, sep="\t"),
        "parquet": lambda p: frame.to_parquet(p, index=False),
    }
    write[suffix](base / f"table.{suffix}")
    reading = read(configure(images=f"table.{suffix}"), 0, base)
    cohort, report = reading.cohort, reading.understanding
    assert report.layout == "table" and cohort.table["image"].tolist() == names
    assert cohort.table["subject"].tolist() == subjects and [x[0] for x in cohort.table["labels"]] == labels


def test_table_with_named_columns_several_labels_splits_and_root(flat, tmp_path):
    base, names, subjects, labels = flat
    order = {s: i for i, s in enumerate(dict.fromkeys(subjects))}
    wish = ["train", "valid", "aux", "test"]
    splits = [wish[order[s] // 3 % 4] for s in subjects]
    both = [f"{label}|{'odd' if order[s] % 2 else 'even'}" for s, label in zip(subjects, labels, strict=True)]
    (tmp_path / "tables").mkdir()
    pd.DataFrame({"f": [n.split("/")[1] for n in names], "who": subjects, "what": both, "part": splits}).to_csv(
        tmp_path / "tables" / "t.csv", index=False
    )
    config = configure(
        images="tables/t.csv",
        root="img",
        image_column="f",
        subject_column="who",
        label_column="what",
        split_column="part",
    )
    cohort = read(config, 0, base).cohort
    assert cohort.classes == ("Cardiomegaly", "No Finding", "Pleural Effusion", "even", "odd")
    assert cohort.table["split"].tolist() == [s.replace("valid", "val") for s in splits]
    assert cohort.targets.sum(axis=1).tolist() == [2.0] * len(names)


def test_numbers_as_subjects_stay_as_written(flat):
    base, names, subjects, labels = flat
    table = pd.DataFrame({"image": names, "subject": [s[-5:] for s in subjects], "label": labels})
    table.to_csv(base / "t.csv", index=False)
    assert read(configure(images="t.csv"), 0, base).cohort.table["subject"][0] == "00001"


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


def test_kermany_names(flat, tmp_path):
    images, subjects, labels = phantom_cohort(60, 1, 32, findings=FINDINGS)
    root, seen = tmp_path / "chest_xray", Counter()
    for image, subject, label in zip(images, subjects, labels, strict=True):
        number, k = int(subject[4:]), seen[subject]
        seen[subject] += 1
        if label == "No Finding":
            name = f"NORMAL/{'NORMAL2-' if k % 2 else ''}IM-{number:04d}-{k:04d}.jpeg"
        else:
            name = f"PNEUMONIA/person{number}_{'virus' if label == 'Pleural Effusion' else 'bacteria'}_{k}.jpeg"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.repeat(image[0][..., None], 3, 2)).save(root / name)
    reading = read(configure(images=root), 0)
    cohort, report = reading.cohort, reading.understanding
    assert report.layout == "kermany" and report.subjects == 60 and not cohort.colour
    assert cohort.classes == ("normal", "bacteria", "virus")
    assert Counter(x[0] for x in cohort.table["labels"]) == Counter(
        dict(zip(("normal", "virus", "bacteria"), (labels.count(name) for name in FINDINGS), strict=True))
    )


@pytest.mark.parametrize(
    ("name", "subject", "label"),
    [
        ("a/person12_bacteria_7.jpeg", "person12_bacteria", "bacteria"),
        ("a/person447_virus_921_1.jpeg", "person447_virus", "virus"),
        ("IM-0115-0001.jpeg", "IM-0115", None),
        ("x/NORMAL2-IM-0115-0001-0002.jpeg", "IM-0115", None),
        ("x/sub-1.jpeg", None, None),
        ("x/personal_bacteria_1.jpeg", None, None),
    ],
)
def test_kermany_pattern(name, subject, label):
    match = KERMANY.search(name)
    assert (match and (match["person"] or match["normal"])) == subject
    assert match is None or match["type"] == label


def test_recognise(folder, tmp_path):
    assert recognise(folder) == "folder"
    for name, layout in (("a.csv", "table"), ("a.TSV", "table"), ("a.parquet", "table"), ("a.txt", "filelist")):
        (tmp_path / name).write_text("x")
        assert recognise(tmp_path / name) == layout


# real names and lists, where they are at hand


def reference_lists() -> Path:
    root = os.environ.get("UNPERSONAL_REFERENCE") or Path(__file__).parents[1] / "data" / "reference"
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


def test_real_kermany_names():
    path = os.environ.get("UNPERSONAL_KERMANY")
    if not path:
        pytest.skip("UNPERSONAL_KERMANY does not name the zip of the Kermany radiographs")
    listing = read_listing(configure(images=path), Path("."))
    assert listing.layout == "kermany" and len(listing.records) == 5856
    per_subject = Counter(record.subject for record in listing.records)
    assert len(per_subject) == 3769 and sum(count > 1 for count in per_subject.values()) == 1015
    labels = Counter(record.labels[0] for record in listing.records)
    assert labels == {"normal": 1583, "bacteria": 2780, "virus": 1493}


# quarantine and the stage


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
    assert figures["images"] == len(cohort) and figures["quarantined"] == len(rows) == 3
    assert figures["images"] + figures["quarantined"] == figures["read"] == len(files) + 1
    copies = figures["duplicates"]["exact_across_subjects"]
    assert figures["ignored"] == 1 and copies["groups"] == 1 and copies["images"] == 2
    assert sum(figures["images_by_split"].values()) == len(cohort)
    assert sum(figures["subjects_by_split"].values()) == figures["subjects"]
    assert "sub-" not in json.dumps(figures) and sorted(p.name for p in study.iterdir()) == [
        "cohort.parquet",
        "quarantine.csv",
        "store",
        "understanding.json",
    ]


def test_a_few_absent_images_are_quarantined(flat):
    base, names, subjects, labels = flat
    pd.DataFrame(
        {"image": [*names, "img/gone.png"], "subject": [*subjects, "x"], "label": [*labels, "No Finding"]}
    ).to_csv(base / "t.csv", index=False)
    reading = read(configure(images="t.csv"), 0, base)
    cohort, quarantine, report = reading.cohort, reading.quarantine, reading.understanding
    assert len(cohort) == len(names) and [row[:2] for row in quarantine] == [("img/gone.png", "missing")]
    assert report.quarantined == {"missing": 1}


def test_colour_is_kept_where_most_images_have_it(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    assert read(configure(images=tmp_path, subject="file"), 0).cohort.colour


# bad input: one InputError, nothing else


def refused(match: str, base: Path = Path("."), **values) -> str:
    with pytest.raises(InputError, match=match) as error:
        read(configure(**values), 0, base)
    assert error.value.what and error.value.how and error.value.where
    return str(error.value)


def test_missing_path_and_empty_folder(tmp_path):
    refused("no such file or folder", images=tmp_path / "gone", subject="file")
    refused("There are no images", images=tmp_path, subject="file")
    (tmp_path / "a.txt").write_text("x")
    refused("1 other file", images=tmp_path, subject="file")
    (tmp_path / "x.bin").write_text("x")
    refused("Neither a folder nor a zip", images=tmp_path / "x.bin", subject="file")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"subject": "(?P<subject>["}, "no regular expression"),
        ({"subject": r"sub-(\d+)"}, "no group named subject"),
        ({"label_from": r"(\w+)/"}, "no group named label"),
        ({"splits": {"train": 0.9}}, "add up to 1"),
        ({"classes": ["a", "a"]}, "distinct"),
        ({"layout": "jpeg"}, "layout"),
        ({"colour": True}, "unknown key"),
    ],
)
def test_bad_configuration(values, match):
    with pytest.raises(InputError, match=match):
        configure(images="x", **values)


def test_folder_without_subject_or_with_a_pattern_that_misses(folder):
    refused("same person", images=folder)
    images = len(list(folder.rglob("*.png")))
    text = refused(f"no subject in .* of {images} images", images=folder, subject=r"No Finding/(?P<subject>sub-\d+)")
    assert ".png" in text
    refused("no label in", images=folder, subject=SUBJECT, label_from="(?P<label>No Finding)")


def test_images_in_no_folder_have_no_label(tmp_path):
    Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / "a.png")
    refused("lies in no folder", images=tmp_path, subject="file")


def test_too_few_subjects_and_labels(folder, tmp_path):
    refused("All images show one subject", images=folder, subject=r"(?P<subject>sub-)")
    refused("too few for the splits .*aux has", images=folder, subject=r"(?P<subject>sub-0000[1-4]|sub-)")
    refused("fewer than two labels", images=folder / "No Finding", subject=SUBJECT, label_from=r"(?P<label>sub)")


def test_a_label_in_one_split_only_is_named(flat):
    base, names, subjects, labels = flat
    rare = ["rare" if subject == subjects[0] else label for subject, label in zip(subjects, labels, strict=True)]
    pd.DataFrame({"image": names, "subject": subjects, "label": rare}).to_csv(base / "t.csv", index=False)
    text = refused("label 'rare' .1 subject. does not occur in test", images="t.csv", base=base)
    assert "val (its calibration half)" in text and "join it" in text


def test_bad_tables(flat):
    base, names, subjects, labels = flat
    frame = pd.DataFrame({"image": names, "subject": subjects, "label": labels, "split": "train"})

    def written(**changes) -> str:
        frame.assign(**changes).to_csv(base / "t.csv", index=False)
        return "t.csv"

    text = refused("no column 'who'", images=written(), subject_column="who", label_column="what", base=base)
    assert "'what'" in text and "image, subject, label" in text and "--label-column" in text
    refused("rows has no subject", images=written(subject=["", *subjects[1:]]), base=base)
    refused("rows has no label", images=written(label=["", *labels[1:]]), base=base)
    refused("reach outside", images=written(image=["../x.png", *names[1:]]), base=base)
    refused("reach outside", images=written(image=["/etc/x.png", *names[1:]]), base=base)
    refused("more than once", images=written(image=[f"./{names[1]}", *names[1:]]), base=base)
    refused("split column holds", images=written(split="fold1"), split_column="split", base=base)
    refused("too few for the splits", images=written(), split_column="split", base=base)
    refused("None of the", images=written(image=[f"gone/{n}" for n in names]), base=base)
    refused("does not name", images=written(), classes=["No Finding", "Pleural Effusion"], base=base)
    torn = ["train" if i % 2 else "test" for i in range(len(names))]
    refused("more than one split", images=written(split=torn), split_column="split", base=base)
    for name, content in (
        ("e.csv", b""),
        ("b.csv", b'a,b\n"1,2\n3'),
        ("u.csv", b"\xff\xfe\x00a"),
        ("p.parquet", b"PAR1"),
    ):
        (base / name).write_bytes(content)
        refused("table", images=name, base=base)
    (base / "h.csv").write_text("image,subject,label\n")
    refused("no rows", images="h.csv", base=base)
    refused("needs a file", images="img", layout="table", base=base)


def test_bad_file_lists(flat):
    base, *_ = flat

    def written(text: str) -> str:
        (base / "l.txt").write_text(text)
        return "l.txt"

    refused("is empty", images=written("\n \n"), subject="file", base=base)
    refused("2 label columns without names", images=written("a.png 0 1\n"), subject="file", base=base)
    eight = " ".join("10000000")
    refused("line 2", images=written(f"a.png {eight}\nb.png 0 2 0\n"), subject="file", base=base)
    refused("same person", images=written(f"a.png {eight}\n"), base=base)
    refused("one image that is listed does not exist", images=written(f"a.png {eight}\n"), subject="file", base=base)
    (base / "l.txt").write_bytes(b"\xff\xfe\xfa")
    refused("cannot be read", images="l.txt", subject="file", base=base)


def test_paths_with_spaces_in_a_file_list():
    rows, _ = parse_filelist("a b/c 1.png 0 1\n", ["x", "y"])
    assert rows == [("a b/c 1.png", ("y",))]


def test_no_image_left(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"broken")
    refused("No image can be used .2 unreadable", images=tmp_path, subject="file")


def test_refused_stage_leaves_nothing_behind(folder, tmp_path):
    with pytest.raises(InputError):
        run_stage(tmp_path, configure(images=folder), seed=0)
    assert not list(tmp_path.iterdir())


def test_names_that_are_no_text(tmp_path):
    (tmp_path / "a").mkdir()
    with open(os.path.join(os.fsencode(tmp_path), b"a", b"\xff.png"), "wb") as stream:
        stream.write(b"x")
    refused("not plain text", images=tmp_path, subject="file")
