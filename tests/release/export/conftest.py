"""Contents of releases to export: grey and colour, sides that differ, one label or several, probabilities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unpersonal.core.hashing import sha256_bytes
from unpersonal.release.exports import Content, Image
from unpersonal.release.png import png_bytes

LABELS = (("normal",), ("effusion",), ("normal",))


@pytest.fixture
def make_content(tmp_path: Path) -> Callable[..., Content]:
    """Factory: `channels`, `labels` of each image, `soft` for probabilities."""

    def make(
        channels: int = 1, labels: tuple[tuple[str, ...], ...] = LABELS, soft: bool = False, manifest: str = "ab" * 32
    ) -> Content:
        rng = np.random.default_rng(3)
        images = []
        for number, names in enumerate(labels, 1):
            data = png_bytes(rng.integers(0, 255, (channels, 35, 33), dtype=np.uint8))
            path = tmp_path / f"img-{number:06d}.png"
            path.write_bytes(data)
            told = {"effusion": 0.25, "normal": 0.75} if soft else None
            images.append(Image(path.stem, path, sha256_bytes(data), names, told))
        classes = sorted({name for names in labels for name in names})
        return Content(tuple(images), tuple(classes), manifest)

    return make
