"""Windows, frames and directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.matching.fields import contrast, grey, resized
from unpersonal.matching.geometry import view
from unpersonal.matching.windows import (
    COARSE,
    DIMENSIONS,
    FINE,
    MAP,
    STRETCHED,
    _places,
    coarse_directions,
    discriminants,
    projected,
    trimmed,
    window_maps,
    window_vectors,
)
from unpersonal.phantom import phantom_cohort


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    images, subjects, _ = phantom_cohort(40, 1, 64)
    return grey(images[np.unique(subjects, return_index=True)[1]])


@pytest.mark.parametrize("shares", [COARSE, FINE])
def test_windows_reach_every_edge_and_have_as_many_maps_as_vectors(pictures, shares):
    count = len(STRETCHED)
    for share, step in shares:
        side = round(MAP / share)
        places = _places(side, step)
        assert {(0, 0), (0, side - MAP), (side - MAP, side - MAP)} <= set(places)
        tops = sorted({top for top, _ in places})
        assert max(np.diff(tops)) <= step
        count += len(places)
    directions = torch.eye(MAP * MAP)[:, :6]
    assert window_vectors(pictures[:2], shares, directions).shape == (2, count, 6)
    assert window_maps(shares).shape == (count, 2, 3)


def test_a_window_is_seen_where_its_map_says(pictures):
    directions = discriminants(pictures, 0)
    vectors = window_vectors(pictures[:5], COARSE, directions).float()
    for number in (0, 20, 100, len(window_maps(COARSE)) - 1):
        seen, _ = view(pictures[:5], window_maps(COARSE)[number].expand(5, 2, 3), MAP)
        cosine = (projected(contrast(seen), directions) * vectors[:, number]).sum(dim=1)
        assert float(cosine.min()) > 0.6, number


def test_half_of_the_directions_are_even_and_half_are_odd(pictures):
    directions = discriminants(pictures, 0)
    assert directions.shape == (MAP * MAP, 2 * DIMENSIONS)
    flipped = directions.view(MAP, MAP, -1).flip(1).flatten(0, 1)
    assert torch.allclose(flipped[:, :DIMENSIONS], directions[:, :DIMENSIONS], atol=1e-4)
    assert torch.allclose(flipped[:, DIMENSIONS:], -directions[:, DIMENSIONS:], atol=1e-4)
    assert float(directions.mean(dim=0).abs().max()) < 1e-5, "a constant is seen by none"
    assert torch.equal(directions, discriminants(pictures, 0)), "the same pictures, the same directions"
    few = coarse_directions(directions)
    assert torch.equal(few[:, : few.shape[1] // 2], directions[:, : few.shape[1] // 2])


def test_along_the_directions_a_misplaced_picture_is_nearer_than_a_stranger(pictures):
    directions = discriminants(pictures[:30], 0)
    maps = contrast(resized(pictures[30:], MAP))
    moved = contrast(resized(pictures[30:].roll(1, 2), MAP))
    likeness = projected(maps, directions) @ projected(moved, directions).T
    assert (likeness.argmax(dim=1) == torch.arange(10)).all()


def test_a_flat_frame_is_taken_off_and_nothing_else():
    pictures = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    pictures[0, :8], pictures[0, 60:], pictures[0, :, :5] = 90.0, 90.0, 90.0
    maps = trimmed(pictures)
    half = maps[0, :, :2].diagonal()
    low, high = (maps[0, :, 2] - half + 1) * 32, (maps[0, :, 2] + half + 1) * 32
    assert low.tolist() == pytest.approx([5, 8]) and high.tolist() == pytest.approx([64, 60])
    assert torch.allclose(view(pictures, maps, 64)[0][1], pictures[1], atol=1e-2)
