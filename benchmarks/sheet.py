"""A sheet of the first 64 images of a release: `python -m benchmarks.sheet RELEASE FILE.png`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

SIDE, GAP = 8, 2
"""Images along each side, and pixels between them."""


def main(release: Path, file: Path) -> None:
    """Write the sheet; the names in a release are random, so that the first images are a random sample."""
    pictures = [Image.open(path) for path in sorted((release / "images").glob("*.png"))[: SIDE * SIDE]]
    step = pictures[0].width + GAP
    sheet = Image.new(pictures[0].mode, (SIDE * step + GAP,) * 2, "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (GAP + number % SIDE * step, GAP + number // SIDE * step))
    sheet.save(file, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
