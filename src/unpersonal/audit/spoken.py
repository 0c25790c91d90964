"""An audit in a few lines: the verdict, the primary figures with their margins, and what to do."""

from __future__ import annotations

from .chapter import FEW, OUTCOMES, at_most, people
from .figures import AuditFigures
from .profiles import IN_WORDS, PROFILES, margins_of
from .rows import PrimaryRow


def spoken(figures: AuditFigures) -> list[str]:
    """Lines for a terminal; the reasons of the verdict are not among them."""
    lines = [f"verdict: {figures.verdict} (margins of the profile {figures.profile})"]
    lines += [f"  {of_margin(row)}: {OUTCOMES[row.outcome]}" for row in figures.primary or ()]
    for found in (figures.copied, figures.unlabelled.copied if figures.unlabelled else None):
        if found is None:
            continue
        images, who = people(found.images), people(found.people)
        said = f"{images} images of {who} people" if found.found else "none found"
        lines.append(f"copied people: {said} (in {found.released:,} images)".replace(FEW, "fewer than five"))
    if (least := figures.detectable) is not None:
        seen = [row.persons for row in least.kinds if row.persons is not None]
        blind = f"; the audit is blind to {', '.join(least.blind)}" if least.blind else ""
        found_from = f"copies of {max(seen)} people or more" if seen else "no number of people"
        lines.append(f"it would have found: {found_from}, of any kind that it sees{blind}")
    return [*lines, f"what to do: {advice(figures)}"]


def of_margin(row: PrimaryRow) -> str:
    """A primary figure with the bound that is held against its margin."""
    return f"{IN_WORDS.get(row.name, row.name)}: {row.value:.3f}, at most {at_most(row.upper)} (margin {row.margin:g})"


def advice(figures: AuditFigures) -> str:
    """What somebody who holds the images should do now."""
    if figures.verdict == "pass":
        who = PROFILES[figures.profile].who if figures.profile in PROFILES else "whom the profile names"
        return (
            f"nothing that was measured speaks against giving the images to {who};"
            " read what the audit is blind to first"
        )
    if figures.copied is not None and figures.copied.found and figures.copied.dropped is None:
        return "do not pass the images on: people were copied; find out how, make the images anew, and audit again"
    if figures.verdict == "fail":
        return "do not pass the images on: train for less long or with more people, draw anew, and audit again"
    wider = _kept_by(figures)
    return (
        "do not pass the images on yet: each reason says what is missing"
        f"{f'; the primary figures keep the margins of the profile {wider}' if wider else ''}"
    )


def _kept_by(figures: AuditFigures) -> str:
    """The other profile under which a release may leave and whose margins all primary figures keep."""
    others = (profile for profile in PROFILES.values() if profile.releasable and profile.name != figures.profile)
    for profile in others if figures.primary else ():
        margins = margins_of(profile)
        if all(row.upper <= margins.get(row.name, row.margin) for row in figures.primary or ()):
            return profile.name
    return ""
