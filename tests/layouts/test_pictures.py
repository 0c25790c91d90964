"""Pictures of two sides in one form: both views of what is not square, and the best of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unpersonal.images.preprocess import PreprocessConfig, preprocess
from unpersonal.layouts.pictures import Pictures, read_pictures

CONFIG = PreprocessConfig(size=32)


def gradient(height: int, width: int) -> np.ndarray:
    return (np.add.outer(np.arange(height), np.arange(width)) * 2 % 251).astype(np.uint8)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_what_is_not_square_is_seen_cropped_and_whole(tmp_path, fit):
    shapes = {"a": (40, 40), "b": (40, 60), "d": (48, 40), "e": (40, 60)}
    for name, shape in shapes.items():
        Image.fromarray(gradient(*shape)).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"no picture")
    found = read_pictures(tmp_path, CONFIG.model_copy(update={"fit": fit}), channels=1)
    assert found.names == ("a.png", "b.png", "d.png", "e.png") and found.picture.tolist() == [0, 1, 2, 3, 1, 2, 3]
    assert [name for name, _, _ in found.unread] == ["c.png"] and found.found == 5
    for row, view in zip(found.picture, found.views, strict=True):
        shape = shapes[found.names[row][0]]
        known = [preprocess(gradient(*shape)[None], size=32, fit=way, colour=False) for way in ("crop", "pad")]
        assert any(np.array_equal(view, one) for one in known)
    # equal files have equal views, and the two fits differ
    assert np.array_equal(found.views[1], found.views[3]) and not np.array_equal(found.views[1], found.views[4])


def test_colour_and_grey_come_in_the_channels_that_are_asked_for(tmp_path):
    Image.fromarray(np.stack([gradient(40, 40), gradient(40, 40)[::-1], gradient(40, 40)], -1)).save(tmp_path / "a.png")
    Image.fromarray(gradient(40, 40)).save(tmp_path / "b.png")
    for channels in (1, 3):
        assert read_pictures(tmp_path, CONFIG, channels=channels).views.shape == (2, channels, 32, 32)


def test_the_best_view_of_each_picture_is_found_and_nan_is_the_best():
    views = np.zeros((6, 1, 4, 4), np.uint8)
    pictures = Pictures(
        ("a", "b", "c"), np.array(["x", "y", "z"], object), views, np.array([0, 1, 2, 0, 1, 2]), (), 0, ()
    )
    assert pictures.best(np.array([3, 1, np.nan, 2, 4, 9], np.float32)).tolist() == [0, 4, 2]
    part = pictures.take(np.array([0, 2]))
    assert part.names == ("a", "c") and part.picture.tolist() == [0, 1, 0, 1] and part.subjects.tolist() == ["x", "z"]


def test_nothing_readable_is_an_empty_set(tmp_path):
    (tmp_path / "c.png").write_bytes(b"no picture")
    found = read_pictures(tmp_path, CONFIG, channels=1)
    assert found.names == () and found.views.shape == (0, 1, 32, 32) and len(found.unread) == 1
