"""The head of the card: what Hugging Face reads of a README.md, in YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..cohort.misread import AS_TEXT, MISSING, read_otherwise
from .about import TERMS, About
from .metadata import METADATA

SIZES = (("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6), ("1M<n<10M", 10**7))
"""Names that Hugging Face gives to sizes, and the number of images that each stays under."""
LARGEST = "10M<n<100M"
TAGS = ("synthetic", "medical", "privacy", "unpersonal")
SHOWN = 5
"""Labels that a sentence names."""


def head(about: About) -> str:
    """The head between its two lines of dashes. Strings are those of JSON, which YAML has as well."""
    lines = ["---", f"pretty_name: {_text(about.told.title)}", *_licence(about)]
    lines += _listed("task_categories", _tasks(about))
    if about.classes:
        lines += _listed("task_ids", (f"multi-{'label' if about.several else 'class'}-image-classification",))
        lines += _listed("annotations_creators", ("machine-generated",))
    lines += _listed("source_datasets", ("original",))
    lines += _listed("tags", TAGS)
    lines += _listed("size_categories", (next((name for name, most in SIZES if about.images < most), LARGEST),))
    # named one by one: a folder with as many tables as images would be taken for a data set of tables
    lines += ["configs:", "- config_name: default", "  data_files:", "  - split: train", "    path:"]
    lines += [f"    - {_text(path)}" for path in ("images/*.png", METADATA)]
    return "\n".join([*lines, "---", ""])


def misread(classes: Sequence[str], *, several: bool = False) -> str:
    """What the loaders make of labels that look like a number, a truth value, or like nothing; empty where none do.

    `several`: some images have more than one label, so that the column is one of texts.
    """
    other = read_otherwise([*classes, *(["|".join(classes)] if several and len(classes) > 1 else [])])
    gone = [name for name, now in other.items() if now == MISSING]
    changed = [name for name, now in other.items() if now not in (MISSING, name)]
    said = []
    if gone:
        said.append(
            f"The loaders take the label {', '.join(f'`{name}`' for name in gone)} for a missing value and give None: "
            "of these images, that is the label."
        )
    if set(other.values()) & {"True", "False"}:
        said.append("All labels are truth values here, and the loaders give them as such.")
    elif len(other) > len(gone):
        said.append("All labels are numbers here, and the loaders give them as such.")
    if changed:
        said.append("So " + ", ".join(f"`{name}` becomes {other[name]}" for name in changed[:SHOWN]) + ".")
    if said:
        said.append(f"Every label as it is written: `{AS_TEXT}`.")
    return "\n".join(["", *said, ""]) if said else ""


def _licence(about: About) -> list[str]:
    if about.licence != TERMS:
        return [f"license: {about.licence.lower()}"]
    return ["license: other", f"license_name: {TERMS}"]


def _tasks(about: About) -> tuple[str, ...]:
    return ("image-classification",) if about.classes else ("unconditional-image-generation",)


def _listed(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}:", *(f"- {value}" for value in values)]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
