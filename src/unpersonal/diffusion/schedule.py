"""The learning rate of EDM2 (arXiv 2312.02696, equation 67)."""

from __future__ import annotations

import math


def learning_rate(images: float, *, batch: int, ref_lr: float, ref_batches: float, rampup_images: float) -> float:
    """Learning rate of the update that follows after `images` images were seen (so the first one has rate 0).

    Constant `ref_lr`, then decaying as 1/sqrt from `ref_batches` updates on (0: never), after a linear warm-up over
    `rampup_images` images (0: none).
    """
    rate = ref_lr
    if ref_batches > 0:
        rate /= math.sqrt(max(images / (ref_batches * batch), 1.0))
    if rampup_images > 0:
        rate *= min(images / rampup_images, 1.0)
    return rate
