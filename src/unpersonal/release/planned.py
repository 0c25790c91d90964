"""What the card says of the plan of draws: how many images were planned, of which labels, and of whom."""

from __future__ import annotations

import math

from ..synthesis.figures import SynthesisFigures
from ..synthesis.histogram import SMALL
from .evidence import suppressed

CHOSEN = {
    "probabilities": "the one whose class probabilities were nearest to those wanted was taken",
    "least-like": "the one that all matchers together found least like anybody in the cohort was taken",
    "first": "the one that was drawn first was taken",
    "random": "one was taken at random",
}


def share_told(share: float) -> float:
    """The largest share of conditions, rounded up to per cent: it is one person's."""
    return min(math.ceil(round(100 * share, 6)) / 100, 1.0)


def planned_statement(figures: SynthesisFigures | None) -> str:
    """Volume, label sets, those left out, and the largest share of one person."""
    if figures is None:
        return "How many images were planned is not known."
    volume = figures.draws / max(figures.sources, 1)
    text = (
        f"About {volume:.1f} images were planned for each training image that lent its labels, {_of_whom(figures)}. "
        f"{_labels(figures)} Of label sets of fewer than {SMALL} images or people, as many images "
        "never passed as there are images or people with them."
    )
    if figures.label_sets_left_out:
        text += (
            f" Label sets that fewer than {figures.fewest_subjects} training people were given, or that no image lent,"
            " were left out."
        )
    return text


def _of_whom(figures: SynthesisFigures) -> str:
    share = f"more than {share_told(figures.largest_share):.0%} of the"
    if figures.shared_by is None:
        return f"each under a condition of its own that several people share: nobody took part in {share} conditions"
    return (
        f"each under a condition that is the mean of a group of at least {suppressed(figures.shared_by)} people with "
        f"the same labels, each of whom counts once, and noise: nobody lent the labels of {share} images"
    )


def _labels(figures: SynthesisFigures) -> str:
    if figures.labels == "balanced":
        return "Every label set was planned equally often."
    if figures.labels == "weights":
        return "Label sets were planned by weights that were chosen, not by how often they occur."
    return (
        "Label sets were planned as often as they occur among the training images, after random noise in the counts "
        f"(two-sided geometric, scale {figures.label_noise:g})."
    )
