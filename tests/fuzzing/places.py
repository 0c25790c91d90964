"""Where people keep pictures: caches of the Hub, links, archives in archives, pages and films beside pictures."""

from __future__ import annotations

import hashlib
import io
import json
import unicodedata
import zipfile
from collections.abc import Mapping
from functools import cache

import numpy as np
from PIL import Image

from . import containers, foreign
from .archives import packed
from .containers import SUBJECT, named, tar_bytes
from .tables import Sheet
from .trees import LEADS, PEOPLE, Tree, picture

STORAGE = "1.2.840.10008.5.1.4.1.1."
NO_PICTURES = {
    "RTDOSE": "481.2", "SEG": "66.4", "RTSTRUCT": "481.3", "PR": "11.1", "SR": "88.11", "MR": "30", "KO": "88.59",
}  # fmt: skip
"""Modalities and classes of DICOM objects that are no pictures (PS3.4, B.5)."""


def _halves() -> tuple[dict[str, bytes], dict[str, bytes]]:
    files = named()
    first = list(files)[: len(files) // 2]
    return {name: files[name] for name in first}, {name: files[name] for name in files if name not in first}


def archives_in_a_zip() -> Tree:
    """A zip of a zip, of a compressed tar, and of an archive in which another one lies."""
    one, two = _halves()
    deep = packed({"inner.zip": packed({"a/p90_0.png": picture(90)}), "readme.txt": b"x"})
    outer = {"one.zip": packed(one), "sub/two.tar.gz": tar_bytes(two, "w:gz"), "deep.zip": deep, "readme.txt": b"x"}
    return Tree({"in.zip": packed(outer)}, {"subject": SUBJECT}, target="in.zip", packable=False)


def archives_in_a_tar() -> Tree:
    """A tar of tars, one of them compressed."""
    one, two = _halves()
    outer = {"one.tar": tar_bytes(one), "two.tar.xz": tar_bytes(two, "w:xz")}
    return Tree({"in.tar": tar_bytes(outer)}, {"subject": SUBJECT}, target="in.tar", packable=False)


def zips_stored() -> Tree:
    """A folder of zips as Python writes them: stored, LZMA and bzip2."""
    files, methods = named(), (zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    archives = {}
    for number, method in enumerate(methods):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as out:
            for name in list(files)[number :: len(methods)]:
                out.writestr(zipfile.ZipInfo(name), files[name], method)
        archives[f"part{number}/{number}.zip"] = stream.getvalue()
    return Tree(archives, {"subject": SUBJECT})


def shards_compressed() -> Tree:
    """WebDataset shards that are compressed, with keys in folders and pictures of masks beside."""
    shards = {}
    for shard in range(2):
        files: dict[str, bytes] = {}
        for i in range(PEOPLE // 2):
            number = shard * PEOPLE // 2 + i
            key = f"{'xy'[i % 2]}/{number:04d}"
            files[f"{key}.png"] = picture(number)
            files[f"{key}.json"] = json.dumps({"subject": f"p{number:02d}", "label": "xy"[i % 2]}).encode()
        shards[f"cxr-{shard:06d}.tar.gz"] = tar_bytes(files, "w:gz")
    return Tree(shards, {})


def hub_cache() -> Tree:
    """A snapshot of the Hub: links into the blobs of its cache."""
    tree = Tree({}, {}, target="snapshots/abc", packable=False)
    rows = []

    def keep(name: str, data: bytes) -> None:
        blob = hashlib.sha256(data).hexdigest()
        tree.files[f"blobs/{blob}"] = data
        tree.specials[f"snapshots/abc/{name}"] = f"{LEADS}{'../' * (name.count('/') + 2)}blobs/{blob}"

    for i in range(PEOPLE):
        keep(f"train/{i:04d}.png", picture(i))
        rows.append(json.dumps({"file_name": f"{i:04d}.png", "subject": f"p{i:02d}", "label": "ab"[i % 2]}))
    keep("train/metadata.jsonl", "\n".join(rows).encode())
    tree.files["refs/main"] = b"abc"
    return tree


def links() -> Tree:
    """Files that are links to others of the same folder, chains of links, and links that lead nowhere or out."""
    tree = Tree(named(), {"subject": SUBJECT}, packable=False)
    tree.specials = {
        "a/p70_0.png": f"{LEADS}p00_0.png", "b/p71_0.png": f"{LEADS}../a/p70_0.png", "a/p72_0.png": f"{LEADS}nowhere",
        "b/more": f"{LEADS}../a", "b/p73_0.png": f"{LEADS}/etc/hostname", "notes": f"{LEADS}b",
    }  # fmt: skip
    return tree


def others_beside() -> Tree:
    """Pictures with files of other formats beside them, some of which have the suffix of a picture."""
    tree = Tree(named(), {"subject": SUBJECT})
    for number, (name, data) in enumerate(sorted(foreign.foreigns().items())):
        suffix = name.partition(".")[2] if number % 3 else "png"
        tree.files[f"{'ab'[number % 2]}/p{60 + number}_0.{suffix}"] = data
    return tree


def pages() -> Tree:
    """TIFF files of one page and of several."""
    tree = Tree({}, {"subject": SUBJECT})
    for i in range(PEOPLE):
        stream = io.BytesIO()
        more = [Image.open(io.BytesIO(picture(200 + i)))] if i % 6 == 0 else []
        Image.open(io.BytesIO(picture(i))).save(stream, "TIFF", save_all=True, append_images=more)
        tree.files[f"{'ab'[i % 2]}/p{i:02d}_0.tif"] = stream.getvalue()
    return tree


def image_feature() -> Tree:
    """A shard whose schema says `Image`, with a second column of pictures."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    column = {"_type": "Image"}
    features = {"image": column, "thumbnail": column, "subject": {"dtype": "string", "_type": "Value"},
                "label": {"names": ["x", "y"], "_type": "ClassLabel"}}  # fmt: skip
    cells = [{"bytes": picture(i), "path": None} for i in range(PEOPLE)]
    small = [{"bytes": picture(300 + i, side=16), "path": None} for i in range(PEOPLE)]
    table = pa.table({
        "image": pa.array(cells, kind), "thumbnail": pa.array(small, kind),
        "subject": [f"p{i:02d}" for i in range(PEOPLE)], "label": pa.array([i % 2 for i in range(PEOPLE)], pa.int64()),
    })  # fmt: skip
    told = json.dumps({"info": {"features": features}}).encode()
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"huggingface": told}), stream, row_group_size=5)
    return Tree({"data/train-00000-of-00001.parquet": stream.getvalue()}, {"image_column": "image"}, packable=False)


def two_spellings() -> Tree:
    """A table in composed letters of files in decomposed ones, with spaces and letters that nobody sees."""
    rows, files = [], {}
    for i in range(PEOPLE):
        name = f"img/Jürgen_é{i:02d}.png"
        files[unicodedata.normalize(("NFC", "NFD")[i % 2], name)] = picture(i)
        label = ("Ödem", unicodedata.normalize("NFD", "Ödem"), "normal", "normal\u200b", "normal\u00a0")[i % 5]
        rows.append([name, f"p{i:02d}{('', chr(0x200D), ' ')[i % 3]}", label])
    sheet = Sheet(["image", "subject\ufeff", "label"], rows, ["image"])
    options = {"subject_column": "subject\ufeff"}
    return Tree(files, {"layout": "auto", **options}, {"list.csv": sheet}, "list.csv", packable=False)


def no_pictures() -> Tree:
    """DICOM objects that are no pictures beside those that are."""
    from pydicom.uid import UID

    from .volumes import dataset, saved

    files = {}
    for i in range(PEOPLE):
        pixels = np.asarray(Image.open(io.BytesIO(picture(i, side=16)))).astype(np.uint16) * 16
        files[f"{'ab'[i % 2]}/{i:04d}.dcm"] = saved(dataset(pixels, i))
        modality, part = list(NO_PICTURES.items())[i % len(NO_PICTURES)]
        other = dataset(pixels, i, Modality=modality)
        other.SOPClassUID = UID(STORAGE + part)
        if i % 2:
            del other.PixelData
        files[f"{'ab'[i % 2]}/{i:04d}_{modality}.dcm"] = saved(other)
    return Tree(files, {})


@cache
def _volume(number: int, kind: str) -> bytes:
    from .volumes import nifti

    values = np.random.default_rng(number).integers(0, 900, (8, 8, 8)).astype(np.int16)
    return nifti(values if kind == "image" else (values > 450).astype(np.uint8))


def masks_of_volumes() -> Tree:
    """Volumes with their masks in a folder beside them, and with others under names that say so."""
    files = {}
    for i in range(PEOPLE):
        name = f"p{i:02d}_{'xy'[i % 2]}"
        files[f"imagesTr/{name}.nii"], files[f"labelsTr/{name}.nii"] = _volume(i, "image"), _volume(i, "mask")
        files[f"imagesTr/{name}_seg.nii"] = _volume(i, "mask")
    options = {"layout": "nifti", "subject": SUBJECT, "label_from": r"p\d+_(?P<label>[xy])", "slice_step": 3}
    return Tree(files, options)


def _boxed(files: Mapping[str, bytes], top: str) -> dict[str, bytes]:
    return {f"{top}/{name}": data for name, data in files.items()}


def litter() -> Tree:
    """Pictures with what file managers and versioning leave beside them."""
    files = _boxed(named(), "data")
    left = {
        ".DS_Store": b"\x00\x00\x00\x01Bud1" + bytes(90), "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(90),
        "desktop.ini": b"[.ShellClassInfo]\r\n", "._p00_0.png": b"\x00\x05\x16\x07" + bytes(80), "x.png~": picture(1),
        ".git/HEAD": b"ref: refs/heads/main\n", "@eaDir/p01_0.png": picture(2),
        "p01_0.png:Zone.Identifier": b"[ZoneTransfer]\n",
    }  # fmt: skip
    return Tree({**files, **_boxed(left, "data/a")}, {"subject": SUBJECT, "label_from": r"data/(?P<label>[ab])/"})


containers.add({
    "nested": (archives_in_a_zip, archives_in_a_tar, zips_stored),
    "webdataset": (shards_compressed,),
    "parquet-images": (image_feature,),
}, packed=True)  # fmt: skip
containers.add({
    "hub-cache": (hub_cache,), "links": (links,), "others": (others_beside, pages, litter),
    "letters": (two_spellings,), "no-pictures": (no_pictures,), "masks": (masks_of_volumes,),
}, packed=False)  # fmt: skip
