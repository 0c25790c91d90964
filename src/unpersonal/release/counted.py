"""Counts and sizes that the texts of a release tell, beside its pictures: who adds one must change them all."""

from __future__ import annotations

import re
from pathlib import Path

from .strict_json import NotStrict, parse

_IMAGES = re.compile(r"(?<![\d.,])(\d+) synthetic images?, (\d+) × (\d+) pixels")


def count_problems(root: Path, present: set[str], images: object, shape: object) -> list[str]:
    """Where card or croissant.json tell another number or size of images than the manifest does."""
    texts = {}
    if "README.md" in present:
        texts["README.md"] = (root / "README.md").read_text(encoding="utf-8", errors="replace")
    if "croissant.json" in present:
        try:
            told = parse((root / "croissant.json").read_text(encoding="utf-8", errors="replace"))
        except NotStrict as error:
            return [f"croissant.json: {error}"]
        texts["croissant.json: description"] = str(told.get("description") if isinstance(told, dict) else "")
    problems = []
    for where, text in texts.items():
        found = _IMAGES.search(text)
        if found is None:
            continue
        count, width, height = map(int, found.groups())
        if count != images:
            problems.append(f"{where}: it tells of {count} images, and the manifest lists {images!r}")
        if isinstance(shape, list) and shape[1:] != [height, width]:
            problems.append(f"{where}: it tells of {width} × {height} pixels, and the manifest of {shape!r}")
    return problems
