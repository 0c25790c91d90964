"""From scores of images to scores of people: several images of a person must be no advantage and no disadvantage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Combination:
    """The largest score of a person's k images, less what the largest of k is above their mean without a leak.

    That grows as log k where the tails of scores are exponential (Gumbel's limit), and less where images of a person
    are alike: `slope` is the gain per log k, measured on people of whom nothing is claimed. None where none of them has
    several images: then a person's score is the mean of its images, which does not depend on k.
    """

    slope: float | None

    @classmethod
    def of(cls, scores: np.ndarray, starts: np.ndarray) -> Combination:
        """As people have it whose images [n] have these `scores`; `starts` int64 [S] = first image of each person."""
        counts = _counts(scores, starts)
        several = counts > 1
        if not several.any():
            return cls(None)
        gain = np.maximum.reduceat(scores, starts) - np.add.reduceat(scores, starts) / counts
        return cls(float(gain[several].sum() / np.log(counts[several]).sum()))

    def people(self, scores: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Scores float64 [S] of people, of scores [n] of their images."""
        scores, counts = np.asarray(scores, dtype=np.float64), _counts(scores, starts)
        if self.slope is None:
            means: np.ndarray = np.add.reduceat(scores, starts) / counts
            return means
        found: np.ndarray = np.maximum.reduceat(scores, starts) - self.slope * np.log(counts)
        return found


def _counts(scores: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.diff(np.append(starts, len(scores)))
