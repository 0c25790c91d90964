"""What findings of copied people do to an audit: their images are dropped in a study, and fail a finished release."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from .background import Background
from .copied import Search, search_copied
from .copied_figures import Copied, Detectable
from .figures import AuditFigures
from .result import masked
from .target import Target

MOST_DROPPED = 0.01
"""Share of the selected images that may be dropped; where more are, the gate did not work. One always may be."""
MANY_REPEATS = 0.01
"""Share of the released images that repeat another above which a note says so."""


@dataclass(frozen=True)
class Searched:
    """What is left to audit after the search for copied people, and what the search found."""

    background: Background
    target: Target
    search: Search
    drops: bool
    gone: np.ndarray
    """int64: pictures that are not audited, since they show somebody or since the caller left them out."""

    @property
    def copied(self) -> Copied:
        """The figures of the search."""
        dropped = masked(len(self.search.pictures)) if self.drops else None
        return replace(self.search.figures, dropped=dropped)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the verdict is `fail`, whatever else is found."""
        found, figures = len(self.search.pictures), self.search.figures
        if not found:
            return ()
        if not self.drops:
            return (
                f"released images are nearer to train subjects than images that copy nobody come: {figures.images} of"
                f" {figures.released} images, {figures.people} people",
            )
        if found <= max(1, int(MOST_DROPPED * figures.released)):
            return ()
        return (
            f"{figures.images} of {figures.released} selected images show train subjects and were dropped, more than"
            f" {MOST_DROPPED:.0%}: the gate did not work",
        )

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """Why the verdict is `inconclusive` at best."""
        lacking = []
        if not self.search.figures.carried:
            lacking.append(
                "too few innocent images are known (certifying people, released images named after control subjects) to"
                " say how near they come, so copied people could go unseen"
            )
        if self.search.control:
            lacking.append(
                "released images are nearly copies of control subjects, so that these are no people who did not train"
            )
        return tuple(lacking)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of repeats within the release."""
        repeats, released = self.search.figures.repeats, self.search.figures.released
        if repeats.images <= max(2, MANY_REPEATS * released):
            return ()
        return (
            f"{repeats.images} of {released} released images repeat another one ({repeats.clusters} pictures, the most"
            f" frequent {repeats.largest} times), as no two strangers do",
        )


def search_release(
    background: Background, target: Target, *, drops: bool, left_out: np.ndarray | None = None
) -> Searched:
    """Search for copied people; with `drops` the images with findings are gone from what is left to audit.

    So are the views that are `left_out`, bool [m], which the search sees all the same: whoever takes copies away by
    hand hides nothing of what the gate let through. Where nothing would be left nothing is taken out: there would be
    nothing to audit, and nothing is released.
    """
    search = search_copied(background, target)
    gone = np.isin(background.picture_of, search.pictures) if drops else np.zeros(len(background.picture_of), bool)
    if left_out is not None:
        gone |= left_out
    pictures = np.unique(background.picture_of[gone])
    if not gone.any() or gone.all():
        return Searched(background, target, search, drops, pictures)
    views = np.flatnonzero(~gone)
    return Searched(_release_of(background, views), _target_of(target, views), search, drops, pictures)


def _release_of(background: Background, views: np.ndarray) -> Background:
    """The background with the released `views` alone, the pictures numbered anew; what it had fitted is kept."""
    labels, soft = background.released_labels, background.soft
    _, pictures = np.unique(background.picture_of[views], return_inverse=True)
    given = {item.name: getattr(background, item.name) for item in fields(background) if not item.name.startswith("_")}
    given |= {
        "released": background.released[views],
        "pictures": pictures.astype(np.int64),
        "released_labels": None if labels is None else tuple(labels[view] for view in views),
        "soft": None if soft is None else soft.only(views),
    }
    return Background(**given)


def _target_of(target: Target, views: np.ndarray) -> Target:
    """The target with what it has enrolled, and whom the matchers name in the released `views` alone."""
    kept = Target(**{item.name: getattr(target, item.name) for item in fields(target) if not item.name.startswith("_")})
    kept._enrolled.extend(target._enrolled)
    kept._namings.update({name: naming.only(views) for name, naming in target._namings.items()})
    return kept


def copied_rows(searched: Searched) -> dict[str, Any]:
    """What names people: rows of train images, and released pictures by their numbers before any was dropped."""
    _, first = np.unique(searched.target.subjects, return_index=True)
    findings = searched.search.findings
    return {
        "copied": tuple(
            {"train": int(first[each.subject]), "synthetic": each.released, "matcher": each.matcher}
            for each in findings
        ),
        "dropped": tuple(searched.gone.tolist()),
    }


def with_copied(figures: AuditFigures, searched: Searched, detectable: Detectable) -> AuditFigures:
    """The figures, verdict and claim of an audit with those of the search."""
    failures = searched.failures
    return replace(
        figures,
        verdict="fail" if failures else figures.verdict,
        reasons=(*failures, *figures.reasons),
        notes=(*searched.notes, *figures.notes),
        claim=f"{figures.claim}; {leak_claim(detectable)}",
        copied=searched.copied,
        detectable=detectable,
    )


def leak_claim(detectable: Detectable) -> str:
    """What the claim says of the least leak that would have been found, and of kinds to which the audit is blind."""
    seen = [row.persons for row in detectable.kinds if row.persons is not None]
    least = f"copies of {max(seen)} or more people" if seen else "no number of copied people"
    blind = f"; the audit is blind to {', '.join(detectable.blind)}" if detectable.blind else ""
    return f"of released copies it would have found {least} ({detectable.power:.0%} power, any kind it sees){blind}"
