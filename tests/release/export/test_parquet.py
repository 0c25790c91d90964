"""Parquet exports: pyarrow and Hugging Face's datasets read images and labels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pictures

from unpersonal.release.export import parquet as module
from unpersonal.release.export.parquet import FORM
from unpersonal.release.exports import Content


def written(content: Content, out: Path) -> list[Path]:
    out.mkdir()
    FORM.write(content, out)
    return sorted((out / "data").iterdir())


@pytest.mark.parametrize("channels", [1, 3])
def test_pyarrow_reads_the_released_bytes(make_content: Callable[..., Content], tmp_path: Path, channels: int) -> None:
    content = make_content(channels, soft=True)
    [path] = written(content, tmp_path / "out")
    assert path.name == "train-00000-of-00001.parquet"
    rows = pq.read_table(path).to_pylist()
    for image, row in zip(content.images, rows, strict=True):
        assert row["image"] == {"bytes": image.path.read_bytes(), "path": f"{image.stem}.png"}
        assert np.array_equal(np.asarray(Pictures.open(io.BytesIO(row["image"]["bytes"]))), image.pixels())
        assert (row["label"], row["labels"]) == (image.label, list(image.labels))
        assert row["probabilities"] == {"effusion": 0.25, "normal": 0.75}


@pytest.mark.slow
def test_datasets_reads_pictures(make_content: Callable[..., Content], tmp_path: Path) -> None:
    from datasets import Dataset, Image

    content = make_content(3, labels=(("a", "b"), ()))
    [path] = written(content, tmp_path / "out")
    found = Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    assert isinstance(found.features["image"], Image)
    for image, row in zip(content.images, found, strict=True):
        assert np.array_equal(np.asarray(row["image"]), image.pixels())
        assert row["labels"] == list(image.labels)


def test_parts_and_bytes(make_content: Callable[..., Content], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 2)
    first = written(make_content(), tmp_path / "a")
    assert [path.name for path in first] == [f"train-0000{n}-of-00002.parquet" for n in (0, 1)]
    again = written(make_content(), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
