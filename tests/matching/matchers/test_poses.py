"""Whole pictures, however they were turned."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from unpersonal.core.config import Config
from unpersonal.matching import search
from unpersonal.matching.base import flags
from unpersonal.matching.fields import contrast, grey, resized, unit_rows
from unpersonal.matching.kinds import kind
from unpersonal.matching.matchers import poses
from unpersonal.matching.matchers.poses import MATCHER
from unpersonal.matching.windows import MAP


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("exact", 1), ("mirror", 1), ("polarity", 1), ("right-angle", 90), ("right-angle", 270), ("rotation", 10),
        ("rotation", 15), ("exposure", 1.7), ("zoom", 1.15), ("zoom", 0.85), ("frame", 0.85), ("letterbox", 0.8),
        ("squash", 0.8), ("crop", 0.85), ("jpeg", 20), ("shift", 0.08), ("zoom", 0.7), ("rotation", 20),
    ],
)  # fmt: skip
def test_a_turned_picture_is_found_and_names_its_subject(recall, name, strength):
    found, right = recall(MATCHER, name, strength)
    assert found >= 0.9 and right >= 0.9


@pytest.mark.parametrize("degrees", [35, 45, 55, 125, -40])
def test_no_angle_is_left_out(recall, degrees):
    """Between right angles and far from them; half of the corners is gone at 45 degrees."""
    found, right = recall(MATCHER, "rotation", degrees)
    assert found >= 0.8 and right >= 0.8


@pytest.fixture(scope="module")
def asked(people) -> Callable[[np.ndarray], tuple[float, float]]:
    """Share of copies of the first 24 that are above 95 % of strangers, and with the right subject."""
    images, subjects, strangers, _ = people
    matcher = MATCHER.fit(images, subjects, Config(), seed=0, device=torch.device("cpu"))
    gallery = matcher.enrol(images, subjects)
    limit = float(np.quantile(matcher.score(strangers, gallery).score, 0.95))

    def measure(copies: np.ndarray) -> tuple[float, float]:
        found = matcher.score(copies, gallery)
        return float((found.score > limit).mean()), float((subjects[found.nearest] == subjects[: len(copies)]).mean())

    return measure


def test_a_person_at_half_size_anywhere_in_another_picture_is_found(people, asked):
    images, _, _, hosts = people
    rng, half = np.random.default_rng(4), images.shape[-1] // 2
    copies = hosts[rng.integers(0, len(hosts), 24)].copy()
    for copy, image in zip(copies, images, strict=False):
        top, left = rng.integers(0, half + 1, 2)
        small = Image.fromarray(image[0]).resize((half, half), Image.Resampling.BICUBIC)
        copy[:, top : top + half, left : left + half] = np.asarray(small)
    assert min(asked(copies)) >= 0.8


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("first", [True, False])
def test_a_person_squeezed_beside_another_is_found(people, asked, axis, first):
    images, _, _, hosts = people
    pairs = [images[:24], hosts[np.random.default_rng(5).integers(0, len(hosts), 24)]]
    rows = slice(None), slice(None), *(slice(None, None, 2) if axis == at else slice(None) for at in (2, 3))
    assert min(asked(np.concatenate([some[rows] for some in (pairs if first else pairs[::-1])], axis=axis))) >= 0.8


def test_a_half_is_none_of_its_business(recall):
    """A control: where hardly anything of a person is left, hardly anything is found."""
    assert recall(MATCHER, "region", 0.14)[0] <= 0.25


def test_it_says_how_a_picture_was_turned(people):
    images, subjects, _, _ = people
    matcher = MATCHER.fit(images[:60], subjects[:60], Config(), seed=0, device=torch.device("cpu"))
    gallery = matcher.enrol(images, subjects)
    turned = kind("right-angle").copies(images[:8], images[:0], 90, np.random.default_rng(0))
    how = list(matcher.score(turned, gallery).how) + list(matcher.score(turned[..., ::-1].copy(), gallery).how)
    assert sum(word == "turned by 270°" for word in how[:8]) >= 7
    assert sum(word.startswith("mirrored, turned by ") for word in how[8:]) >= 7


def test_sought_coarse_to_fine_it_finds_what_an_exhaustive_search_finds(people):
    """Every window of the right size of every image, compared in full, against the few that are proposed."""
    images, subjects, _, _ = people
    matcher = MATCHER.fit(images[:100], subjects[:100], Config(), seed=0, device=torch.device("cpu"))
    copies = kind("crop").copies(images[:40], images[:0], 0.75, np.random.default_rng(0))
    found = matcher.score(copies, matcher.enrol(images, subjects))
    mine = unit_rows(contrast(resized(grey(copies), MAP)).flatten(1))
    best = torch.full((len(copies), len(images)), -1.0)
    for side in (42, 43):
        known = contrast(resized(grey(images), side))
        for top, left in product(range(side - MAP + 1), repeat=2):
            rows = unit_rows(known[:, top : top + MAP, left : left + MAP].flatten(1))
            best = torch.maximum(best, mine @ rows.T)
    exhaustive = subjects[best.argmax(dim=1).numpy()]
    assert (exhaustive == subjects[:40]).mean() >= 0.97, "the exhaustive search can tell"
    assert (subjects[found.nearest] == exhaustive).mean() >= 0.97


def test_blocks_do_not_matter(people, monkeypatch):
    images, subjects, strangers, _ = people
    matcher = MATCHER.fit(images[:60], subjects[:60], Config(), seed=0, device=torch.device("cpu"))
    whole = matcher.score(strangers[:20], matcher.enrol(images[:40], subjects[:40]), subjects[:20])
    for module, name, value in ((poses, "QUERIES", 7), (poses, "ENROLLED", 9), (search, "ROWS", 5)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(search, "BLOCK", 10_000)
    parts = matcher.score(strangers[:20], matcher.enrol(images[:40], subjects[:40]), subjects[:20])
    assert np.allclose(whole.score, parts.score, atol=1e-3) and (whole.nearest == parts.nearest).mean() >= 0.95


def test_it_is_kept_as_it_is(keeps):
    keeps(MATCHER)


def test_a_query_does_not_meet_its_own_subject(leaves_out):
    leaves_out(MATCHER)


def test_in_haste_it_flags_what_it_flags_at_leisure(people):
    """Also where the limit is the very score of a query, and where nobody or everybody is flagged."""
    images, subjects, strangers, hosts = people
    matcher = MATCHER.fit(images[:100], subjects[:100], Config(), seed=0, device=torch.device("cpu"))
    gallery = matcher.enrol(images, subjects)
    makers = [("rotation", 15), ("crop", 0.75), ("frame", 0.85), ("average", 0.6)]
    copies = [kind(name).copies(images[:12], hosts, strength, np.random.default_rng(3)) for name, strength in makers]
    queries = np.concatenate([*copies, strangers[:24]])
    plain = matcher.score(queries, gallery)
    for enough in (*np.quantile(plain.score, (0.2, 0.5, 0.8)), float(plain.score[5]), -9.0, 99.0):
        hasty = matcher.score_until(queries, gallery, float(enough))
        flagged = flags(plain.score, float(enough))
        clear = np.abs(plain.score - enough) > 1e-3
        assert (flags(hasty.score, float(enough)) == flagged)[clear].all()
        assert np.allclose(hasty.score[~flagged & clear], plain.score[~flagged & clear], atol=1e-3)
        assert (hasty.score <= plain.score + 1e-3).all()
    assert (matcher.score_until(queries, gallery, -9.0).score < plain.score - 0.1).any(), "a look was spared"


def test_in_haste_looks_end_for_each_query_with_the_first_that_is_enough(monkeypatch):
    """And with no look that cannot tell; whatever becomes of the queries beside it."""
    rng, enough = np.random.default_rng(6), np.array([0.5, 0.6, 0.7], np.float32)
    told = rng.choice(np.array([0.1, 0.55, 0.65, 0.7, 0.9, np.nan], np.float32), (40, 3))
    for look, name in enumerate(("_turned", "_cropped", "_framed")):
        monkeypatch.setattr(poses, name, lambda *_, look=look: look)

    def decide(
        pictures: torch.Tensor, _: object, look: int, __: object
    ) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
        which = pictures[:, 0, 0].long()
        return torch.from_numpy(told)[which, look], 100 * look + which, [f"{look} {number}" for number in which]

    monkeypatch.setattr(poses, "_decide", decide)
    monkeypatch.setattr(poses, "QUERIES", 7)
    queries = torch.arange(40.0)[:, None, None]
    gallery = poses.PoseGallery(queries, queries, queries, queries, np.arange(40).astype(str))
    for limit in (enough, None):
        raw, rows, how = poses._looks(queries, gallery, queries, None, limit)
        expected = told.copy()
        for row in expected:
            reached = [look for look in range(3) if limit is not None and row[look] >= limit[look]]
            row[reached[0] + 1 if reached else 3 :] = -np.inf
        assert np.array_equal(raw, expected, equal_nan=True)
        seen = ~np.isneginf(expected)
        assert (rows == 100 * np.arange(3) + np.arange(40)[:, None])[seen].all()
        assert [how[place] for place in zip(*np.nonzero(seen), strict=True)] == [
            f"{look} {number}" for number, look in zip(*np.nonzero(seen), strict=True)
        ]
