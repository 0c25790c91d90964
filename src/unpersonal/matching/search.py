"""Which of all images, at which of many poses, comes closest? Few numbers for all, more for the most likely.

Vectors are even before odd (`windows.py`): the product of two pictures is e + o, of one and the other mirrored e - o,
and the larger of both, whichever is the negative, |e| + |o|.

Legend: a whole pictures, b pictures at w poses each, d numbers a vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 17
"""Products computed at once, so that they stay in the cache."""
ROWS = 128
"""Whole pictures compared at once."""


def closest(whole: Tensor, posed: Tensor) -> Tensor:
    """[a, b]: likeness of vectors [a, d] to the closest of vectors [b, w, d] (float16)."""
    import torch

    half, poses = whole.shape[1] // 2, posed.shape[1]
    found = torch.empty(len(posed), len(whole))
    step = max(BLOCK // (ROWS * poses), 1)
    columns = [(part[:, :half].T.contiguous(), part[:, half:].T.contiguous()) for part in whole.split(ROWS)]
    for start in range(0, len(posed), step):
        block = posed[start : start + step].flatten(0, 1)
        even, odd = block[:, :half].float(), block[:, half:].float()
        for number, (whole_even, whole_odd) in enumerate(columns):
            likeness = (even @ whole_even).abs_().add_((odd @ whole_odd).abs_())
            best = likeness.view(-1, poses, likeness.shape[1]).amax(dim=1)
            found[start : start + step, number * ROWS : (number + 1) * ROWS] = best
    return found.T


def closest_poses(whole: Tensor, posed: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of pairs of vectors [p, d] with pictures `which` [p] of [b, w, d]: likeness, number of the pose, mirrored?"""
    import torch

    half = whole.shape[1] // 2
    order = which.argsort(stable=True)
    pictures, counts = which[order].unique_consecutive(return_counts=True)
    score, pose = torch.empty(len(which)), torch.empty(len(which), dtype=torch.long)
    mirrored = torch.empty(len(which), dtype=torch.bool)
    for picture, members in zip(pictures.tolist(), order.split(counts.tolist()), strict=True):
        rows, known = whole[members], posed[picture].float()
        even, odd = rows[:, :half] @ known[:, :half].T, rows[:, half:] @ known[:, half:].T
        score[members], best = (even.abs() + odd.abs()).max(dim=1)
        pose[members] = best
        best = best[:, None]
        mirrored[members] = (even.gather(1, best) * odd.gather(1, best) < 0)[:, 0]
    return score, pose, mirrored
