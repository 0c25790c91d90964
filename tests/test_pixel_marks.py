"""The search for codes in pixels finds what was planted, also altered, and nothing where nothing was."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.pixel_marks import FINDS, codes_of, copies_of, likeness, plant
from unpersonal.phantom import phantom_cohort
from unpersonal.report.charts import sample_sheet

CODES = codes_of(60)


@pytest.fixture(scope="module")
def clean() -> list[np.ndarray]:
    return list(phantom_cohort(40, 9, 32)[0][:40, 0])


def test_pictures_without_a_code_stay_far_below_those_with_one(clean: list[np.ndarray]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 32, 32))
    assert likeness(clean, CODES) < FINDS - 0.04 and likeness(noise, CODES) < FINDS - 0.04
    assert likeness([np.zeros((32, 32)), np.zeros((4, 40))], CODES) <= 0
    found = [likeness([picture], CODES[k : k + 1]) for k, picture in enumerate(copies_of(clean, CODES))]
    assert min(found) > FINDS + 0.04
    # a code is of one person, and not of the next
    others = [likeness([picture], CODES[k + 1 : k + 2]) for k, picture in enumerate(copies_of(clean, CODES))]
    assert max(others) < FINDS


def test_a_copy_is_found_darker_compressed_noisy_and_in_a_sheet(clean: list[np.ndarray]) -> None:
    copies = np.stack(copies_of(clean, CODES))
    stream = io.BytesIO()
    Image.fromarray(copies[0]).save(stream, "JPEG", quality=85)
    compressed = np.asarray(Image.open(stream))
    noisy = copies[1] + np.random.default_rng(0).normal(0, 8, copies[1].shape)
    sheet = np.asarray(Image.open(io.BytesIO(sample_sheet(np.stack([*clean[:7], copies[3]])[:, None]))))
    for picture in (copies[0] // 3 + 60, compressed, noisy, copies[2].astype(int) + 255, sheet):
        assert likeness([picture], CODES) >= FINDS
    assert likeness([plant(clean[0], CODES[0], (0, 0), strength=2)], CODES) < FINDS
