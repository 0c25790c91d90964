"""Parquet with images inside: read like files, whatever form the column has."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.images.test_archives import GREY, encoded
from unpersonal.cli import app
from unpersonal.core.errors import InputError
from unpersonal.images.archives import ImageError
from unpersonal.images.archives_parquet import ParquetArchive, _shards, holds_parquet_images
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.loose import find_pictures
from unpersonal.layouts.read import read_listing

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FEATURES = {"image": {"_type": "Image"}, "label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
PICTURES = [encoded(np.roll(GREY, i), "PNG") for i in range(10)]


def shard(path, rows=range(10), *, struct=True, features=None, column="image"):
    images = [{"bytes": PICTURES[i], "path": f"{i}.png"} if struct else PICTURES[i] for i in rows]
    kind = STRUCT if struct else pa.binary()
    cells = {
        column: pa.array(images, kind),
        "patient": [f"P{i // 2}" for i in rows],
        "label": [i % 2 for i in rows],
    }
    table = pa.table(cells)
    if features:
        table = table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=3)
    return path


def test_shards_of_a_repository_are_splits_with_names_of_classes(tmp_path):
    shard(tmp_path / "data/train-00000-of-00002.parquet", range(4), features=FEATURES)
    shard(tmp_path / "data/train-00001-of-00002.parquet", range(4, 8), features=FEATURES)
    shard(tmp_path / "data/validation-00000-of-00001.parquet", range(8, 10), features=FEATURES)
    (tmp_path / "README.md").write_text("---")
    listing = read_listing(CohortConfig(images=str(tmp_path), subject_column="patient"), tmp_path)
    assert listing.layout == "huggingface" and listing.official
    found = [(r.image, r.subject, r.labels, r.split) for r in listing.records]
    assert found[5] == ("train/00000005.png", "P2", ("yes",), "train")
    assert found[8:] == [
        ("validation/00000000.png", "P4", ("no",), "val"),
        ("validation/00000001.png", "P4", ("yes",), "val"),
    ]
    archive = pickle.loads(pickle.dumps(listing.archive))  # noqa: S301
    assert [archive.open_bytes(record.image) for record in listing.records] == PICTURES
    loose = find_pictures(tmp_path, subject="file")
    assert (len(loose.images), loose.refused, loose.ignored_by) == (10, (), {".md": 1})


@pytest.mark.parametrize("struct", [True, False])
def test_one_file_is_read_whatever_its_column_is_called(tmp_path, struct):
    path = shard(tmp_path / "x.parquet", struct=struct, column="xray")
    listing = read_listing(CohortConfig(images=str(path), subject_column="patient"), tmp_path)
    assert [listing.archive.open_bytes(record.image) for record in listing.records] == PICTURES


def test_a_row_that_only_refers_to_a_file_is_refused(tmp_path):
    cells = [
        {"bytes": None, "path": "/etc/x.png"},
        None,
        {"bytes": b"", "path": None},
        {"bytes": b"x", "path": "a.png"},
    ]
    pq.write_table(pa.table({"image": pa.array(cells, STRUCT)}), tmp_path / "x.parquet")
    archive = ParquetArchive(tmp_path / "x.parquet", "image")
    reasons = []
    for name in archive.names()[:3]:
        with pytest.raises(ImageError) as error:
            archive.open_bytes(name)
        reasons.append(error.value.reason)
    assert sorted(reasons) == ["empty", "missing", "outside"]


def test_a_table_of_paths_holds_no_images(tmp_path):
    pq.write_table(pa.table({"image": ["a.png"], "raw": [b"\x01\x02"]}), tmp_path / "t.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + bytes(40))
    assert not holds_parquet_images(tmp_path / "t.parquet") and not holds_parquet_images(tmp_path / "broken.parquet")


@pytest.mark.parametrize("kind", [pa.list_(STRUCT), pa.list_(pa.binary()), pa.large_list(STRUCT), pa.list_(STRUCT, 2)])
def test_several_images_a_row_are_named_for_what_they_are(tmp_path, kind):
    struct = pa.types.is_struct(kind.value_type)
    pairs = [[{"bytes": one, "path": None} if struct else one for one in PICTURES[i : i + 2]] for i in range(0, 10, 2)]
    table = pa.table({"views": pa.array(pairs, kind), "patient": [f"P{i}" for i in range(5)]})
    pq.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    for use in (
        lambda: read_listing(CohortConfig(images=str(tmp_path), subject_column="patient"), tmp_path),
        lambda: find_pictures(tmp_path, subject="file"),
    ):
        with pytest.raises(InputError, match=r"'views' holds a list of images in each row.*one row for each image"):
            use()
    pq.write_table(
        table.append_column("thumb", pa.array(PICTURES[:5], pa.binary())), tmp_path / "train-00000-of-00001.parquet"
    )
    assert len(ParquetArchive(tmp_path, "image").names()) == 5
    with pytest.raises(InputError, match="or name another column of images"):
        ParquetArchive(tmp_path, "views")


def test_a_damaged_shard_is_named(tmp_path):
    shard(tmp_path / "data/a.parquet")
    (tmp_path / "data/b.parquet").write_bytes(b"PAR1" + bytes(40))
    with pytest.raises(InputError, match=r"cannot be read.*b\.parquet"):
        read_listing(CohortConfig(images=str(tmp_path), subject_column="patient"), tmp_path)


def test_no_message_shows_the_bytes_of_a_picture(tmp_path):
    path = shard(tmp_path / "x.parquet")
    done = CliRunner().invoke(
        app, ["init", str(tmp_path / "S"), "--images", str(path), "--layout", "table", "--subject-column", "patient"]
    )
    assert done.exit_code == 2 and "leave --layout out" in done.stderr and "PNG" not in done.stderr


@pytest.mark.parametrize("alone", [False, True])
def test_a_pipe_is_not_waited_for(tmp_path, alone):
    """Arrow would open it, and wait for somebody who writes."""
    name = "train-00000-of-00001.parquet"
    os.mkfifo(tmp_path / name)
    root, files = (tmp_path / name, ["."]) if alone else (tmp_path, [name])
    with pytest.raises(InputError, match="a folder, pipe or device, not a file"):
        _shards(root, files)
