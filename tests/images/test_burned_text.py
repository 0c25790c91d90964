"""Text drawn on phantoms is found, phantoms without text are not flagged, and nothing else happens to the pixels."""

from __future__ import annotations

import io
import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from unpersonal.images.burned_text import GLYPHS, _crossings, _midway, longest_run, text_score
from unpersonal.images.text_strokes import strokes
from unpersonal.metrics.intervals import clopper_pearson_lower, clopper_pearson_upper
from unpersonal.phantom import phantom_cohort

pytestmark = pytest.mark.slow

TEXTS = ("DOE JOHN", "1970-01-31", "PORTABLE", "ID 482913", "Smith, A.")


def has_text(pixels):
    return text_score(pixels) >= GLYPHS


@pytest.fixture(scope="module")
def phantoms():
    return {size: phantom_cohort(people, 5, size)[0] for size, people in ((64, 150), (224, 100), (512, 16))}


def written(image, text, size, corner, ink, ground=None):
    """uint8 [1, H, W]: `text` in the default font at a corner (0..3), on a box if `ground` is given."""
    picture = Image.fromarray(image)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    margin = 4
    x = margin if corner % 2 == 0 else picture.width - right - margin
    y = margin if corner < 2 else picture.height - bottom - margin
    if ground is not None:
        draw.rectangle((x + left - 3, y + top - 3, x + right + 3, y + bottom + 3), fill=ground)
    draw.text((x, y), text, fill=ink, font=font)
    return np.asarray(picture)[None]


def found(images, size, ink, ground, count=40):
    shown = [
        written(images[k % len(images), 0], TEXTS[k % len(TEXTS)], size, k // len(TEXTS) % 4, ink, ground)
        for k in range(count)
    ]
    return sum(has_text(image) for image in shown)


@pytest.mark.parametrize("side", [224, 512])
@pytest.mark.parametrize("size", [12, 16, 24, 32])
@pytest.mark.parametrize(("ink", "ground"), [(255, 0), (0, 255)], ids=["white on black", "black on white"])
def test_text_in_a_box_is_found(phantoms, side, size, ink, ground):
    hits = found(phantoms[side], size, ink, ground)
    assert clopper_pearson_lower(hits, 40) > 0.75, hits


@pytest.mark.parametrize(("ink", "level"), [(255, 90), (0, 180)], ids=["white on grey", "black on grey"])
def test_text_on_smooth_ground_is_found(ink, level):
    rng = np.random.default_rng(0)
    slope = np.add.outer(np.arange(224), np.arange(224)) / 8
    images = np.clip(level - 28 + slope + rng.normal(0, 4, (20, 1, 224, 224)), 0, 255).astype(np.uint8)
    images[:, :, 100:102, 100:102], images[:, :, 110:112, 100:102] = 0, 255
    hits = found(images, 14, ink, None)
    assert clopper_pearson_lower(hits, 40) > 0.75, hits
    assert not any(has_text(image) for image in images)


def test_white_text_over_the_picture_is_mostly_found(phantoms):
    """Where it lies over bright tissue even a person cannot read it, hence the lower demand."""
    hits = found(phantoms[512], 16, 255, None)
    assert clopper_pearson_lower(hits, 40) > 0.6, hits


@pytest.mark.parametrize("side", [64, 224, 512])
def test_phantoms_without_text_are_not_flagged(phantoms, side):
    flagged = sum(has_text(image) for image in phantoms[side])
    assert flagged == 0
    assert clopper_pearson_upper(flagged, len(phantoms[side])) < (0.15 if side == 512 else 0.03)


def test_a_single_marker_is_no_text(phantoms):
    for marker in "RL":
        for corner in range(4):
            assert not has_text(written(phantoms[224][corner, 0], marker, 20, corner, 255)), (marker, corner)


def test_noise_edges_and_grids_are_no_text():
    rng = np.random.default_rng(0)
    blank = np.zeros((1, 224, 224), dtype=np.uint8)
    assert text_score(blank) == 0
    smooth = np.tile(np.linspace(0, 255, 224), (224, 1)).astype(np.uint8)[None]
    assert text_score(smooth) == 0
    lines = blank.copy()
    lines[:, ::40], lines[:, :, ::40] = 255, 255
    assert not has_text(lines)
    noisy = np.clip(rng.normal(128, 20, (10, 1, 224, 224)), 0, 255).astype(np.uint8)
    assert not any(has_text(image) for image in noisy)


def test_depth_colour_and_polarity(phantoms):
    image = written(phantoms[224][0, 0], "1970-01-31", 16, 0, 255, 0)
    score = text_score(image)
    assert score >= GLYPHS
    deep = image.astype(np.uint16) * 16 + 5
    assert text_score(deep) == pytest.approx(score, rel=0.3)
    assert text_score(255 - image) == pytest.approx(score, rel=0.3)
    assert text_score(np.repeat(image, 3, axis=0)) == score
    red = np.stack([image[0], phantoms[224][0, 0], phantoms[224][0, 0]])  # ink that differs in one channel only
    assert has_text(red)


def test_pixels_are_left_alone_and_odd_shapes_do_no_harm(phantoms):
    image = written(phantoms[224][0, 0], "ABC", 16, 0, 255, 0)
    before = image.copy()
    has_text(image)
    np.testing.assert_array_equal(image, before)
    rng = np.random.default_rng(0)
    for shape in ((1, 8, 8), (3, 8, 900), (1, 13, 700), (4, 33, 20), (2, 128, 129), (1, 2000, 9)):
        for dtype in (np.uint8, np.uint16):
            assert np.isfinite(text_score(rng.integers(0, np.iinfo(dtype).max, shape).astype(dtype)))


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 9), (31, 40)])
def test_levels_and_crossings_against_sorting(shape):
    rng = np.random.default_rng(sum(shape))
    for share in (0.0, 0.1, 0.5, 1.0):
        part, marked = rng.integers(0, 256, shape, dtype=np.uint8), rng.random(shape) < share
        ends = [np.sort(part[rows])[rows.sum() // 2] if rows.any() else 0 for rows in (marked, ~marked)]
        assert _midway(part, marked) == sum(map(int, ends)) // 2
        begun = np.diff(marked.astype(int), prepend=0, axis=1) == 1
        assert _crossings(marked) == np.median(begun.sum(axis=1))


def test_longest_run_against_trying_every_box():
    rng = np.random.default_rng(1)
    for count in (0, 1, 2, 5, 9, 14):
        top, left = rng.integers(0, 12, count), np.sort(rng.integers(0, 90, count))
        boxes = np.stack([top, top + rng.integers(5, 14, count), left, left + rng.integers(2, 9, count)], axis=1)
        most, rows = 0, list(boxes)
        for first in rows:
            high = first[1] - first[0]
            alike = [
                box
                for box in rows
                if 0.6 * high <= box[1] - box[0] <= 1.6 * high and abs(sum(box[:2]) - sum(first[:2])) / 2 <= 0.35 * high
            ]
            alike.sort(key=lambda box: box[2])
            run: list = []
            for box in alike:
                run = [*run, box] if run and box[2] - run[-1][3] <= 1.2 * high else [box]
                if any(one is first for one in run):
                    most = max(most, len(run))
        assert len(longest_run(boxes)) == most


def test_strokes_against_the_definition():
    plane = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    bright, dark = strokes(plane, 60)
    expected = ([], [])
    p = plane.astype(int)
    for y in range(3, 37):
        for x in range(3, 47):
            pairs = ((p[y, x - 3], p[y, x + 3]), (p[y - 3, x], p[y + 3, x]))
            if any(p[y, x] - 60 > max(pair) for pair in pairs):
                expected[0].append(y * 50 + x)
            if any(p[y, x] + 60 < min(pair) for pair in pairs):
                expected[1].append(y * 50 + x)
    assert bright.tolist() == expected[0] and dark.tolist() == expected[1]


def test_longest_run_needs_like_heights_a_line_and_small_gaps():
    row = [(10, 20, 5 * i, 5 * i + 4) for i in range(6)]
    assert longest_run(np.array(row)).tolist() == list(range(6))
    assert len(longest_run(np.array([*row[:3], (10, 20, 60, 64)]))) == 3
    assert len(longest_run(np.array([*row[:3], (30, 40, 15, 19)]))) == 3
    assert len(longest_run(np.array([*row[:3], (0, 40, 15, 19)]))) == 3


def place_of_text(image, shape):
    """The window of an image uint8 [H, W] that has the highest score when all around it is even."""
    corners = product(range(0, image.shape[0] - shape[0] + 1, 8), range(0, image.shape[1] - shape[1] + 1, 16))
    places = [(slice(y, y + shape[0]), slice(x, x + shape[1])) for y, x in corners]

    def score(place):
        alone = np.full_like(image, int(np.median(image)))
        alone[0, 0], alone[-1, -1] = image.min(), image.max()  # the range decides what stands out
        alone[place] = image[place]
        return text_score(alone[None])

    return max(places, key=score)


def test_kermany_carries_times_and_exposure_values():
    """Some of these radiographs carry a time of day, `KV59` or `A-P`; most carry only an R, which is no text.

    What was found is a thing in one place: laid on other radiographs it is found again, what they have there is not.
    """
    path = os.environ.get("UNPERSONAL_KERMANY")
    if not path:
        pytest.skip("UNPERSONAL_KERMANY does not name the zip of the Kermany radiographs")
    from unpersonal.images.archives import open_archive

    archive = open_archive(Path(path))
    names = archive.image_names()[::8]
    images = [np.asarray(Image.open(io.BytesIO(archive.open_bytes(name))).convert("L")) for name in names]
    scores = np.array([text_score(image[None]) for image in images])
    flagged, clear = np.flatnonzero(scores >= GLYPHS), np.flatnonzero(scores == 0)
    assert 5 <= len(flagged) <= 0.1 * len(names)
    rng, moved, control = np.random.default_rng(0), [], []
    for row in flagged:
        place = place_of_text(images[row], (40, 96))
        for ground, other in rng.choice(clear, (5, 2)):
            for source_row, found_again in ((row, moved), (other, control)):
                laid = images[ground].copy()
                laid[place] = images[source_row][place]
                found_again.append(has_text(laid[None]))
    assert np.mean(moved) > 0.8 and np.mean(control) < 0.05, (np.mean(moved), np.mean(control))
