"""How an audit was made and how it was tried itself: attempts, control, pictures, weights, sham, placebo, plants."""

from __future__ import annotations

from collections.abc import Callable

from ..core.words import plural
from ..matching.kinds import in_words
from .chapter import Chapter, at_least, at_most, people, share, small
from .figures import AuditFigures
from .reading import SideRead

SEALS = {
    "none": "",
    "closed": " What is sealed of control was not looked at.",
    "open": " The sealed part of control was opened for it.",
    "spent": " The sealed part of control was opened for another release.",
}


def compared(figures: AuditFigures) -> tuple[Chapter, ...]:
    """Who was compared, and in what form."""
    return tuple(chapter for make in (_control, _pictures) if (chapter := make(figures)) is not None)


def trials(figures: AuditFigures) -> tuple[Chapter, ...]:
    """A chapter for each part that there is."""
    made: tuple[Callable[[AuditFigures], Chapter | None], ...] = (
        _attempts,
        _control,
        _pictures,
        _kinds,
        _planted,
        _sham,
        _placebo,
        _weights,
        _families,
    )
    return tuple(chapter for make in made if (chapter := make(figures)) is not None)


def _attempts(figures: AuditFigures) -> Chapter | None:
    found = figures.attempts
    if found is None:
        return None
    ended = [each for each in found.ledger if each.event == "ended"]
    names = tuple(dict.fromkeys(name for each in ended for name in each.bounds or {}))
    texts = (
        f"These people were audited {plural(found.attempts, 'time')} so far. Whoever tries often passes once by chance;"
        " so every attempt is recorded, and each makes the bounds of the next wider. Many attempts are bad.",
        f"Each bound of this audit may err with {100 * found.alpha:.3g} %, so that all attempts together err with what"
        f" one alone might.{SEALS[found.seal]}",
    )
    head = ("attempt that ended", "verdict", *(name.replace("_", " ") for name in names))
    rows = tuple(
        (
            str(number),
            each.verdict or "",
            *(at_most(bounds[name]) if name in bounds else "" for name in names),
        )
        for number, (each, bounds) in enumerate(((each, each.bounds or {}) for each in ended), 1)
    )
    return Chapter("Attempts", texts, head, rows, ("attempts",))


def _control(figures: AuditFigures) -> Chapter | None:
    found = figures.control
    if found is None:
        return None
    texts = (
        "Train people are compared with control people, whom the model never saw. That says something only where chance"
        " decided who is which, and nobody is both.",
    )
    chance = {"known": "yes", "assumed": "assumed: the audit cannot know", "no": "no, so that nothing can pass"}
    rows = [
        ("train people", people(figures.train_subjects) if figures.train_subjects is not None else "not told"),
        ("control people", people(figures.control_subjects) if figures.control_subjects is not None else "not told"),
        ("chance decided who trains", chance[found.at_random]),
        ("people who share a picture with another and were joined", people(found.joined)),
        ("people who share one with a train person and were left out of control", people(found.excluded)),
    ]
    if found.untold:
        rows.append(("people are too alike to tell who shares a nearly identical picture", "yes"))
    if found.held_out_p is not None:
        rows.append(
            ("val and test people are equally near to the release: p (bad: 0.01 or less)", share(found.held_out_p))
        )
    return Chapter("Who was compared", texts, ("people", "found"), tuple(rows), ("control",))


def _pictures(figures: AuditFigures) -> Chapter | None:
    found = figures.reading
    if found is None:
        return None
    texts = [f"{found.form[0].upper()}{found.form[1:]}. A leak that shows only in finer detail is not seen."]
    if found.finer:
        texts.append(f"{found.finer:.0%} of the pictures are finer in the files.")
    if (tiles := found.tiles) is not None:
        texts.append(
            f"At the resolution of the files {people(tiles.train_people)} train people and"
            f" {people(tiles.other_people)} others share more than {tiles.limit} tiles with a released picture (chance"
            f" gives so many with a probability of {tiles.chance:.2g}). Many more train people than others are bad."
        )
    if not found.sides:
        return Chapter("How pictures were compared", tuple(texts), keys=("reading",))
    texts.append(
        "Every file and link is one of three: read, refused (may be a picture and was not compared, which is bad) or"
        " ignored (certainly none). Frames and slices count as pictures."
    )
    texts += [text for side in found.sides for text in _unread(side)]
    head = ("side", "found", "read", "refused", "ignored", "of one value", "squares compared")
    rows = tuple(
        (side.side, *(f"{n:,}" for n in (side.found, side.read, side.refused, side.ignored, side.blank, side.views)))
        for side in found.sides
    )
    return Chapter("How pictures were compared", tuple(texts), head, rows, ("reading",))


def _unread(side: SideRead) -> list[str]:
    tables = {
        "refused by reason": side.refused_by_reason,
        "refused by suffix": side.refused_by_suffix,
        "ignored by suffix": side.ignored_by_suffix,
    }
    return [
        f"{side.side}, {what}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}."
        for what, counts in tables.items()
        if counts
    ]


def _kinds(figures: AuditFigures) -> Chapter | None:
    texts = (
        "Copies of train people, of every kind, were shown to the audit's matchers. Found: the share that a matcher"
        " named after its own person. A kind whose bound is below 0.9 is one of which the audit"
        " may overlook single copies; that is bad.",
    )
    head = ("kind of copy", "what it is", "copies", "found", "95 % lower bound")
    rows = tuple(
        (row.kind, in_words(row.kind), str(row.copies), share(row.seen), at_least(row.seen_lower))
        for row in figures.kinds or ()
    )
    return Chapter("Kinds of copies that the matchers see", texts, head, rows, ("kinds", "blind")) if rows else None


def _planted(figures: AuditFigures) -> Chapter | None:
    found = figures.planted
    if found is None:
        return None
    texts = (
        f"{found.power:.1%} of {plural(found.copies, 'copy', 'copies')} of train images isolated exactly their own"
        f" person (lower bound {at_least(found.power_lower)}). A small share is bad: the audit would not see a leak.",
    )
    head = ("how the copy was altered", "copies", "isolated their own person")
    rows = tuple((row.kind, str(row.copies), share(row.power)) for row in found.kinds)
    return Chapter("Planted copies", texts, head, rows, ("planted",))


def _sham(figures: AuditFigures) -> Chapter | None:
    found = figures.sham
    if found is None:
        return None
    texts = (
        f"{plural(found.attacks, 'attack')} on membership and inference were repeated on"
        f" {plural(found.images, 'image')} of other people, with the labels of these where there are any. Nothing can"
        " have leaked from them, so that nothing may be found, else train and control people differ by themselves and"
        " nothing can be said.",
    )
    rows = (
        ("largest AUROC", share(found.auroc)),
        ("smallest adjusted p", f"{found.p:.4f}"),
        ("train and control people differ", "yes" if found.difference else "no"),
    )
    return Chapter("Sham release", texts, ("figure", "value"), rows, ("sham",))


def _placebo(figures: AuditFigures) -> Chapter | None:
    found = figures.placebo
    if found is None:
        return None
    texts = (
        f"{plural(found.predicates, 'predicate')} were drawn around people whom no release can have leaked. They must"
        " not tell train from control people either.",
    )
    rows = (
        ("difference of people isolated, and its p", f"{found.isolation_difference:.3g}, {found.isolation_p:.4f}"),
        ("AUROC of distances, and its p", f"{share(found.distance_auroc)}, {found.distance_p:.4f}"),
        ("train and control people differ", "yes" if found.difference else "no"),
    )
    return Chapter("Placebo", texts, ("figure", "value"), rows, ("placebo",))


def _weights(figures: AuditFigures) -> Chapter | None:
    found = figures.weights
    if found is None:
        return None
    held = (
        "No count was surely larger than stated"
        if found.certified
        else "Some counts were surely larger than stated, which is bad"
    )
    texts = (
        "A description that fits many strangers singles out nobody. So its weight, the probability with which it fits"
        f" a stranger, was counted on people outside the study. {held}.",
        f"At the weight of the verdict it is {small(found.primary_upper)} at most ({small(found.weight)} stated).",
    )
    head = ("weight as stated", "as counted", "lower bound", "upper bound", "enough people to count")
    rows = tuple(
        (small(row.nominal), small(row.observed), small(row.lower), small(row.upper), "yes" if row.resolvable else "no")
        for row in found.calibration
    )
    return Chapter("Weights of predicates", texts, head, rows, ("weights",))


def _families(figures: AuditFigures) -> Chapter | None:
    texts = (
        "Every other family has one threshold for all its predicates, by which strangers are met with this mean weight."
        " Where strangers were too few to count it, it was extrapolated from weights that they could count.",
    )
    rows = tuple(
        (row.family, small(row.weight), "counted" if row.resolvable else "extrapolated")
        for row in figures.families or ()
    )
    return Chapter("Weights of families", texts, ("family", "weight", "how"), rows, ("families",)) if rows else None
