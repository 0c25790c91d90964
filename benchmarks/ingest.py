"""How many phantom images a second are rendered, and encoded by the patch codec, at 64 px."""

from __future__ import annotations

import time

from unpersonal.codec.base import to_float
from unpersonal.codec.patch import PatchCodec
from unpersonal.cohort.phantom import phantom_cohort


def main() -> None:
    """Print images per second of both."""
    start = time.perf_counter()
    images, _, _ = phantom_cohort(600, seed=0, size=64)
    middle = time.perf_counter()
    codec = PatchCodec.fit(images, patch=8, components=16)
    codec.encode(to_float(images))
    end = time.perf_counter()
    print(f"phantom: {len(images) / (middle - start):.0f} images/s at 64 px")
    print(f"patch codec, fit and encode: {len(images) / (end - middle):.0f} images/s at 64 px")


if __name__ == "__main__":
    main()
