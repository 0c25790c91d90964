"""Kinds of copies are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.matching.kinds import KINDS, MAY_BE_BLIND, PICTURE_KINDS, in_words, kind, names
from unpersonal.phantom import phantom_cohort


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return phantom_cohort(12, 1, 64)[0]


@pytest.mark.parametrize("name", [found.name for found in PICTURE_KINDS])
def test_every_kind_copies_grey_and_colour_at_every_strength_and_leaves_its_input(images, name):
    found = kind(name)
    mine, hosts = images[:6], images[6:]
    before = mine.tobytes()
    for strength in found.strengths:
        copies = found.copies(mine, hosts, strength, np.random.default_rng(0))
        again = found.copies(mine, hosts, strength, np.random.default_rng(0))
        assert np.array_equal(copies, again) and mine.tobytes() == before
        changed = [not np.array_equal(copy, image) for copy, image in zip(copies, mine, strict=True)]
        assert all(changed) == (name != "exact")
        colour = found.copies(mine.repeat(3, axis=1), hosts.repeat(3, axis=1), strength, np.random.default_rng(0))
        assert colour.shape == (6, 3, 64, 64)


def test_the_simple_ones_against_numpy(images):
    rng, none = np.random.default_rng(0), images[:0]
    assert np.array_equal(kind("mirror").copies(images, none, 1, rng), images[..., ::-1])
    assert np.array_equal(kind("polarity").copies(images, none, 1, rng), 255 - images)
    assert np.array_equal(kind("right-angle").copies(images, none, 180, rng), images[..., ::-1, ::-1])
    halves = kind("average").copies(images[:1], images[1:2], 0.5, rng).astype(int)
    assert np.abs(halves - (images[:1].astype(int) + images[1:2]) / 2).max() <= 0.5


def test_a_region_has_its_share_of_the_area_and_the_rest_is_the_hosts(images):
    black, white = np.zeros_like(images), np.full_like(images, 255)
    for strength in kind("region").strengths:
        copies = kind("region").copies(white, black, strength, np.random.default_rng(0))
        assert (copies == 255).mean() == pytest.approx(strength, rel=0.05)
    halves = kind("half").copies(white, black, 0.5, np.random.default_rng(0))
    assert (halves == 255).mean(axis=(1, 2, 3)) == pytest.approx(0.5)


def test_crops_show_a_window_of_the_picture():
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (1, 1, 64, 1))
    copy = kind("crop").copies(ramp, ramp[:0], 0.6, np.random.default_rng(3))[0, 0, 32]
    assert 0.55 < (float(copy[50]) - float(copy[14])) / (4 * 36) < 0.65, "the slope is that of the window"


def test_names_say_the_strength_where_there_are_several():
    assert kind("rotation").named(15) == "rotation 15°" and kind("mirror").named(1) == "mirror"
    assert len({found.name for found in KINDS}) == len(KINDS)
    assert len(set(names())) == len(names()) and set(MAY_BE_BLIND) <= set(names())


def test_every_kind_has_words_of_its_own_with_its_strength():
    assert in_words("rotation 15°") == "turned by 15°" and in_words("mirror") == "mirrored"
    assert in_words("mirrored-crop") == "a square of 0.75 of the side, mirrored"
    assert in_words("somebody's own kind") == "somebody's own kind"
    words = [in_words(name) for name in names()]
    assert not any("{" in text for text in words)
    assert len(set(words)) == len(words)


def test_what_needs_others_says_so(images):
    with pytest.raises(ValueError, match="others"):
        kind("half").copies(images, images[:0], 0.5, np.random.default_rng(0))
