"""Generative metrics of two folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpersonal.core.errors import InputError
from unpersonal.utility.compare import compare_folders, read_folders
from unpersonal.utility.extractor import Space
from unpersonal.utility.extractors.closed_form import ClosedForm


def pictures(labels: np.ndarray, rng: np.random.Generator, contrast: float = 10.0) -> np.ndarray:
    """uint8 [n,1,16,16]: noise, and a bright corner that depends on the label."""
    images = rng.normal(110, 30, (len(labels), 1, 16, 16))
    images[labels == 1, :, :6, :6] += contrast
    return np.clip(images, 0, 255).astype(np.uint8)


def write_folder(folder: Path, images: np.ndarray) -> Path:
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
    assert [(side.side, side.found, side.read, side.refused) for side in figures.sides] == [
        ("real", 60, 60, 0),
        ("synthetic", 60, 60, 0),
    ]
    assert figures.size == 16 and figures.reading == () and figures.to_json()["fid"] == figures.fid
    (bad / "broken.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"broken\.png"):
        compare_folders(real, bad, size=16)
    np.save(bad / "broken.png", rng.normal(size=3))
    with pytest.raises(InputError, match="not read"):
        compare_folders(bad, good, size=16)


def test_pictures_of_one_shape_are_compared_whole_and_else_their_middles(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    one = write_folder(tmp_path / "one", rng.integers(0, 256, (12, 1, 20, 40)).astype(np.uint8))
    other = write_folder(tmp_path / "other", rng.integers(0, 256, (12, 1, 10, 20)).astype(np.uint8))
    square = write_folder(tmp_path / "square", rng.integers(0, 256, (12, 1, 16, 16)).astype(np.uint8))
    whole = read_folders(one, other, 10)["real"].views
    middle = read_folders(one, square, 20)["real"].views
    first = np.asarray(Image.open(one / "000.png"))
    np.testing.assert_array_equal(middle[0, 0], first[:, 10:30])
    assert len(whole) == len(middle) == 12 and abs(whole[0].mean() - first.mean()) < 2
    remarks = compare_folders(one, square, size=16).reading
    assert "different shapes" in remarks[0] and "100% of the pictures of real" in remarks[1]


def test_a_space_that_tells_no_image_from_another_gives_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of zeros has an FID of 0: the best there is."""
    rng = np.random.default_rng(2)
    paths = [
        write_folder(tmp_path / name, rng.integers(0, 256, (12, 1, 16, 16)).astype(np.uint8)) for name in ("a", "b")
    ]
    for value in (0.0, 7e3):
        rows = lambda images, value=value: value * (1 + 1e-9 * images.reshape(len(images), -1)[:, :5].astype(float))  # noqa: E731
        monkeypatch.setattr(ClosedForm, "open", lambda *_, rows=rows: Space(rows, "nothing", 16))
        with pytest.raises(InputError, match="the same numbers for every real image"):
            compare_folders(*paths, size=16)
