"""How fast phantoms are drawn, and the sheet of docs/img/phantoms.png (`python -m benchmarks.phantoms FILE`)."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from PIL import Image

from unpersonal.phantom import draw_subjects, phantom_cohort, render

MODALITIES = ("cxr", "ct", "mri")
SUBJECTS, COLUMNS, SIDE = 400, 8, 160


def main() -> None:
    """Print images a second on one core at 64 and 256 px for each modality; write the sheet if a file is named."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:1])
    for modality in MODALITIES:
        for size, subjects in ((64, SUBJECTS), (256, SUBJECTS // 8)):
            start = time.perf_counter()
            images, _, _ = phantom_cohort(subjects, seed=0, size=size, modality=modality)
            rate = len(images) / (time.perf_counter() - start)
            print(f"phantom {modality}: {rate:.0f} images/s at {size} px, one core")
    os.sched_setaffinity(0, allowed)
    if len(sys.argv) > 1 and sys.argv[0].endswith("phantoms.py"):
        sheet().save(sys.argv[1], optimize=True)
        print(f"written: {sys.argv[1]}")


def sheet() -> Image.Image:
    """A row of eight people for each modality, one of each label in turn."""
    rows = []
    for modality in MODALITIES:
        people = draw_subjects(COLUMNS, seed=4, modality=modality)
        visits = np.stack([np.arange(COLUMNS), np.zeros(COLUMNS, dtype=np.int64)], axis=1)
        rows.append(np.concatenate(list(render(people, visits, SIDE)[:, 0]), axis=1))
        print(f"{modality}: {', '.join(people.labels)}")
    return Image.fromarray(np.concatenate(rows))


if __name__ == "__main__":
    main()
