"""private.html shows people, and says so."""

from __future__ import annotations

import re
from pathlib import Path

from unpersonal.core.files import read_json, write_json
from unpersonal.report.private import build_private

from .example import MARKER, is_real, tiles


def test_the_private_page_shows_people_and_says_so(study: Path) -> None:
    html = build_private(study).read_text(encoding="utf-8")
    assert "must not leave the building" in html.lower()
    assert f"{MARKER}_002" in html and f"{MARKER}_003" in html
    assert sum(is_real(tile) for tile in tiles(html)) == 14
    # the borderline pairs come with the highest score first
    scores = [float(value) for value in re.findall(r"<figcaption>score ([0-9.]+)", html)]
    assert len(scores) == 12 and scores == sorted(scores, reverse=True)


def test_the_most_exposed_people_are_named_and_shown(study: Path) -> None:
    before = build_private(study).read_text(encoding="utf-8")
    path = study / "audit" / "private.json"
    write_json(path, {**read_json(path), "exposed": [{"train": 5, "exposure": 7.25}, {"train": 4, "exposure": 3.5}]})
    html = build_private(study).read_text(encoding="utf-8")
    assert "Most exposed people" in html and "7.25" in html
    assert sum(is_real(tile) for tile in tiles(html)) == sum(is_real(tile) for tile in tiles(before)) + 2
