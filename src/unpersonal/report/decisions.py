"""What people decided, for private.html: who signed off what, and what was said of images in a review."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..core.errors import InputError
from ..release.sign_off import read_sign_offs
from ..synthesis.reviewed import read_review
from .page import Element, Section, record_table

SHORT = 12
"""Characters of a hash that are shown."""


def decision_sections(study: Path) -> tuple[Section, ...]:
    """Sections for what there is; none where nobody reviewed or signed anything."""
    found = []
    with suppress(InputError, OSError):
        if elements := _review_elements(study):
            lead = "What a person decided by `unpersonal review`. Images are named by the hash of their pixels."
            found.append(Section("review", "Review", lead, tuple(elements)))
    with suppress(InputError, OSError):
        if entries := read_sign_offs(study):
            rows = [{key: entry[key] for key in ("name", "role", "note", "at", "signed")} for entry in entries]
            lead = "Who took responsibility, and for which hash. A later change of the study has another hash."
            found.append(Section("sign-offs", "Sign-offs", lead, tuple(record_table(rows))))
    return tuple(found)


def _review_elements(study: Path) -> list[Element]:
    review = read_review(study)
    if not review.opinions:
        return []
    rows = [
        {"image": image[:SHORT], "decision": opinion.decision or "none", "note": opinion.note}
        for image, opinion in review.opinions.items()
        if opinion.note or opinion.decision == "remove"
    ]
    counted = f"{len(review.opinions)} images were decided on, {len(review.removed)} of them removed."
    return [Element("text", counted), *record_table(rows)]
