"""Generative metrics of two folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unpersonal.core.errors import InputError
from unpersonal.utility.compare import compare_folders


def pictures(labels: np.ndarray, rng: np.random.Generator, contrast: float = 10.0) -> np.ndarray:
    """uint8 [n,1,16,16]: noise, and a bright corner that depends on the label."""
    images = rng.normal(110, 30, (len(labels), 1, 16, 16))
    images[labels == 1, :, :6, :6] += contrast
    return np.clip(images, 0, 255).astype(np.uint8)


def write_folder(folder: Path, images: np.ndarray) -> Path:
    from PIL import Image

    folder.mkdir()
    for row, image in enumerate(images):
        Image.fromarray(image[0]).save(folder / f"{row:03d}.png")
    return folder


@pytest.mark.slow
def test_folders_can_be_compared(tmp_path: Path) -> None:
    rng, labels = np.random.default_rng(8), np.arange(60) % 2
    real = write_folder(tmp_path / "real", pictures(labels, rng))
    good = write_folder(tmp_path / "good", pictures(labels, rng))
    bad = write_folder(tmp_path / "bad", 255 - pictures(labels, rng)[:, :, ::-1] // 3)
    figures = compare_folders(real, good, size=16, seed=1)
    assert figures.n_synthetic == 60 and figures.n_train == figures.n_test == 30
    assert figures.fid < compare_folders(real, bad, size=16, seed=1).fid
    few = write_folder(tmp_path / "few", pictures(labels, rng)[:3])
    for wrong in (few, tmp_path / "absent"):
        with pytest.raises(InputError):
            compare_folders(real, wrong, size=16)
    with pytest.raises(InputError):
        compare_folders(real, good, features="clip")
    (bad / "broken.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"broken\.png"):
        compare_folders(real, bad, size=16)
