"""WebDataset exports: shards that webdataset reads, of the same bytes each time."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import webdataset

from unpersonal.release.export import webdataset as module
from unpersonal.release.export.webdataset import FORM
from unpersonal.release.exports import Content


def written(content: Content, out: Path) -> list[Path]:
    out.mkdir()
    FORM.write(content, out)
    return sorted((out / "shards").iterdir())


@pytest.mark.parametrize("channels", [1, 3])
def test_webdataset_reads_them(make_content: Callable[..., Content], tmp_path: Path, channels: int) -> None:
    content = make_content(channels, soft=True)
    shards = [str(path) for path in written(content, tmp_path / "out")]
    found = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8" if channels == 3 else "l8"))
    assert [each["__key__"] for each in found] == [image.stem for image in content.images]
    classes = (tmp_path / "out/classes.txt").read_text().split()
    for image, sample in zip(content.images, found, strict=True):
        assert np.array_equal(sample["png"], image.pixels())
        assert classes[sample["cls"]] == image.label == sample["json"]["label"]
        assert sample["json"]["probabilities"] == {"effusion": 0.25, "normal": 0.75}


def test_without_one_label_each_there_is_no_class(make_content: Callable[..., Content], tmp_path: Path) -> None:
    shards = [str(path) for path in written(make_content(labels=(("a", "b"), ())), tmp_path / "out")]
    found = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    assert [each["json"]["labels"] for each in found] == [["a", "b"], []]
    assert not any("cls" in each for each in found) and not (tmp_path / "out/classes.txt").exists()


def test_shards_hold_so_many_and_no_trace(
    make_content: Callable[..., Content], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARD_IMAGES", 2)
    shards = written(make_content(), tmp_path / "a")
    assert [path.name for path in shards] == ["release-000000.tar", "release-000001.tar"]
    again = written(make_content(), tmp_path / "b")
    assert [path.read_bytes() for path in shards] == [path.read_bytes() for path in again]
    with tarfile.open(shards[0]) as shard:
        for entry in shard:
            assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, 0, "", "")


def test_a_shard_ends_before_it_grows_too_large(
    make_content: Callable[..., Content], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARD_BYTES", 1)
    assert len(written(make_content(), tmp_path / "out")) == 3
