"""Inputs of kinds that people met: containers, masks, letters of two forms, pixels that are not square, releases."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import unicodedata
from collections.abc import Callable, Mapping
from random import Random

import numpy as np
from PIL import Image

from . import trees
from .archives import packed
from .trees import PEOPLE, Tree, picture

SUBJECT = r"(?P<subject>p\d+)"
SPACINGS = (
    ["1", "2"], ["2", "1"], ["0.5", "0.5"], ["0", "1"], ["-1", "1"], ["nan", "1"], ["1e9", "1"], ["1"], ["", ""],
    ["1", "1", "1"], ["inf", "1"], ["0.143", "0.1430001"],
)  # fmt: skip
LETTERS = ("Ödem", "normal", "e\u0301", "a\u200b", "b\u00a0c", "\u00c5", "\u212b", "x\\y")


def tar_bytes(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar archive, compressed as `mode` says."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def named() -> dict[str, bytes]:
    """Two pictures of each person, in folders of their labels."""
    return {f"{'ab'[i % 2]}/p{i:02d}_{k}.png": picture(2 * i + k) for i in range(PEOPLE) for k in range(2)}


def tar() -> Tree:
    """A tar of folders."""
    return Tree({"in.tar": tar_bytes(named())}, {"subject": SUBJECT}, target="in.tar", packable=False)


def tar_compressed() -> Tree:
    """A compressed tar of folders."""
    return Tree({"in.tgz": tar_bytes(named(), "w:gz")}, {"subject": SUBJECT}, target="in.tgz", packable=False)


def nested() -> Tree:
    """A folder of a zip and a compressed tar, with a table that nobody reads."""
    files = named()
    half = list(files)[: len(files) // 2]
    first, second = ({name: files[name] for name in files if (name in half) is inside} for inside in (True, False))
    archives = {"one.zip": packed(first), "two.tar.gz": tar_bytes(second, "w:gz"), "notes.csv": b"a,b\n1,2\n"}
    return Tree(archives, {"subject": SUBJECT})


def webdataset() -> Tree:
    """Two shards with classes and records."""
    shards = {}
    for shard in range(2):
        files: dict[str, bytes] = {}
        for i in range(PEOPLE // 2):
            number = shard * PEOPLE // 2 + i
            files[f"{number:04d}.png"] = picture(number)
            files[f"{number:04d}.cls"] = str(i % 2).encode()
            files[f"{number:04d}.json"] = json.dumps({"subject": f"p{number:02d}"}).encode()
        shards[f"train-{shard:04d}.tar"] = tar_bytes(files)
    return Tree(shards, {})


def parquet_images() -> Tree:
    """Shards as the Hub keeps them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards = {}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    parts = {"train": range(14), "validation": range(14, 20), "test": range(20, 28)}
    for part, rows in parts.items():
        cells = pa.array([{"bytes": picture(i), "path": f"{i}.png"} for i in rows], kind)
        table = pa.table({"image": cells, "subject": [f"p{i:02d}" for i in rows], "label": ["xy"[i % 2] for i in rows]})
        stream = io.BytesIO()
        pq.write_table(table, stream, row_group_size=5)
        shards[f"data/{part}-00000-of-00001.parquet"] = stream.getvalue()
    return Tree(shards, {}, packable=False)


def masks() -> Tree:
    """Pictures with their masks in a folder beside them."""
    files = {}
    for name, data in named().items():
        label, own = name.split("/")
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
        stream = io.BytesIO()
        Image.fromarray(((pixels > 128) * 255).astype(np.uint8)).save(stream, "PNG")
        files[f"{label}/images/{own}"], files[f"{label}/masks/{own}"] = data, stream.getvalue()
    return Tree(files, {"subject": SUBJECT, "label_from": r"^(?P<label>[^/]+)/"})


def letters() -> Tree:
    """Names whose letters are composed in half of the paths, and decomposed in the others."""
    files = {}
    for i in range(PEOPLE):
        form = ("NFC", "NFD")[i // 2 % 2]
        files[f"{'ab'[i % 2]}/{unicodedata.normalize(form, 'Jürgen')}_p{i:02d}.png"] = picture(i)
    return Tree(files, {"subject": SUBJECT})


def spacing() -> Tree:
    """DICOM files whose pixels are as long as wide, twice as long, or of an odd size."""
    from .volumes import dataset, saved

    files = {}
    for i in range(PEOPLE):
        pixels = np.asarray(Image.open(io.BytesIO(picture(i, side=16)))).astype(np.uint16) * 16
        own = {"PixelSpacing": ["1", "2"]} if i % 3 == 0 else {"PixelAspectRatio": ["1", "2"]} if i % 3 == 1 else {}
        files[f"{'ab'[i % 2]}/{i:04d}.dcm"] = saved(dataset(pixels, i, **own))
    return Tree(files, {})


def odd_letters(tree: Tree, rng: Random) -> None:
    """Give a few files names with letters of other forms, or that are not seen."""
    for name in rng.sample(sorted(tree.files), min(3, len(tree.files))):
        base, _, own = name.rpartition("/")
        folder = rng.choice((base, rng.choice(LETTERS)))
        tree.files[f"{folder}/{rng.choice(('', rng.choice(LETTERS)))}{own}".lstrip("/")] = tree.files.pop(name)


def odd_spacing(tree: Tree, rng: Random) -> None:
    """Give a few DICOM files sizes of pixels that make no sense."""
    from pydicom import config

    from .volumes import dataset, saved

    for name in rng.sample(sorted(tree.files), min(4, len(tree.files))):
        pixels = np.arange(256, dtype=np.uint16).reshape(16, 16)
        key = rng.choice(("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "NominalScannedPixelSpacing"))
        before, config.settings.writing_validation_mode = config.settings.writing_validation_mode, config.IGNORE
        try:
            ds = dataset(pixels + rng.randrange(99), rng.randrange(99))
            ds.add_new(key, "IS" if key == "PixelAspectRatio" else "DS", "")
            setattr(ds, key, rng.choice(SPACINGS))
            tree.files[name] = saved(ds)
        except (ValueError, TypeError, OverflowError):
            pass
        finally:
            config.settings.writing_validation_mode = before


def release() -> Tree:
    """A release as `verify` takes it: images, labels, card, evidence, manifest."""
    from unpersonal.release.png import png_bytes

    files = {
        f"images/img-{i + 1:06d}.png": png_bytes(np.random.default_rng(i).integers(0, 255, (1, 16, 16), dtype=np.uint8))
        for i in range(4)
    }
    files["labels.csv"] = "\n".join(["file,label", *(f"img-{i + 1:06d}.png,a" for i in range(4)), ""]).encode()
    files["README.md"] = b"# A card\n"
    evidence = {
        "audit": {"verdict": "pass", "profile": "open", "advantage_upper": 0.01, "primary": [], "attempts": {}},
        "gate": {"miss_rate_upper": 0.005},
        "utility": {"gap_upper": 0.01},
        "policy": {"profile": "open", "gate_miss_upper": 0.01, "utility_gap_upper": 0.05},
    }
    files["evidence.json"] = json.dumps(evidence).encode()
    listed = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    manifest = {"format": "unpersonal-release", "format_version": "1", "images": 4, "files": listed}
    return Tree({**files, "manifest.json": json.dumps(manifest).encode()}, {})


PACKED: dict[str, tuple[Callable[[], Tree], ...]] = {}
"""Kinds whose images lie in containers: nobody counts them from outside."""


def add(kinds: Mapping[str, tuple[Callable[[], Tree], ...]], *, packed: bool) -> None:
    """Make trees part of the cases of a kind, `packed` ones in containers."""
    for kind, makers in kinds.items():
        trees.TREES[kind] = (*trees.TREES.get(kind, ()), *makers)
        if packed:
            PACKED[kind] = (*PACKED.get(kind, ()), *makers)


add({
    "tar": (tar, tar_compressed), "nested": (nested,), "webdataset": (webdataset,), "parquet-images": (parquet_images,),
}, packed=True)  # fmt: skip
add({"masks": (masks,), "letters": (letters,), "spacing": (spacing,)}, packed=False)
