"""What the closed-form matchers cost on the images of a study: `python -m benchmarks.matching_cost STUDY`.

Seconds to fit, to enrol and to score, and the peak of memory, for galleries and queries of growing size: images of the
study again and again, each time moved by some pixels.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

from unpersonal.codec.store import load_images
from unpersonal.cohort.table import load_cohort
from unpersonal.matching.registry import MATCHERS

SIZES = ((2_928, 1_000), (5_856, 1_000), (5_856, 4_000), (10_000, 1_000), (10_000, 10_000))
"""Gallery images and queries."""


def many(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` images uint8 [count, C, H, W], each beyond the first round rolled by up to six pixels."""
    found = images[np.arange(count) % len(images)].copy()
    for number in range(len(images), count):
        found[number] = np.roll(found[number], rng.integers(-6, 7, 2), (1, 2))
    return found


def main(study: Path) -> None:
    """Print one row for each size."""
    cohort, images = load_cohort(study), np.array(load_images(study))
    train, rng = cohort.rows("train"), np.random.default_rng(0)
    subjects = cohort.subjects.astype(str)
    fitted, began = {}, time.perf_counter()
    for name in ("mixtures", "parts", "poses"):
        part = MATCHERS.get(name)
        fitted[name] = part.fit(images[train], subjects[train], part.config(), seed=0, device=torch.device("cpu"))
    print(f"fitted on {len(train)} images: {time.perf_counter() - began:.1f} s, {torch.get_num_threads()} threads")
    for gallery_size, count in SIZES:
        known, queries = many(images, gallery_size, rng), many(images[::-1], count, rng)
        names = np.array([str(number) for number in range(gallery_size)])
        told, total = [], 0.0
        for name, matcher in fitted.items():
            began = time.perf_counter()
            gallery = matcher.enrol(known, names)
            enrolled = time.perf_counter()
            matcher.score(queries, gallery)
            spent = time.perf_counter()
            told.append(f"{name} {enrolled - began:.1f} + {spent - enrolled:.1f}")
            total += spent - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{count:>6} x {gallery_size:>6}: {total:6.1f} s ({', '.join(told)}), peak {peak:.1f} GB", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
