"""Queries that are scored in blocks, anywhere, get the scores of all of them at once."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from unpersonal.core.parts import ClusterConfig
from unpersonal.core.spread import spreading
from unpersonal.matching import blocks
from unpersonal.matching.blocks import score_in_blocks
from unpersonal.matching.matchers.parts import PartsMatcher


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, (60, 1, 32, 32), dtype=np.uint8)


@pytest.mark.parametrize("own", [False, True])
def test_blocks_of_any_process_score_alike(images, own, monkeypatch):
    monkeypatch.setattr(blocks, "QUERIES", 8)
    subjects = np.array([f"s{row // 2}" for row in range(60)])
    matcher = PartsMatcher.fitted(images[:30], subjects[:30], 0)
    asked = SimpleNamespace(matcher=matcher, gallery=matcher.enrol(images, subjects))
    whose = subjects[:21] if own else None
    whole = matcher.score(images[:21], asked.gallery, whose)
    here = score_in_blocks(asked, images[:21], whose, enrolled=60)
    monkeypatch.setattr(blocks, "WORTH", 0)
    with spreading(ClusterConfig(workers=2)):
        there = score_in_blocks(asked, images[:21], whose, enrolled=60)
    assert np.array_equal(here.score, there.score) and np.array_equal(here.nearest, there.nearest)
    assert here.how.tolist() == there.how.tolist() == whole.how.tolist()
    assert np.allclose(here.score, whole.score, atol=1e-4) and np.array_equal(here.nearest, whole.nearest)
    if own:
        assert (subjects[here.nearest] != whose).all()


def test_no_query_has_no_score(images):
    matcher = PartsMatcher.fitted(images[:30], np.arange(30).astype(str), 0)
    asked = SimpleNamespace(matcher=matcher, gallery=matcher.enrol(images, np.arange(60).astype(str)))
    found = score_in_blocks(asked, images[:0], enrolled=60)
    assert found.score.shape == found.nearest.shape == (0,)
