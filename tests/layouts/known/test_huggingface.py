"""Hugging Face data sets: imagefolder trees, and data sets that the library itself saved to disk."""

from __future__ import annotations

import copy
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unpersonal.images.picture import ImageError
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.fingerprint import fingerprint
from unpersonal.layouts.read import image_archive, read_listing
from unpersonal.layouts.recognise import recognise

from ..cases import configure, listing_of, refused, write


def encoded(value: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16) ^ value).save(stream, kind)
    return stream.getvalue()


# imagefolder


def tree(root: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(i))
    return root


PARTS = ("train", "validation", "test")
NAMES = [f"{part}/{label}/p{i}_{part}.png" for part in PARTS for label in "ab" for i in (1, 2)]


@pytest.mark.parametrize("base", ["", "data/", "data/v1/"])
def test_imagefolder_without_metadata(tmp_path, base):
    root = tree(tmp_path / "x", [base + name for name in NAMES])
    values = {"subject": r"(?P<subject>p\d_\w+)\.png", "layout": "huggingface"}
    listing = listing_of(root, **values)
    assert [(r.image, r.subject, r.labels[0], r.split) for r in listing.records] == sorted(
        (base + n, n.rsplit("/", 1)[1][:-4], n.split("/")[1], n.split("/")[0].replace("validation", "val"))
        for n in NAMES
    )
    assert listing.official and listing.classes == ("a", "b")
    refused(root, "same person", layout="huggingface")
    assert not listing_of(root, official_splits=False, **values).official
    assert not listing_of(tree(tmp_path / "y", ["a/1.png", "b/2.png"]), subject="file", layout="huggingface").official


def test_images_directly_in_a_split_have_no_label(tmp_path):
    root = tree(tmp_path / "x", ["train/1.png", "test/2.png"])
    refused(root, "lie in no folder that could be their label", layout="huggingface", subject="file")


def described(root: Path, suffix: str, per_split: bool) -> pd.DataFrame:
    tree(root, NAMES)
    frame = pd.DataFrame(
        {
            "file_name": NAMES,
            "patient": [f"q{i // 2}" for i in range(len(NAMES))],
            "finding": ["x|y" if i % 3 == 0 else "y" for i in range(len(NAMES))],
            "flag": [i % 2 for i in range(len(NAMES))],
        }
    )
    writers = {
        "csv": lambda f, p: f.to_csv(p, index=False),
        "jsonl": lambda f, p: f.to_json(p, orient="records", lines=True),
        "parquet": lambda f, p: f.to_parquet(p, index=False),
    }
    if not per_split:
        writers[suffix](frame, root / f"metadata.{suffix}")
        return frame
    for part in PARTS:
        rows = frame[frame["file_name"].str.startswith(part)]
        rows = rows.assign(file_name=rows["file_name"].str.removeprefix(f"{part}/"))
        writers[suffix](rows, root / part / f"metadata.{suffix}")
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("per_split", [False, True])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_imagefolder_with_metadata(tmp_path, suffix, per_split):
    frame = described(tmp_path / "x", suffix, per_split)
    assert recognise(tmp_path / "x") == "huggingface"
    (tmp_path / "x" / "train" / "stray.png").write_bytes(encoded(3))
    values = {"subject_column": "patient", "label_column": "finding"}
    listing = listing_of(tmp_path / "x", **values)
    assert listing.layout == "huggingface" and listing.official
    expected = {
        row.file_name: (row.patient, tuple(row.finding.split("|")), {"v": "val", "t": None}[row.file_name[0]])
        for row in frame.itertuples()
    }
    for record in listing.records:
        subject, labels, split = expected.pop(record.image)
        assert (record.subject, record.labels) == (subject, labels)
        assert record.split == (split or record.image.split("/")[0])
    assert not expected and listing.ignored == 1 + (3 if per_split else 1)
    assert "1 image file is not listed in metadata" in listing.notes[0]
    by_folder = listing_of(tmp_path / "x", subject_column="patient")
    assert {r.image: r.labels for r in by_folder.records} == {n: (n.split("/")[1],) for n in NAMES}
    flags = listing_of(tmp_path / "x", subject=r"(?P<subject>p\d_\w+)\.png", label_columns=["flag"])
    assert Counter(r.labels for r in flags.records) == {(): 6, ("flag",): 6}
    refused(tmp_path / "x", "no column 'subject'")
    refused(tmp_path / "x", "no column 'what'", subject_column="patient", label_column="what")


def test_metadata_that_reaches_outside_or_is_broken(tmp_path):
    root = tree(tmp_path / "x", ["a/1.png"])
    for text, match in (
        ('{"file_name": "../../1.png", "subject": "s"}\n', "reach outside"),
        ('{"file_name": null, "subject": "s"}\n', "names no file"),
        ('{"file_name": "a/1.png", "subject": null}\n', "no subject"),
        ('{"file_name": "a/1.png"\n', "Line 1 is no JSON"),
        ("[1]\n", "no JSON object"),
    ):
        (root / "metadata.jsonl").write_text(text + '{"file_name": "a/1.png", "subject": "s"}\n')
        if "JSON" in match:
            assert recognise(root) == "folder"  # no table with a column file_name
        else:
            refused(root, match)


# saved data sets

CLASSES = ["healthy", "sick"]


def saved(root: Path, parts: dict[str | None, int], extra: dict | None = None) -> dict[str, list[bytes]]:
    """Save a DatasetDict (or a Dataset, part None) with the library; the encoded images by part."""
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=CLASSES),
            "tags": datasets.Sequence(datasets.ClassLabel(names=["p", "q", "r"])),
            "words": datasets.Sequence(datasets.Value("string")),
            "subject": datasets.Value("string"),
            "number": datasets.Value("int64"),
            "edema": datasets.Value("bool"),
            "mass": datasets.Value("float32"),
        }
    )
    images, sets = {}, {}
    for part, count in parts.items():
        images[part] = [encoded(i, ("PNG", "JPEG", "BMP", "TIFF", "WEBP")[i % 5]) for i in range(count)]
        sets[part] = datasets.Dataset.from_dict(
            {
                "image": [{"bytes": data, "path": None} for data in images[part]],
                "label": [i % 2 for i in range(count)],
                "tags": [list(range(i % 3)) for i in range(count)],
                "words": [["u", "w"][: 1 + i % 2] for i in range(count)],
                "subject": [f"{part}-s{i // 2}" for i in range(count)],
                "number": [i // 2 for i in range(count)],
                "edema": [None if i % 4 == 3 else i % 2 == 0 for i in range(count)],
                "mass": [[1.0, 0.0, -1.0][i % 3] for i in range(count)],
                **(extra or {}),
            },
            features=features,
        )
    whole = sets[None] if None in sets else datasets.DatasetDict(sets)
    whole.save_to_disk(str(root))
    return images


SUFFIXES = ("png", "jpg", "bmp", "tif", "webp")


def test_a_saved_dataset_dict(tmp_path):
    images = saved(tmp_path / "x", {"train": 11, "validation": 4, "test": 6})
    assert recognise(tmp_path / "x") == "huggingface"
    listing = listing_of(tmp_path / "x")
    assert listing_of(tmp_path / "x", layout="huggingface").records == listing.records
    expected = [
        (f"{part}/{i:08d}.{SUFFIXES[i % 5]}", f"{part}-s{i // 2}", (CLASSES[i % 2],), part.replace("validation", "val"))
        for part in sorted(images)
        for i in range(len(images[part]))
    ]
    assert [(r.image, r.subject, r.labels, r.split) for r in listing.records] == expected
    assert listing.official and listing.classes == ("healthy", "sick")
    archive = image_archive(configure(images=tmp_path / "x"), Path("."))
    assert archive.names() == archive.image_names() == [row[0] for row in expected]
    twin = copy.copy(archive)  # made from its state, as in a worker process
    assert twin._splits is None
    with ThreadPoolExecutor(4) as pool:
        contents = list(pool.map(twin.open_bytes, archive.names()))
    assert contents == [images[name.split("/")[0]][int(name.split("/")[1][:8])] for name in archive.names()]
    assert np.asarray(Image.open(io.BytesIO(contents[0]))).shape == (16, 16)
    for name in ("train/00000011.png", "train/x.png", "gone/00000000.png", "../00000000.png", "00000000.png"):
        with pytest.raises(ImageError, match="missing"):
            archive.open_bytes(name)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ({"label_column": "words"}, [("u",), ("u", "w"), ("u",), ("u", "w"), ("u",)]),
        ({"label_column": "number"}, [("0",), ("0",), ("1",), ("1",), ("2",)]),
        ({"label_column": "tags", "missing": "zero"}, [(), ("p",), ("p", "q"), (), ("p",)]),
        ({"label_columns": ["mass", "edema"], "uncertain": "one"}, [("mass", "edema"), (), ("mass", "edema"), ("mass",),
                                                                    ("edema",)]),
    ],
)  # fmt: skip
def test_kinds_of_labels(tmp_path, values, labels):
    saved(tmp_path / "x", {None: 5})
    listing = listing_of(tmp_path / "x", **values)
    assert [record.labels for record in listing.records] == labels
    assert [record.image[:13] for record in listing.records] == [f"rows/{i:08d}" for i in range(5)]
    assert not listing.official and {record.split for record in listing.records} == {None}


def test_policies_and_subjects_of_a_saved_data_set(tmp_path):
    saved(tmp_path / "x", {"train": 8, "test": 4})
    listing = listing_of(tmp_path / "x", label_columns=["mass", "edema"], missing="ignore", subject_column="number")
    expected = {"label-uncertain": [2, 5], "label-missing": [3, 7]}
    for reason, rows in expected.items():
        found = [name for name, why, _ in listing.refused if why == reason]
        assert found == [f"test/{rows[0]:08d}.{SUFFIXES[rows[0]]}", *(f"train/{i:08d}.{SUFFIXES[i % 5]}" for i in rows)]
    assert len(listing.records) + len(listing.refused) == 12
    assert {record.subject for record in listing.records} <= {"0", "1", "2", "3"}
    assert not listing_of(tmp_path / "x", official_splits=False).official
    own = listing_of(tmp_path / "x", subject="file")
    assert [record.subject for record in own.records] == [record.image for record in own.records]


def test_options_that_do_not_fit_a_saved_data_set(tmp_path):
    saved(tmp_path / "x", {"train": 4, "extra": 4})
    assert "image, label" in refused(tmp_path / "x", "no column 'img'", image_column="img")
    refused(tmp_path / "x", "holds int64, not images", image_column="number")
    refused(tmp_path / "x", "no column 'who'", subject_column="who")
    refused(tmp_path / "x", "no column 'what'", label_column="what")
    refused(tmp_path / "x", "no paths", subject=r"(?P<subject>\d+)")
    refused(tmp_path / "x", "split 'extra' is none of")
    assert len(listing_of(tmp_path / "x", official_splits=False).records) == 8


def test_images_that_are_only_referred_to_are_never_opened(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(1))
    root = tmp_path / "x"
    cells = [{"bytes": None, "path": str(secret)}, {"bytes": None, "path": "https://example.org/a.png"},
             {"bytes": b"", "path": None}, None, {"bytes": b"no image", "path": "a.png"}]  # fmt: skip
    features = datasets.Features({"image": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
                                  "label": datasets.Value("string"), "subject": datasets.Value("string")})  # fmt: skip
    data = {"image": cells, "label": list("abaab"), "subject": list("vwxyz")}
    datasets.Dataset.from_dict(data, features=features).save_to_disk(str(root))
    listing = listing_of(root)
    assert len(listing.records) == 5
    reasons = []
    for record in listing.records[:4]:
        with pytest.raises(ImageError) as error:
            listing.archive.open_bytes(record.image)
        reasons.append(error.value.reason)
    assert reasons == ["outside", "outside", "empty", "missing"]
    assert listing.archive.open_bytes(listing.records[4].image) == b"no image"


def test_damaged_and_hostile_folders(tmp_path):
    saved(tmp_path / "good", {"train": 4, "test": 2})

    def spoilt(match: str, **files: str | bytes | None) -> None:
        shutil.rmtree(tmp_path / "x", ignore_errors=True)
        shutil.copytree(tmp_path / "good", tmp_path / "x")
        for name, content in files.items():
            path = tmp_path / "x" / name.replace("__", "/").replace("_json", ".json").replace("_arrow", ".arrow")
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        refused(tmp_path / "x", match)

    spoilt("no plain name", dataset_dict_json='{"splits": ["../good/train"]}')
    spoilt("no JSON object", dataset_dict_json="[]")
    spoilt("names no splits", dataset_dict_json="{}")
    spoilt("cannot be read", dataset_dict_json="{")
    spoilt("No such file", dataset_dict_json='{"splits": ["train", "more"]}')
    spoilt("names no data files", train__state_json="{}")
    outside = {"_data_files": [{"filename": "../../good/train/data-00000-of-00001.arrow"}]}
    spoilt("outside", train__state_json=json.dumps(outside))
    spoilt("cannot be read", train__dataset_info_json='{"features": {"image": {"_type": "os.system"}}}')
    (arrow,) = (tmp_path / "good" / "train").glob("*.arrow")
    spoilt("cannot be read", **{f"train__{arrow.stem}_arrow": arrow.read_bytes()[:200]})
    spoilt("cannot be read", **{f"train__{arrow.stem}_arrow": arrow.read_bytes().replace(b"train-s0", b"\xff" * 8)})
    spoilt("is missing", **{f"train__{arrow.stem}_arrow": None})


def test_a_saved_data_set_in_a_zip_or_below_the_folder_is_pointed_out(tmp_path):
    saved(tmp_path / "above" / "x", {"train": 4})
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "above")
    for path in (tmp_path / "above", tmp_path / "packed.zip"):
        assert recognise(path) == "huggingface"
        assert "save_to_disk" in refused(path, "x/dataset_dict.json")


def test_the_fingerprint_follows_every_file_of_the_data_set(tmp_path):
    saved(tmp_path / "x", {"train": 4, "test": 2})
    config = configure(images=tmp_path / "x")
    before = fingerprint(config, base=Path("."))
    assert fingerprint(config, base=Path(".")) == before
    (tmp_path / "x" / "README.md").write_text("card")
    assert fingerprint(config, base=Path(".")) == before
    shutil.rmtree(tmp_path / "x")
    saved(tmp_path / "x", {"train": 4, "test": 3})
    assert fingerprint(config, base=Path(".")) != before


@pytest.mark.slow
def test_nothing_is_written_downloaded_or_run(tmp_path):
    saved(tmp_path / "x", {"train": 4, "test": 2})
    home = tmp_path / "home"
    home.mkdir()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "x").rglob("*")}
    program = f"""
        import socket, sys
        from pathlib import Path
        def forbidden(*a, **k):
            raise AssertionError("network")
        socket.socket.connect = socket.create_connection = socket.getaddrinfo = forbidden
        import unpersonal.layouts.read as readers
        assert "datasets" not in sys.modules and "pandas" not in sys.modules
        from unpersonal.layouts.config import CohortConfig
        listing = readers.read_listing(CohortConfig(images={str(tmp_path / "x")!r}), Path("."))
        print(sum(len(listing.archive.open_bytes(record.image)) > 0 for record in listing.records))
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**environment, "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, cwd=home,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.split() == ["6"], done.stderr
    assert not list(home.rglob("*"))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "x").rglob("*")} == before


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    saved(tmp_path / "x", {None: 3})
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "unpersonal[hf]" in refused(tmp_path / "x", "needs the library datasets")


def test_labels_from_paths_that_are_not_there(tmp_path):
    data = {"image": [{"bytes": b"x", "path": None}], "label": ["a"], "subject": ["s"]}
    kinds = {"image": datasets.Image(), "label": datasets.Value("string"), "subject": datasets.Value("string")}
    datasets.Dataset.from_dict(data, features=datasets.Features(kinds)).save_to_disk(str(tmp_path / "saved"))
    assert len(listing_of(tmp_path / "saved").records) == 1
    refused(tmp_path / "saved", "no paths that --label-from", label_from=r"(?P<label>\w)")


def test_labels_from_the_path_or_from_the_metadata(tmp_path):
    write(tmp_path, "b/1.png", "metadata.csv", text="file_name,subject,label,k\nb/1.png,s,a,1\n")
    pattern = r"(?P<label>\w)/"
    assert listing_of(tmp_path).records[0].labels == ("a",)
    assert listing_of(tmp_path, label_from=pattern).records[0].labels == ("b",)
    for values in ({"label_columns": ["k"]}, {"label_column": "k"}):
        refused(tmp_path, "--label-from takes the label from the path", label_from=pattern, **values)


@pytest.mark.parametrize("label", [["a", "b"], [["a"], ["a", "b"]]])
def test_further_columns_with_pictures_are_told(tmp_path, label):
    """A mask beside its image is nobody's to find out from the rows."""
    stream = io.BytesIO()
    Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32)).save(stream, "PNG")
    cells = [{"bytes": stream.getvalue(), "path": None}] * 2
    table = {"image": cells, "mask": [stream.getvalue()] * 2, "subject": ["p", "q"], "label": label, "age": [1.5, 2.5]}
    pq.write_table(pa.table({name: pa.array(values) for name, values in table.items()}), tmp_path / "t.parquet")
    config = CohortConfig(images="t.parquet", subject_column="subject", image_column="image")
    [note] = [note for note in read_listing(config, tmp_path).notes if "pictures" in note]
    assert note.startswith("1 further column may hold pictures ('mask')") and "'image'" in note
    pq.write_table(pq.read_table(tmp_path / "t.parquet").drop(["mask"]), tmp_path / "t.parquet")
    assert not [note for note in read_listing(config, tmp_path).notes if "pictures" in note]
