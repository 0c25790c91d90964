"""The figures of the verdict in plain words: what an attacker tries, how far it got at most, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..audit.figures import AuditFigures
from ..audit.profiles import INFERENCE, ISOLATED, MEMBERSHIP, TOP, TRUE_POSITIVES
from ..audit.result import SMALLEST_CELL
from ..audit.rows import PrimaryRow
from ..core.numbers import fewer, held_against, of_many, one_in, percent
from ..core.words import plural

LEAST_CONFIDENCE = 0.95
"""Of a bound whose confidence is not told: the least that any configuration allows."""
HELD = {"within": "yes ✓", "undecided": "not decided", "above": "no ✗"}


@dataclass(frozen=True)
class Plain:
    """A figure of the verdict: `name` and `said` for a table, `sentence` for a section."""

    key: str
    name: str
    at_most: str
    limit: str
    held: str
    sentence: str


def plain_figures(audit: AuditFigures | None) -> tuple[Plain, ...]:
    """The primary figures in their order, then copied people; an old audit without rows has its one bound."""
    if audit is None:
        return ()
    rows = audit.primary or ()
    made = [MAKE[row.name](row, audit) if row.name in MAKE else _other(row) for row in rows]
    if not rows and audit.advantage is not None:
        made.append(_of_old(audit))
    return (*made, *_copied(audit))


def sure(audit: AuditFigures) -> str:
    """How sure a bound of the audit is: `95.5 % sure`, never more than it is."""
    confidence = LEAST_CONFIDENCE if audit.confidence is None else audit.confidence
    return f"{int(1000 * confidence + 1e-9) / 10:g} % sure"


def strange(weight: float | None) -> str:
    """With which chance a description fits a stranger; empty where nobody knows."""
    return "" if weight is None else f" Such a description fits a stranger with a chance of {one_in(weight, 'up')}."


def _bounded(row: PrimaryRow) -> tuple[str, str, str]:
    """What was measured, the bound, and the limit, in words."""
    most, limit = held_against(row.upper, row.margin)
    return of_many(min(max(row.value, 0.0), 1.0)), most, limit


def _membership(row: PrimaryRow, audit: AuditFigures) -> Plain:
    value, most, limit = _bounded(row)
    sentence = (
        "Somebody holds pictures of two people, one of whom was used for the release and one was not, and has to say"
        f" which. The best attack is right in {value} such pairs; in truth in at most {most} ({sure(audit)}). A coin"
        f" is right in 50 of 100. The limit is {limit}."
    )
    return Plain(row.name, "Telling who was used (a coin: 50 of 100)", most, limit, HELD[row.outcome], sentence)


def _true_positives(row: PrimaryRow, audit: AuditFigures) -> Plain:
    value, most, limit = _bounded(row)
    sentence = (
        "An attacker may be wrong about most people and sure about a few. If it accuses no more than 1 of 100 people"
        f" wrongly, it accuses {value} of those who were used rightly; in truth at most {most} ({sure(audit)}). Blind"
        f" guessing gives 1 of 100. The limit is {limit}."
    )
    return Plain(row.name, "Being sure of a few (guess: 1 of 100)", most, limit, HELD[row.outcome], sentence)


def _isolated(row: PrimaryRow, audit: AuditFigures) -> Plain:
    value, most, limit = _bounded(row)
    count = audit.train_subjects
    if count is not None and 0 < round(row.value * count) < SMALLEST_CELL:
        value = f"fewer than {SMALLEST_CELL} of {count:,}"
    sentence = (
        "The attacker writes descriptions from the release, each so narrow that it should fit one person alone. Of the"
        f" people who were used, {value} were singled out by one at least once; in truth at most {most}"
        f" ({sure(audit)}). The limit is {limit}.{strange(audit.weight)}"
    )
    return Plain(row.name, "Singling out a person", most, limit, HELD[row.outcome], sentence)


def _top(row: PrimaryRow, audit: AuditFigures) -> Plain:
    value, most, limit = _bounded(row)
    sentence = (
        f"Of the 50 descriptions that the attacker trusts most, {value} fit exactly one person who was used; in"
        f" truth at most {most} ({sure(audit)}). The limit is {limit}."
    )
    return Plain(row.name, "Its 50 surest descriptions", most, limit, HELD[row.outcome], sentence)


def _inference(row: PrimaryRow, audit: AuditFigures) -> Plain:
    _, most, limit = _bounded(row)
    more = f"more often by {of_many(min(row.value, 1.0))}" if row.value > 0 else "no more often"
    bound = f"by at most {most}" if row.upper > 0 else "not at all"
    sentence = (
        "The attacker guesses a label or another property of a person from the release. It is right about people who"
        f" were used {more} than about others; in truth {bound} ({sure(audit)}). The limit is {limit}."
    )
    return Plain(row.name, "Learning something about a person", most, limit, HELD[row.outcome], sentence)


MAKE: dict[str, Callable[[PrimaryRow, AuditFigures], Plain]] = {
    MEMBERSHIP: _membership,
    TRUE_POSITIVES: _true_positives,
    ISOLATED: _isolated,
    TOP: _top,
    INFERENCE: _inference,
}


def _other(row: PrimaryRow) -> Plain:
    value, most, limit = _bounded(row)
    name = f"{row.name[:1].upper()}{row.name[1:]}"
    return Plain(row.name, name, most, limit, HELD[row.outcome], f"{name}: {value}, at most {most}; limit {limit}.")


def _of_old(audit: AuditFigures) -> Plain:
    """The one bound of an audit from before there were primary figures."""
    within = audit.advantage_upper <= audit.policy_upper
    row = PrimaryRow(
        name=ISOLATED,
        attack="isolation",
        value=max(audit.isolation_train or 0.0, 0.0),
        lower=0.0,
        upper=audit.advantage_upper,
        margin=audit.policy_upper,
        outcome="within" if within else "undecided",
        needed=None,
    )
    return _isolated(row, audit)


def _copied(audit: AuditFigures) -> list[Plain]:
    found = audit.copied
    if found is None:
        return []
    if not found.found:
        held, said = "yes ✓", "none found"
        if not found.carried:
            held, said = "not decided", "none found, but some could be missed"
        sentence = f"None of {plural(found.released, 'released image')} was found to copy a person.{_noticed(audit)}"
    elif found.dropped is not None:
        held, said = "yes ✓", "none left"
        sentence = (
            f"Images that copy a person were found ({fewer(found.dropped)}) and taken out; what remains copies nobody"
            f" who was found.{_noticed(audit)}"
        )
    else:
        held, said = "no ✗", f"{fewer(found.people)} people"
        sentence = (
            f"Of {plural(found.released, 'released image')}, {fewer(found.images)} copy {fewer(found.people)} people."
            " One is too many."
        )
    return [Plain("copied", "Copying a person", said, "none", held, sentence)]


def _noticed(audit: AuditFigures) -> str:
    """How many copied people would have been noticed; empty where that was not tried."""
    found = audit.detectable
    seen = [row.persons for row in found.kinds if row.persons is not None] if found else []
    if found is None or not seen:
        return ""
    return (
        f" Copies of {plural(max(seen), 'person', 'people')} or more would have been noticed ({percent(found.power)}"
        " sure), of every kind that the audit sees."
    )
