"""Pictures of any shape are compared in all views that their shapes make different, and nothing is cut away unseen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpersonal.audit.reading import read_side
from unpersonal.audit.shapes import (
    all_views,
    cut_remarks,
    deep_remarks,
    finer_remarks,
    low_views,
    one_shape,
    window_counts,
)
from unpersonal.images.preprocess import preprocess
from unpersonal.layouts.pictures import Pictures

SIZE = 32


def smooth(seed: int, height: int, width: int) -> np.ndarray:
    grid = np.random.default_rng(seed).integers(0, 256, (5, 5)).astype(np.uint8)
    return np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))


def read(folder: Path, pictures: dict[str, np.ndarray], side: str = "train") -> Pictures:
    folder.mkdir()
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return read_side(folder, side, "file", SIZE)


def difference(views: np.ndarray, other: np.ndarray) -> float:
    """The smallest mean difference of any of the views [v,1,S,S] to another picture [1,S,S], in grey values."""
    return float(np.abs(views.astype(float) - other).mean(axis=(1, 2, 3)).min())


def test_squares_are_seen_once_and_as_before(tmp_path: Path) -> None:
    given = {"a": smooth(1, 40, 40), "b": smooth(2, 64, 64)}
    found = read(tmp_path / "x", given)
    assert one_shape({"train": found}) and all_views(found, SIZE) is found
    before = [preprocess(pixels[None], size=SIZE, fit="crop", colour=False) for pixels in given.values()]
    np.testing.assert_array_equal(found.views, np.stack(before))


def test_one_shape_needs_one_view_and_loses_nothing(tmp_path: Path) -> None:
    train = read(tmp_path / "train", {"a": smooth(1, 40, 60), "b": smooth(2, 80, 120)})
    assert one_shape({"train": train, "synthetic": read(tmp_path / "s", {"a": smooth(3, 20, 30)})})
    assert not one_shape({"train": train, "synthetic": read(tmp_path / "t", {"a": smooth(3, 40, 40)})})
    assert not one_shape({"train": train, "synthetic": read(tmp_path / "u", {"a": smooth(3, 60, 40)})})


@pytest.mark.parametrize("shape", [(40, 48), (48, 40), (40, 80), (90, 40)])
def test_a_square_copy_of_a_picture_lies_on_one_of_its_views_however_it_was_made(tmp_path: Path, shape) -> None:
    pixels, edge = smooth(5, *shape), min(shape)
    seen = all_views(read(tmp_path / "train", {"a": pixels}), SIZE)
    assert set(seen.picture) == {0}
    image = Image.fromarray(pixels)
    copies = {"squash": image.resize((64, 64), Image.Resampling.BICUBIC), "pad": Image.new("L", (max(shape),) * 2)}
    copies["pad"].paste(image, ((max(shape) - shape[1]) // 2, (max(shape) - shape[0]) // 2))
    places = (0.0, 0.5, 1.0) if max(shape) >= 1.25 * edge else (0.5,)
    for place in places:
        left, top = int((shape[1] - edge) * place), int((shape[0] - edge) * place)
        copies[f"cut at {place}"] = image.crop((left, top, left + edge, top + edge))
    for how, copy in copies.items():
        small = preprocess(np.asarray(copy)[None], size=SIZE, fit="crop", colour=False)
        assert difference(seen.views, small) < 3, how
        stranger = preprocess(smooth(6, 40, 40)[None], size=SIZE, fit="crop", colour=False)
        assert difference(seen.views, stranger) > 20


def test_a_letterboxed_or_side_by_side_release_shows_the_square_it_holds(tmp_path: Path) -> None:
    person, other = smooth(7, 40, 40), smooth(8, 40, 40)
    letterboxed = np.pad(person, ((0, 0), (14, 14)))
    beside = np.concatenate([other, person], axis=1)
    released = all_views(read(tmp_path / "s", {"a": letterboxed, "b": beside, "c": beside.T}, "synthetic"), SIZE)
    square = preprocess(person[None], size=SIZE, fit="crop", colour=False)
    for picture, turned in ((0, square), (1, square), (2, square.transpose(0, 2, 1))):
        assert difference(released.views[released.picture == picture], turned) < 1


def test_squares_lie_half_over_one_another_along_the_longer_side() -> None:
    longer = np.array([1.1, 1.25, 1.5, 2.0, 2.1, 3.0, 5.0, 9.0])
    counts = window_counts(longer)
    assert counts.tolist() == [1, 3, 3, 3, 5, 5, 9, 9] and (counts % 2 == 1).all()
    within = (longer >= 1.25) & (longer <= 5)
    assert ((longer[within] - 1) / (counts[within] - 1) <= 0.5).all()


def test_strips_are_cut_and_make_it_inconclusive(tmp_path: Path) -> None:
    train = read(tmp_path / "train", {"a": smooth(1, 40, 40), "b": smooth(2, 20, 200)})
    released = read(tmp_path / "s", {"a": smooth(1, 40, 40)}, "synthetic")
    (said,) = cut_remarks({"train": train, "synthetic": released})
    assert "1 of 2 pictures of train" in said and "a fifth" in said
    assert cut_remarks({"synthetic": released}) == []
    # of one shape, however long, all of it is compared
    assert cut_remarks({"synthetic": read(tmp_path / "t", {"b": smooth(2, 20, 200)}, "synthetic")}) == []


def test_released_pictures_much_finer_than_any_real_one_are_a_shortfall(tmp_path: Path) -> None:
    def sides(edge: int) -> dict[str, Pictures]:
        edges = {"train": 40, "control": 30, "synthetic": edge}
        found = {}
        for name, size in edges.items():
            (tmp_path / f"{name}{edge}").mkdir()
            for number in range(3):
                pixels = np.random.default_rng(number).integers(0, 255, (size, size), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / f"{name}{edge}" / f"{number}.png")
            found[name] = read_side(tmp_path / f"{name}{edge}", name, "file", 32)
        return found

    assert finer_remarks(sides(80), "synthetic") == []
    (said,) = finer_remarks(sides(81), "synthetic")
    assert "3 of 3 pictures of synthetic" in said and "81 pixels, at most 40" in said


def deep(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return upper.astype(np.uint16) << 8 | lower


def test_what_lies_below_eight_bits_is_a_view_of_its_own(tmp_path: Path) -> None:
    shown, hidden = smooth(1, SIZE, SIZE), smooth(2, SIZE, SIZE)
    given = {"a": deep(shown, hidden), "b": shown, "c": deep(shown, np.zeros_like(shown)), "d": deep(shown, hidden.T)}
    found = read(tmp_path / "x", given, "synthetic")
    assert found.deep.tolist() == [True, False, True, True]
    seen = low_views(found, found, SIZE)
    # the lower bits of c are all alike
    assert seen.picture.tolist() == [0, 1, 2, 3, 0, 3]
    np.testing.assert_array_equal(seen.views[4:, 0], np.stack([hidden, hidden.T]))
    flat, notes = deep_remarks(found, "synthetic")
    assert flat == [] and "3 of 4 pictures of synthetic have more than 8 bits" in notes[0]
    bare = read(tmp_path / "y", {"b": shown}, "synthetic")
    assert low_views(bare, bare, SIZE) is bare and deep_remarks(bare, "synthetic") == ([], [])


def test_colours_of_more_than_eight_bits_are_a_shortfall(tmp_path: Path) -> None:
    found = read(tmp_path / "x", {"a": deep(smooth(1, SIZE, SIZE), smooth(2, SIZE, SIZE))}, "synthetic")
    coloured = replace(found, coloured=np.array([True]))
    assert low_views(coloured, coloured, SIZE) is coloured
    flat, notes = deep_remarks(coloured, "synthetic")
    assert "1 of 1 pictures of synthetic have colours of more than 8 bits" in flat[0] and notes == []
