"""Products of halves against brute force over poses and mirrors."""

from __future__ import annotations

import pytest
import torch

from unpersonal.matching import search


@pytest.fixture
def vectors() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(37, 12, generator=generator), torch.randn(23, 9, 12, generator=generator).half()


def _brute(whole: torch.Tensor, posed: torch.Tensor) -> torch.Tensor:
    """[a, b, w, 2]: without its sign, the product with every pose, as it is and mirrored (the odd half negated)."""
    flip = torch.cat([torch.ones(6), -torch.ones(6)])
    return torch.stack([torch.einsum("ad,bwd->abw", whole * sign, posed.float()) for sign in (1.0, flip)], 3).abs()


def test_the_closest_is_the_maximum_over_poses_mirrors_and_signs(vectors, monkeypatch):
    whole, posed = vectors
    wanted = _brute(whole, posed).amax(dim=(2, 3))
    assert torch.allclose(search.closest(whole, posed), wanted, atol=1e-4)
    monkeypatch.setattr(search, "ROWS", 5)
    monkeypatch.setattr(search, "BLOCK", 100)
    assert torch.allclose(search.closest(whole, posed), wanted, atol=1e-4)


def test_the_closest_pose_of_a_pair_is_told_with_its_mirror(vectors):
    whole, posed = vectors
    which = torch.randint(0, 23, (37,), generator=torch.Generator().manual_seed(1))
    score, pose, mirrored = search.closest_poses(whole, posed, which)
    of_pairs = _brute(whole, posed)[torch.arange(37), which]
    best, place = of_pairs.flatten(1).max(dim=1)
    assert torch.allclose(score, best, atol=1e-4)
    assert torch.equal(pose, place // 2) and torch.equal(mirrored, place % 2 == 1)
