"""The audit tried on itself: fresh phantoms must pass, perturbed copies must fail, and at what bound."""

from __future__ import annotations

import numpy as np

from unpersonal.audit import SubjectImages, audit_images
from unpersonal.audit.perturbations import perturbed_copies
from unpersonal.phantom import phantom_cohort

SIDE, TRAIN, AUX, RELEASED, SIZE = 450, 1125, 225, 150, 64


def main() -> None:
    """Print verdict, advantage, bound, planted power and the calibration of weights for both releases."""
    images, subjects, labels = phantom_cohort(SIDE + TRAIN + AUX, seed=0, size=SIZE)
    names = np.array(subjects, dtype=object)
    subjects_drawn = np.random.default_rng(0).permutation(np.unique(names))
    rows = {
        "train": np.flatnonzero(np.isin(names, subjects_drawn[:TRAIN])),
        "control": np.flatnonzero(np.isin(names, subjects_drawn[TRAIN : TRAIN + SIDE])),
        "aux": np.flatnonzero(np.isin(names, subjects_drawn[TRAIN + SIDE :])),
    }
    fresh, _, _ = phantom_cohort(RELEASED, seed=1, size=SIZE, stream="fresh")
    originals = images[np.random.default_rng(1).choice(rows["train"], RELEASED, replace=False)]
    copies, _ = perturbed_copies(originals, np.random.default_rng(2))
    for name, release in (("fresh people", fresh[:RELEASED]), ("perturbed copies", copies)):
        train, control, auxiliary = (
            SubjectImages(images[rows[side]], names[rows[side]], [labels[row] for row in rows[side]])
            for side in ("train", "control", "aux")
        )
        result = audit_images(train, control, release, auxiliary, seed=0).to_dict()
        print(
            f"audit of {RELEASED} {name}: {result['verdict']}, advantage {result['advantage']:.3f},"
            f" upper bound {result['advantage_upper']:.3f}, planted-copy power {result['planted']['power']:.3f}"
        )
        print(f"  weights: {result['weights']}")


if __name__ == "__main__":
    main()
