"""WebDataset: the files of one stem in tar shards are one sample."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.images.test_archives import GREY, encoded
from tests.images.test_tars import tar_of
from unpersonal.core.errors import InputError
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.read import read_listing


def sample(number: int, **beside: str) -> dict[str, bytes]:
    files = {"png": encoded(np.roll(GREY, number), "PNG"), **{name: text.encode() for name, text in beside.items()}}
    return {f"{number:04d}.{suffix}": data for suffix, data in files.items()}


def listed(path, **config):
    listing = read_listing(CohortConfig(images=str(path), **config), path.parent)
    assert listing.layout == "webdataset"
    return [(record.image, record.subject, record.labels) for record in listing.records]


def test_shards_with_classes_and_records(tmp_path):
    (tmp_path / "in").mkdir()
    for shard in range(2):
        files: dict[str, bytes] = {}
        for i in range(4):
            files |= sample(
                4 * shard + i, cls=str(i % 2), json=json.dumps({"subject": f"P{i // 2}", "grade": "ab"[i // 2]})
            )
        tar_of(tmp_path / "in" / f"train-{shard:04d}.tar", "w", files)
    found = listed(tmp_path / "in")
    assert found[:2] == [("train-0000.tar/0000.png", "P0", ("0",)), ("train-0000.tar/0001.png", "P0", ("1",))]
    assert [row[2] for row in listed(tmp_path / "in", label_column="grade")] == [("a",), ("a",), ("b",), ("b",)] * 2


def test_a_short_text_is_a_label_and_a_caption_is_none(tmp_path):
    short = {name: data for i in range(4) for name, data in sample(i, txt="yes" if i % 2 else "no").items()}
    assert listed(tar_of(tmp_path / "s.tar", "w", short), subject="file")[1] == ("0001.png", "0001.png", ("yes",))
    long = {name: data for i in range(4) for name, data in sample(i, txt="word " * 40).items()}
    with pytest.raises(InputError, match=r"Nothing says what is on the images.*--label-column"):
        listed(tar_of(tmp_path / "l.tar", "w", long), subject="file")


def test_who_is_on_an_image_must_be_said(tmp_path):
    path = tar_of(tmp_path / "s.tar", "w", sample(0, cls="0") | sample(1, cls="1"))
    with pytest.raises(InputError, match=r"no key 'subject'.*--subject file"):
        listed(path)


def test_several_images_of_one_sample_are_named(tmp_path):
    files = {**sample(0, cls="0"), "0000.seg.png": encoded(GREY, "PNG")}
    with pytest.raises(InputError, match=r"several images \(e\.g\. 0000\.png and 0000\.seg\.png"):
        listed(tar_of(tmp_path / "s.tar", "w", files), subject="file")


def test_a_record_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no JSON.*0000\.json"):
        listed(tar_of(tmp_path / "s.tar", "w", sample(0, json="{")), subject="file")
