"""Small inputs of every layout, each of which gives a cohort as it stands, and how they are mutated and written."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from .archives import packed
from .damage import damage, kind_of
from .names import odd_name, writable
from .tables import Sheet, mutated_table, written

SIDE, PEOPLE = 32, 24
OBSERVATIONS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
    "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
LAYOUTS = (
    "auto", "folder", "table", "filelist", "nih", "chexpert", "mimic", "kermany", "mednist", "dicom", "nifti",
    "huggingface",
)  # fmt: skip
LINK, LOOP, OUTSIDE, FIFO, FOLDER, LEADS = "link", "loop", "outside", "fifo", "folder", "leads to "
"""Special files; LEADS stands before what a link leads to."""
STRAY = (
    "Data_Entry_2017.csv", "train.csv", "mimic-cxr-2.0.0-split.csv", "metadata.csv", "metadata.jsonl",
    "metadata.parquet", "state.json", "dataset_info.json", "dataset_dict.json", "participants.tsv", "a.dcm", "b.nii",
    "c.nii.gz", "d.png", "e.img", "e.hdr", "DICOMDIR", "1.2.840.1", "IM0001", ".DS_Store", "__MACOSX/._d.png",
    "train_val_list.txt", "Thumbs.db", "x/y/z/f.tif",
)  # fmt: skip


@dataclass
class Tree:
    """Files and tables of one input, and the keys of `[cohort]` that it is read with.

    `target` is what `images` names, relative to the tree. `specials` are links, pipes and the like, for folders.
    """

    files: dict[str, bytes]
    options: dict[str, Any]
    sheets: dict[str, Sheet] = field(default_factory=dict)
    target: str = ""
    packable: bool = True
    specials: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Tree:
        """A tree that can be changed without changing this one (its sheets are never changed in place)."""
        return replace(
            self,
            files=dict(self.files),
            options=dict(self.options),
            sheets=dict(self.sheets),
            specials=dict(self.specials),
        )

    def finished(self) -> Tree:
        """With the tables written as they are."""
        tree = self.copy()
        tree.files.update({name: written(sheet, name, None) for name, sheet in self.sheets.items()})
        return tree


@cache
def picture(number: int, kind: str = "PNG", side: int = SIDE) -> bytes:
    """A small image of its own for every number."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (6, 6), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(stream, kind)
    return stream.getvalue()


def folder() -> Tree:
    """`label/person_visit.png`, with images of several kinds."""
    kinds = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "bmp": "BMP", "webp": "WEBP"}
    files = {}
    for i in range(PEOPLE):
        suffix = list(kinds)[i % 5] if i % 3 == 0 else "png"
        files[f"{'ab'[i % 2]}/p{i:02d}_0.{suffix}"] = picture(i, kinds[suffix])
    return Tree(files, {"layout": "auto", "subject": r"(?P<subject>p\d+)_"})


def _listed(suffix: str, **options: Any) -> Tree:
    names = [f"img/p{i:02d}.png" for i in range(PEOPLE)]
    files = {name: picture(i) for i, name in enumerate(names)}
    rows: list[list[Any]] = []
    for i, name in enumerate(names):
        flags = [i % 2, 1 - i % 2, "" if i % 7 == 3 else 0]
        split = ("train", "val", "train", "aux", "test", "train")[i // 2 % 6]
        rows.append([name, f"p{i:02d}", "a" if i % 2 else "b|a" if i % 6 == 0 else "b", *flags, split])
    sheet = Sheet(["image", "subject", "label", "x", "y", "z", "part"], rows, ["image"])
    return Tree(files, {"layout": "auto", **options}, {f"list.{suffix}": sheet}, f"list.{suffix}", packable=False)


def table_csv() -> Tree:
    """One label column."""
    return _listed("csv", missing="ignore")


def table_tsv() -> Tree:
    """Three label columns, given splits, packed."""
    return _listed("tsv.gz", label_columns=["x", "y", "z"], split_column="part")


def table_parquet() -> Tree:
    """Parquet, the subject from the path."""
    return _listed("parquet", subject=r"(?P<subject>p\d+)", split_column="part", split_conflict="train")


def file_list() -> Tree:
    """Eight one-hot columns, a list without commas."""
    names = [f"img/{i:08d}_000.png" for i in range(PEOPLE)]
    files = {name: picture(i) for i, name in enumerate(names)}
    lines = [f"{name} " + " ".join("1" if j == i % 2 else "0" for j in range(8)) for i, name in enumerate(names)]
    files["list.txt"] = ("\n".join(lines) + "\n").encode()
    return Tree(files, {"layout": "auto", "subject": r"(?P<subject>\d+)_\d+"}, target="list.txt", packable=False)


def nih() -> Tree:
    """NIH ChestX-ray14 with its official lists."""
    header = [
        "Image Index",
        "Finding Labels",
        "Follow-up #",
        "Patient ID",
        "Patient Age",
        "Patient Gender",
        "View Position",
    ]
    rows, files = [], {}
    for i in range(PEOPLE):
        name = f"{i:08d}_000.png"
        findings = ("No Finding", "Mass", "Mass|Hernia")[2 if i % 5 == 4 else i % 2]
        rows.append([name, findings, "0", str(i), "58", "M", "PA" if i % 3 else "AP"])
        files[f"images_{i % 3 + 1:03d}/images/{name}"] = picture(i)
    files["train_val_list.txt"] = "\n".join(row[0] for row in rows[:16]).encode()
    files["test_list.txt"] = "\r\n".join(row[0] for row in rows[16:]).encode()
    return Tree(files, {"layout": "auto"}, {"Data_Entry_2017_v2020.csv": Sheet(header, rows, ["Image Index"])})


def chexpert() -> Tree:
    """CheXpert with train.csv and valid.csv."""
    header = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS]
    tree = Tree({}, {"layout": "auto", "uncertain": "zero"})
    for split, people in (("train", range(18)), ("valid", range(18, PEOPLE + 2))):
        rows = []
        for i in people:
            path = f"{split}/patient{i:05d}/study1/view1_frontal.jpg"
            flags = ["1.0" if j == i % 2 * 2 else ("-1.0", "", "0.0", "")[(i + j) % 4] for j in range(14)]
            rows.append([f"CheXpert-v1.0-small/{path}", "Female", "68", "Frontal", "AP", *flags])
            tree.files[path] = picture(i, "JPEG")
        tree.sheets[f"{split}.csv"] = Sheet(header, rows, ["Path"])
    return tree


def mimic() -> Tree:
    """MIMIC-CXR-JPG with its three tables."""
    splits, labels, views = [], [], []
    tree = Tree({}, {"layout": "auto", "uncertain": "zero"})
    for i in range(PEOPLE):
        person, study, image = str(10000000 + i), str(50000000 + i), f"{i:08x}-1b2c3d4e"
        splits.append([image, study, person, ("train", "train", "validate", "test")[i // 2 % 4]])
        labels.append(
            [person, study, *("1.0" if j == i % 2 * 2 else ("", "-1.0", "0.0")[(i + j) % 3] for j in range(14))]
        )
        views.append([image, person, study, "PA" if i % 3 else "AP", "1024", "1024"])
        tree.files[f"files/p{person[:2]}/p{person}/s{study}/{image}.jpg"] = picture(i, "JPEG")
    tree.sheets = {
        "mimic-cxr-2.0.0-split.csv.gz": Sheet(["dicom_id", "study_id", "subject_id", "split"], splits),
        "mimic-cxr-2.0.0-chexpert.csv.gz": Sheet(["subject_id", "study_id", *OBSERVATIONS], labels),
        "mimic-cxr-2.0.0-metadata.csv": Sheet(
            ["dicom_id", "subject_id", "study_id", "ViewPosition", "Rows", "Columns"], views
        ),
    }
    return tree


def kermany() -> Tree:
    """The names of the Kermany radiographs."""
    files = {}
    for i in range(30):
        name = (f"PNEUMONIA/person{i}_bacteria_{i}", f"PNEUMONIA/person{i}_virus_{i}", f"NORMAL/IM-{i:04d}-0001")[i % 3]
        files[f"{name}.jpeg"] = picture(i, "JPEG")
    return Tree(files, {"layout": "auto"})


def mednist() -> Tree:
    """Two of MedNIST's folders."""
    files = {f"{('Hand', 'CXR')[i % 2]}/{i:06d}.jpeg": picture(i, "JPEG") for i in range(PEOPLE)}
    return Tree(files, {"layout": "auto"})


def dicom() -> Tree:
    """DICOM files, some without suffix, some compressed, one of several frames; the label is the folder."""
    from .volumes import JPEG_LS, RLE, compressed, dataset, saved

    files = {}
    for i in range(PEOPLE):
        pixels = np.asarray(Image.open(io.BytesIO(picture(i, side=16))))
        stored = np.stack([pixels, pixels[::-1]]) if i % 8 == 1 else pixels
        ds = dataset(stored.astype(np.uint16) * 16, i, WindowCenter=2000, WindowWidth=4000)
        name = f"{'ab'[i % 2]}/{f'IM{i:04d}' if i % 3 == 0 else f'{i:04d}.dcm'}"
        files[name] = compressed(ds, (RLE, JPEG_LS)[i % 2]) if i % 4 == 2 else saved(ds)
    return Tree(files, {"layout": "auto"})


def nifti() -> Tree:
    """BIDS with participants.tsv, volumes plain and packed."""
    from .volumes import nifti as volume

    files, rows = {}, []
    for i in range(PEOPLE):
        data = volume(np.random.default_rng(i).integers(0, 900, (10, 10, 10)).astype(np.int16))
        name = f"sub-{i:02d}/anat/sub-{i:02d}_T1w.nii"
        files[name + ".gz" if i % 2 else name] = gzip.compress(data, 1, mtime=0) if i % 2 else data
        rows.append([f"sub-{i:02d}", "patient" if i % 4 < 2 else "control", str(30 + i)])
    options = {"layout": "auto", "label_from": "participants:group", "slice_range": (0.4, 0.6)}
    return Tree(files, options, {"participants.tsv": Sheet(["participant_id", "group", "age"], rows)})


def _image_folder(suffix: str) -> Tree:
    files, rows = {}, []
    for i in range(PEOPLE + 4):
        name = f"{('train', 'train', 'validation', 'test')[i // 2 % 4]}/{'ab'[i % 2]}/p{i:02d}.png"
        files[name] = picture(i)
        rows.append([name, f"p{i:02d}", "xy"[i % 2], i])
    sheet = Sheet(["file_name", "subject", "label", "extra"], rows, ["file_name"])
    return Tree(files, {"layout": "auto"}, {f"metadata.{suffix}": sheet})


def image_folder_csv() -> Tree:
    """`imagefolder` with metadata.csv."""
    return _image_folder("csv")


def image_folder_jsonl() -> Tree:
    """`imagefolder` with metadata.jsonl."""
    return _image_folder("jsonl")


def image_folder_parquet() -> Tree:
    """`imagefolder` with metadata.parquet."""
    return _image_folder("parquet")


def image_folder() -> Tree:
    """`imagefolder` without metadata."""
    tree = _image_folder("csv")
    return replace(tree, sheets={}, options={"layout": "huggingface", "subject": r"(?P<subject>p\d+)\.png"})


def saved_dataset() -> Tree:
    """What `DatasetDict.save_to_disk` wrote."""
    import datasets

    features = datasets.Features(
        {
            "image": datasets.Image(),
            "subject": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["x", "y"]),
        }
    )
    parts = {}
    for part, people in (("train", range(14)), ("validation", range(14, 20)), ("test", range(20, 28))):
        rows = {
            "image": [{"bytes": picture(i), "path": None} for i in people],
            "subject": [f"p{i:02d}" for i in people],
            "label": [i % 2 for i in people],
        }
        parts[part] = datasets.Dataset.from_dict(rows, features=features)
    bar = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as temporary:
        datasets.DatasetDict(parts).save_to_disk(temporary)
        files = {path.relative_to(temporary).as_posix(): path.read_bytes() for path in Path(temporary).rglob("*.*")}
    if not bar:
        datasets.enable_progress_bars()
    for name, data in files.items():
        if name.endswith("state.json"):
            files[name] = _without_fingerprint(data)
    return Tree(files, {"layout": "auto"}, packable=False)


def _without_fingerprint(data: bytes) -> bytes:
    """The library draws it anew each time."""
    import json

    return json.dumps({**json.loads(data), "_fingerprint": "0" * 16}, indent=2, sort_keys=True).encode()


TREES: dict[str, Sequence[Callable[[], Tree]]] = {
    "folder": (folder,),
    "zip": (folder, kermany, nih, image_folder_csv),
    "table": (table_csv, table_tsv, table_parquet),
    "filelist": (file_list,),
    "nih": (nih,),
    "chexpert": (chexpert,),
    "mimic": (mimic,),
    "kermany": (kermany,),
    "mednist": (mednist,),
    "dicom-files": (dicom,),
    "nifti-files": (nifti,),
    "imagefolder": (image_folder_csv, image_folder_jsonl, image_folder_parquet, image_folder),
    "saved-dataset": (saved_dataset,),
}


@cache
def trees_of(kind: str) -> tuple[Tree, ...]:
    """The valid trees of a kind of case."""
    return tuple(make() for make in TREES[kind])


# mutation


def mutated(tree: Tree, kind: str, rng: Random, pieces: Sequence[bytes]) -> Tree:
    """A copy with one to a few changes; `pieces` are contents of files of any format, whole and damaged alike."""
    changed = tree.copy()
    spoiled: dict[str, bytes] = {}
    for _ in range(1 + int(rng.expovariate(0.9))):
        weights = [10 if changed.sheets else 0, 6, 5, 2, 3, 2, 2, 3, 3]
        if kind == "saved-dataset":
            weights = [0, 20, 1, 2, 1, 1, 1, 2, 1]
        action = rng.choices(ACTIONS, weights)[0]
        if action is _spoil_sheet:
            name = rng.choice(list(changed.sheets))
            spoiled[name] = mutated_table(changed.sheets[name], name, rng, pieces)
        else:
            action(changed, rng, pieces)
    done = changed.finished()
    done.files.update({name: data for name, data in spoiled.items() if name in done.sheets})
    return done


def _spoil_sheet(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    """A table's content, form or bytes; done by `mutated`, which keeps its bytes until all files are there."""


def _damage_file(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    if tree.files:
        small = [name for name in tree.files if not name.lower().endswith((".png", ".jpg", ".jpeg"))]
        name = rng.choice(small if small and rng.random() < 0.4 else list(tree.files))
        tree.files[name] = damage(tree.files[name], kind_of(name), rng, pieces)


def _other_content(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    if tree.files:
        name = rng.choice(list(tree.files))
        tree.files[name] = rng.choice(
            (rng.choice(pieces), rng.choice(pieces), b"", b"\0" * 200, rng.choice(list(tree.files.values())))
        )


def _remove(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    for names in (tree.files, tree.sheets):
        if names and rng.random() < 0.6:
            names.pop(rng.choice(list(names)))


def _rename(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    if tree.files:
        name = rng.choice(list(tree.files))
        data = tree.files.pop(name) if rng.random() < 0.6 else tree.files[name]
        tree.files[odd_name(rng, name)] = data


def _stray(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    name = rng.choice(STRAY)
    folders = dict.fromkeys(name.rpartition("/")[0] + "/" for name in tree.files if "/" in name)
    base = rng.choice(["", *folders])
    contents = [b"", b"{}", b"[]", b"a,b\n1,2\n", b"file_name\na.png\n", *pieces[:20]]
    tree.files[base + name] = rng.choice(contents)


def _special(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    like = rng.choice(list(tree.files)) if tree.files else "a/b.png"
    base, _, name = like.rpartition("/")
    place = rng.choice((like, f"{base}/new_{name}" if base else f"new_{name}", f"{base}/x" if base else "x"))
    tree.files.pop(place, None)
    tree.specials[place] = rng.choice((LINK, LOOP, OUTSIDE, FIFO, FOLDER))


def _options(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    key = rng.choice(list(OPTIONS))
    tree.options[key] = rng.choice(OPTIONS[key])


def _layout(tree: Tree, rng: Random, pieces: Sequence[bytes]) -> None:
    tree.options["layout"] = rng.choice(LAYOUTS)
    if rng.random() < 0.5:
        tree.options.setdefault("subject", "file")


ACTIONS = (_spoil_sheet, _damage_file, _other_content, _remove, _rename, _stray, _special, _options, _layout)
OPTIONS: dict[str, tuple[Any, ...]] = {
    "subject": (
        None,
        "file",
        "dicom",
        r"(?P<subject>p\d+)",
        r"(?P<subject>.)",
        r"(?P<subject>x)?",
        r"(?P<subject>\d*)",
        "(",
        "a",
    ),
    "label_from": (
        "folder",
        r"(?P<label>\w)",
        r"/(?P<label>.*)/",
        "dicom:BodyPartExamined",
        "dicom:PatientID",
        "dicom:Nope",
        "participants:age",
        "participants:nope",
        "x",
    ),
    "image_column": ("image", "label", "nope", ""),
    "subject_column": ("subject", "label", "part", "nope", ""),
    "label_column": ("label", "subject", "image", "nope", "extra"),
    "label_columns": (["x", "y"], ["x", "nope"], ["image"], [""], []),
    "split_column": (None, "part", "label", "nope"),
    "root": (".", "img", "nope", "list.csv", ""),
    "classes": (
        ["a", "b"],
        ["b", "a", "c"],
        ["No Finding", "Mass"],
        ["Edema", "Cardiomegaly", "No Finding"],
        ["x"],
        ["a", "a"],
    ),
    "labels": ("all", "chest8", "chest9"),
    "uncertain": ("ignore", "zero", "one", "two"),
    "missing": (None, "ignore", "zero", "one"),
    "views": ("all", "frontal"),
    "official_splits": (True, False),
    "split_conflict": (None, "error", "train", "test", "drop"),
    "control": ("held-out", "random"),
    "window": (None, (40, 400), (0, 1e-9), (1e300, 1e300), (0, 0), (float("nan"), 1)),
    "slice_axis": ("sagittal", "coronal", "axial", "up"),
    "slice_range": ((0.0, 1.0), (0.5, 0.51), (0.9, 1.0), (1.0, 0.0)),
    "slice_step": (1, 3, 1000, 0),
    "splits": (
        {"train": 0.25, "val": 0.25, "aux": 0.25, "test": 0.25},
        {"train": 0.97, "val": 0.01, "aux": 0.01, "test": 0.01},
        {"train": 1.0},
        {},
    ),
}


# on disk


def write_tree(tree: Tree, root: Path, archive: Path | None, rng: Random | None) -> int | None:
    """Write a tree as a folder, or as the zip `archive` (spoiled by `rng`); returns the number of images, if known."""
    if archive is not None:
        archive.write_bytes(packed(tree.files, rng))
        return count_images(list(tree.files)) if rng is None else None
    root.mkdir()
    for name, data in tree.files.items():
        if writable(name):
            _write(root, name, data)
    for name, special in tree.specials.items():
        if writable(name):
            _write_special(root, name, special)
    return count_images([
        os.path.relpath(os.path.join(folder, name), root) for folder, _, files in os.walk(root) for name in files
    ])  # fmt: skip


def count_images(names: Sequence[str]) -> int:
    """Image files among relative paths, by suffix, without the hidden ones: counted independently of the readers."""
    suffixes = ("png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp")
    shown = [
        name
        for name in names
        if not any((part[:1] == "." and part != ".") or part == "__MACOSX" for part in name.split("/"))
    ]
    return sum(name.lower().rpartition(".")[2] in suffixes and "." in name for name in shown)


def _write(root: Path, name: str, data: bytes) -> None:
    path = os.path.join(root, name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(data)
    except (OSError, ValueError):  # too long, no such characters, a file where a folder should be
        pass


def _write_special(root: Path, name: str, special: str) -> None:
    path = os.path.join(root, name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if special == FIFO:
            os.mkfifo(path)
        elif special == FOLDER:
            os.mkdir(path)
        else:
            known = {LINK: "..", LOOP: os.path.basename(path), OUTSIDE: "/etc/passwd"}
            os.symlink(known.get(special) or special.removeprefix(LEADS), path)
    except (OSError, ValueError):
        pass
