"""What a review by a person means for an audit: how many images it took out, and that the choice was no chance."""

from __future__ import annotations

from dataclasses import replace

from .figures import AuditFigures, ReviewFigures
from .result import masked


def removed_images(count: int | str) -> str:
    """`fewer than five images`, `12 images`."""
    return f"{'fewer than five' if isinstance(count, str) else f'{count:,}'} images"


def review_statement(figures: AuditFigures | None) -> str:
    """What a reader must know of a review that removed images; empty where none did."""
    found = figures.review if figures else None
    if found is None:
        return ""
    return (
        f"Removed by review: {found.removed}. A person who saw images of the train subjects took "
        f"{removed_images(found.removed)} out of what the gate had passed, before the audit. The audit is of what was "
        "left; the choice depended on these people, and no test repeats it."
    )


def with_review(figures: AuditFigures, removed: int) -> AuditFigures:
    """The figures, and the claim, of an audit before which a person removed so many images; as they are for none."""
    if not removed:
        return figures
    found = ReviewFigures(removed=masked(removed))
    said = (
        f"before it a person who saw train subjects removed {removed_images(found.removed)}, a choice that depends on "
        "them and that no test repeats"
    )
    claim = None if figures.claim is None else f"{figures.claim}; {said}"
    return replace(figures, review=found, claim=claim)
