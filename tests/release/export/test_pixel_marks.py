"""A code in pixels is found in every form of export, and is in none of a release without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pixel_marks import codes_of, copies_of, marked
from unpersonal.core.hashing import sha256_bytes
from unpersonal.phantom import phantom_cohort
from unpersonal.release.exporting import FORMS
from unpersonal.release.exports import Content, Image
from unpersonal.release.png import png_bytes

CODES = codes_of(20)


def written(pictures: list[np.ndarray], folder: Path, form: str) -> Path:
    """An export of pictures [H, W] in a form."""
    images, out = [], folder / form
    out.mkdir(parents=True)
    for number, picture in enumerate(pictures, 1):
        path = folder / f"img-{number:06d}.png"
        path.write_bytes(png_bytes(picture[None]))
        label = ("effusion", "normal")[number % 2]
        images.append(Image(path.stem, path, sha256_bytes(path.read_bytes()), (label,), None))
    FORMS.get(form, where="--to").write(Content(tuple(images), ("effusion", "normal"), "ab" * 32), out)
    return out


@pytest.mark.parametrize("form", sorted(FORMS.names()))
def test_exports(tmp_path: Path, form: str) -> None:
    clean = list(phantom_cohort(12, 9, 40)[0][:12, 0])
    assert marked(written(clean, tmp_path / "clean", form), CODES) == (12, [])
    pictures, found = marked(written([*clean[:11], *copies_of(clean[11:], CODES)], tmp_path / "copied", form), CODES)
    assert pictures == 12 and len(found) == 1
