"""Copies of held-out subjects, and how every matcher scores them: what a threshold is chosen from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..codec.base import Codec
from ..core.seeds import derive_seed, numpy_rng
from ..matching.base import Matcher, Scores
from .calibration import CopyScores
from .config import JudgesConfig
from .reidentifier import Embedded, Reidentifier
from .subset import Subset
from .views import make_copies, one_row_per_subject


@dataclass(frozen=True)
class CopySet:
    """One image of each of n subjects, and its copies.

    `rows` [n] are those of the images in their subset, `originals` uint8 [n, C, H, W], `subjects` [n], `copies` uint8
    [P, n, C, H, W], one per perturbation.
    """

    rows: np.ndarray
    originals: np.ndarray
    subjects: np.ndarray
    copies: np.ndarray


def draw_copies(held: Subset, config: JudgesConfig, codec: Codec, seed: int, device: torch.device) -> CopySet:
    """Copies of one image of each subject of the calibration half of val."""
    rows = one_row_per_subject(held.subjects, numpy_rng(seed, "calibration"))
    originals = held.images[rows]
    copies = make_copies(originals, config.perturbations, derive_seed(seed, "calibration"), codec, device)
    return CopySet(rows, originals, held.subjects[rows], copies)


def score_copies(
    reidentifier: Reidentifier, originals: np.ndarray, copies: np.ndarray, train: Embedded
) -> tuple[CopyScores, Embedded]:
    """Score copies uint8 [P, n, C, H, W] with their `originals` [n, C, H, W], and these with the train gallery.

    The second result is the originals as a gallery.
    """
    gallery = reidentifier.embed_gallery(originals)
    scores = np.stack([reidentifier.paired_scores(reidentifier.embed(batch), gallery) for batch in copies])
    strangers, _ = reidentifier.best_match(reidentifier.embed(originals), train)
    return CopyScores(scores, strangers), gallery


def score_copies_by(matcher: Matcher[object], drawn: CopySet, train: Subset) -> CopyScores:
    """The same by any matcher: every subject's copies against a gallery of its original alone."""
    columns = []
    for index in range(len(drawn.originals)):
        gallery = matcher.enrol(drawn.originals[index : index + 1], drawn.subjects[index : index + 1])
        columns.append(checked(matcher.score(np.array(drawn.copies[:, index]), gallery), len(drawn.copies)).score)
    gallery = matcher.enrol(train.images, train.subjects)
    strangers = checked(matcher.score(np.array(drawn.originals), gallery), len(drawn.originals)).score
    return CopyScores(np.stack(columns, axis=1), strangers)


def checked(scores: Scores, count: int) -> Scores:
    """`scores` with the dtypes that were promised; a `ValueError` unless there is one for each of `count` queries."""
    score, nearest = np.asarray(scores.score, dtype=np.float32), np.asarray(scores.nearest, dtype=np.int64)
    if score.shape != (count,) or nearest.shape != (count,):
        raise ValueError(f"{score.shape} scores and {nearest.shape} rows of {count} queries")
    return Scores(score, nearest)
