"""Sheets of images and series of a history."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from unpersonal.report.charts import data_uri, history_series, sample_sheet


@pytest.mark.parametrize("channels", [1, 3])
def test_sample_sheet_places_every_image(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (11, channels, 6, 5), dtype=np.uint8)
    png = sample_sheet(images, 4)
    with Image.open(io.BytesIO(png)) as picture:
        assert not picture.info and picture.size == (4 * 7 + 2, 3 * 8 + 2)
        pixels = np.asarray(picture).reshape(3 * 8 + 2, 4 * 7 + 2, channels)
    for row, image in enumerate(images):
        top, left = 2 + row // 4 * 8, 2 + row % 4 * 7
        assert np.array_equal(pixels[top : top + 6, left : left + 5], np.moveaxis(image, 0, -1))
    assert (pixels[18:, 2 + 3 * 7 :] == 255).all()
    assert base64.b64decode(data_uri(png).split(",")[1]) == png
    for wrong in (images[:0], images.astype(np.float32), images[0]):
        with pytest.raises(ValueError):
            sample_sheet(wrong)


def test_history_series_finds_every_series() -> None:
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "val": 3.0}, {"step": 3, "loss": None}]
    found = history_series({"a": rows, "b": [rows, {"x": 1}], "c": {"d": rows}, "e": "text", "f": 3})
    assert {name: list(map(list, line)) for name, line in found.items()} == {
        name: [[1.0, 2.0], [2.0, 1.0]] for name in ("a", "b 1", "c d")
    }
    assert [list(axis) for axis in history_series(rows, "x", key="val")["x"]] == [[2.0], [3.0]]
    assert history_series(json.loads("null")) == {}
