"""Maps between pictures against what NumPy and SciPy do with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.matching.geometry import affine, compose, correlation, inverse, mirrored, view, window


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(3, 16, 16)).astype(np.float32))


def test_the_identity_shows_the_picture(pictures):
    seen, inside = view(pictures, affine().expand(3, 2, 3), 16)
    assert torch.allclose(seen, pictures, atol=1e-5) and bool(inside.all())


def test_a_window_shows_what_a_slice_does(pictures):
    seen, _ = view(pictures, window(2, 5, 8, 8, 16).expand(3, 2, 3), 8)
    assert torch.allclose(seen, pictures[:, 2:10, 5:13], atol=1e-5)


def test_a_turn_by_a_right_angle_is_a_turn_of_the_array(pictures):
    seen, inside = view(pictures, affine(90).expand(3, 2, 3), 16)
    assert torch.allclose(seen, torch.rot90(pictures, 1, (1, 2)), atol=1e-4) and bool(inside.all())


def test_what_lies_outside_is_told(pictures):
    _, inside = view(pictures, affine(shift=(1.0, 0.0)).expand(3, 2, 3), 16)
    assert bool(inside[:, :, :8].all()) and not bool(inside[:, :, 8:].any())


def test_composition_looks_through_the_inner_map_first(pictures):
    outer, inner = affine(20, (1.2, 0.9), (0.1, -0.2)), affine(-35, (0.8, 1.1), (0.05, 0.3))
    place = torch.tensor([0.3, -0.4])
    through = inner @ torch.cat([place, torch.ones(1)])
    wanted = outer @ torch.cat([through, torch.ones(1)])
    assert torch.allclose(compose(outer[None], inner)[0] @ torch.cat([place, torch.ones(1)]), wanted, atol=1e-6)


def test_the_eight_right_angles_are_eight_pictures(pictures):
    for right in range(4):
        maps = affine(90 * right).expand(3, 2, 3)
        seen, _ = view(pictures, maps, 16)
        flipped, inside = view(pictures, mirrored(maps, torch.ones(3).bool()), 16)
        assert torch.allclose(seen, torch.rot90(pictures, right, (1, 2)), atol=1e-4)
        assert torch.allclose(flipped, seen.flip(2), atol=1e-4) and bool(inside.all())


def test_only_what_is_told_is_mirrored(pictures):
    maps = affine(10, (1.2, 0.9), (0.1, 0.0)).expand(3, 2, 3)
    seen, _ = view(pictures, maps, 16)
    some, _ = view(pictures, mirrored(maps, torch.tensor([False, True, False])), 16)
    assert torch.equal(some[0], seen[0]) and torch.allclose(some[1], seen[1].flip(1), atol=1e-5)


def test_the_inverse_leads_back():
    maps = torch.stack([affine(20, (1.2, 0.9), (0.1, -0.2)), affine(-35, (0.8, 1.1), (0.05, 0.3))])
    assert torch.allclose(compose(maps, inverse(maps)), affine().expand(2, 2, 3), atol=1e-5)


def test_views_are_those_of_pytorchs_own_grid(pictures):
    maps = affine(12, (1.3, 0.8), (0.1, -0.2)).expand(3, 2, 3)
    grid = torch.nn.functional.affine_grid(maps, [3, 1, 16, 16], align_corners=False)
    wanted = torch.nn.functional.grid_sample(pictures[:, None], grid, padding_mode="border", align_corners=False)
    assert torch.allclose(view(pictures, maps, 16)[0], wanted[:, 0], atol=1e-4)


def test_correlation_is_numpys_over_what_is_seen():
    rng = np.random.default_rng(1)
    one, two, seen = rng.normal(size=(4, 50)), rng.normal(size=(4, 50)), rng.random((4, 50)) < 0.6
    found = correlation(*(torch.from_numpy(part.astype(np.float32)) for part in (one, two, seen)))
    for row in range(4):
        wanted = np.corrcoef(one[row][seen[row]], two[row][seen[row]])[0, 1]
        assert float(found[row]) == pytest.approx(wanted, abs=1e-5)
