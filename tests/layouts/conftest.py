"""Pictures of phantom people, and tables of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from unpersonal.phantom import phantom_cohort, write_phantom

from ..journeys.cohort_cases import (
    People,
    draw_people,
    encoded,
    write_files,
)
from .cases import FINDINGS, SUBJECTS


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("phantom") / "images"
    write_phantom(path, SUBJECTS, seed=1, size=32, findings=FINDINGS)
    return path


@pytest.fixture
def flat(tmp_path) -> tuple[Path, list[str], list[str], list[str]]:
    """A flat folder img/0000.png… with its names, subjects and labels."""
    images, subjects, labels = phantom_cohort(SUBJECTS, 1, 32, findings=FINDINGS)
    (tmp_path / "img").mkdir()
    names = [f"img/{i:04d}.png" for i in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image[0]).save(tmp_path / name)
    return tmp_path, names, subjects, labels


Change = Callable[[int, dict[str, str]], None]


@pytest.fixture(scope="session")
def people() -> People:
    return draw_people(60)


@pytest.fixture(scope="session")
def pictures(people, tmp_path_factory) -> Path:
    """`images/0000.png` … of the people; tables go beside the folder."""
    files = {f"images/{i:04d}.png": encoded(image) for i, image in enumerate(people.images)}
    return write_files(tmp_path_factory.mktemp("pictures"), files)


@pytest.fixture
def table(people, pictures, tmp_path) -> Callable[..., Path]:
    """A function that writes the table of the people with a change in every row, and its root into the options."""

    def make(change: Change | None = None, name: str = "table.csv") -> Path:
        rows = []
        for i, (subject, label) in enumerate(zip(people.subjects, people.labels, strict=True)):
            rows.append({"image": f"images/{i:04d}.png", "subject": subject, "label": label})
            if change:
                change(i, rows[-1])
        pd.DataFrame(rows).to_csv(tmp_path / name, index=False, na_rep="")
        return tmp_path / name

    return make


@pytest.fixture
def root(pictures) -> tuple[str, str]:
    return ("--root", str(pictures))
