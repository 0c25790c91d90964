"""Sheets of several pictures are told from pictures, whose halves mirror each other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unpersonal.images.contact_sheets import are_sheets
from unpersonal.images.other_pictures import PAGES, SHEETS, THUMBNAILS, find_others
from unpersonal.phantom import write_phantom


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> dict[str, np.ndarray]:
    """Pictures uint8 [n,64,64] of invented people, by modality."""
    root = tmp_path_factory.mktemp("people")
    found = {}
    for modality in ("cxr", "ct"):
        write_phantom(root / modality, subjects=24, seed=5, size=64, modality=modality, fmt="png")
        found[modality] = np.stack(
            [np.asarray(Image.open(path).convert("L")) for path in sorted((root / modality).rglob("*.png"))]
        )
    return found


def sheet(cells: list[np.ndarray], rows: int, gap: int) -> np.ndarray:
    padded = [np.pad(cell, gap, constant_values=255) for cell in cells]
    columns = len(cells) // rows
    lines = [np.concatenate(padded[i * columns : (i + 1) * columns], axis=1) for i in range(rows)]
    return np.asarray(Image.fromarray(np.concatenate(lines)).resize((64, 64), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("modality", ["cxr", "ct"])
def test_sheets_are_found_and_pictures_are_none(people, modality):
    cells = people[modality]
    assert are_sheets(cells[:, None]).mean() <= 0.02
    rng = np.random.default_rng(0)
    for rows, count, gap in ((2, 4, 0), (2, 4, 2), (3, 9, 2), (4, 16, 1)):
        sheets = [sheet(list(cells[rng.integers(0, len(cells), count)]), rows, gap) for _ in range(20)]
        assert are_sheets(np.stack(sheets)[:, None]).mean() >= 0.6, (rows, gap)


def test_noise_and_flat_pictures_are_no_sheets():
    noise = np.random.default_rng(0).integers(0, 255, (30, 3, 64, 64)).astype(np.uint8)
    assert not are_sheets(noise).any()
    assert not are_sheets(np.zeros((2, 1, 64, 64), np.uint8)).any()
    assert are_sheets(np.zeros((0, 1, 64, 64), np.uint8)).shape == (0,)


def test_pages_thumbnails_and_names(people):
    n = 12
    images = people["cxr"][:n, None].copy()
    images[0] = 250
    images[0, :, np.random.default_rng(0).integers(0, 64, 9)] = 10
    text = np.zeros(n)
    text[[0, 1]] = 5.0
    side = np.full(n, 1000)
    side[2] = 120
    names = [f"a/{i}.png" for i in range(n)]
    names[3], names[4], names[5], names[6] = "thumbs/3.png", "a/report_4.png", "a/contact sheet.png", "a/lettersize.png"
    found = find_others(names, images, text, side, side)
    assert {kind: rows.tolist() for kind, rows in found.items()} == {PAGES: [0, 4], THUMBNAILS: [2, 3], SHEETS: [5]}
    # a word that all names have says nothing
    all_thumbs = [f"thumbs/{i}.png" for i in range(n)]
    assert find_others(all_thumbs, people["cxr"][:n, None], np.zeros(n), side, side)[THUMBNAILS].tolist() == [2]
