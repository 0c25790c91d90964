"""The chain of attempts as it may be told: what happened in which order, and hashes that name nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..core.figures import Figures, absent
from ..core.hashing import hash_json

GENESIS = "0" * 64
"""What the first link has for the hash of the one before it."""
FIRST = 0.9
"""Share of alpha that the first attempt has: an upper bound is 3 % wider for it than if nobody might try again."""
Event = Literal["begun", "ended", "opened", "shortened"]
"""An audit began, or ended; it opened the sealed part of control; lines were found to be gone."""
Seal = Literal["none", "closed", "open", "spent"]
"""Nothing is sealed; not opened; opened by this release; opened by another, so that this one may not look."""


def alpha_of_attempt(attempt: int, alpha: float) -> float:
    """The error that attempt k = 1, 2, … may have; over all attempts, however many, the sum is `alpha`.

    0.9·alpha for the first and 0.1·alpha / (k (k - 1)) for each other: the sum of 1 / (k (k - 1)) from 2 on is 1. A
    union bound (alpha spending, Foster & Stine, JRSS B 2008): it holds whatever made somebody try again.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not from {attempt}")
    return alpha * (FIRST if attempt == 1 else (1.0 - FIRST) / (attempt * (attempt - 1)))


@dataclass(frozen=True, kw_only=True)
class Link(Figures):
    """One line of a ledger without what points at people: `identity` is a hash of all that decides an audit."""

    event: Event
    identity: str
    previous: str
    hash: str
    verdict: str | None = absent()
    bounds: dict[str, float] | None = absent()
    """Upper bounds of the audit that ended, by their names."""
    sealed: float | None = absent()
    """Share of control that was sealed when the audit began, or when the seal was opened."""

    @property
    def expected(self) -> str:
        """The hash that it must have."""
        return hash_json({key: value for key, value in self.to_json().items() if key != "hash"})


@dataclass(frozen=True, kw_only=True)
class AttemptFigures(Figures):
    """Which attempt an audit was, the error that it was allowed, and every attempt so far."""

    attempts: int
    """Audits of this cohort so far."""
    identity: str
    alpha: float
    """One-sided error of each upper bound of this audit."""
    seal: Seal
    ledger: tuple[Link, ...]
    """The whole chain of a study; of a ledger of stand-alone audits the links that are about these people."""


def link(
    event: Event,
    identity: str,
    previous: str,
    verdict: str | None = None,
    bounds: dict[str, float] | None = None,
    sealed: float | None = None,
) -> Link:
    """A link behind the one with the hash `previous`."""
    bare = Link(
        event=event, identity=identity, previous=previous, hash="", verdict=verdict, bounds=bounds, sealed=sealed
    )
    return replace(bare, hash=bare.expected)


def never_seen(links: Sequence[Link]) -> bool:
    """Whether no audit looked behind the seal before it was opened: each one before had the same share sealed."""
    opened = next((number for number, each in enumerate(links) if each.event == "opened"), None)
    if opened is None:
        return False
    before = [each.sealed for each in links[:opened] if each.event == "begun"]
    return all(share is not None and share == links[opened].sealed for share in before)


def identities(links: Sequence[Link]) -> tuple[str, ...]:
    """Every attempt once, in the order in which they began."""
    return tuple(dict.fromkeys(each.identity for each in links if each.event == "begun"))


def chain_problems(links: Sequence[Link]) -> list[str]:
    """What is wrong with a chain: a link that was altered, taken out or put in, and lines that are known to be gone."""
    problems, previous = [], GENESIS
    for number, each in enumerate(links, 1):
        if each.previous != previous:
            problems.append(f"line {number} does not follow the one before it")
        if each.hash != each.expected:
            problems.append(f"line {number} was altered")
        previous = each.hash
    if any(each.event == "shortened" for each in links):
        problems.append("at some time it had fewer attempts than the study knew of")
    return problems


def attempt_problems(found: AttemptFigures, verdict: str) -> list[str]:
    """What is wrong with the attempts that an audit of this `verdict` tells of."""
    problems = chain_problems(found.ledger)
    if len(identities(found.ledger)) != found.attempts:
        problems.append(f"it lists {len(identities(found.ledger))} attempts and counts {found.attempts}")
    own = [each.verdict for each in found.ledger if each.event == "ended" and each.identity == found.identity]
    if not own or own[-1] != verdict:
        problems.append("the audit itself is not in it with its verdict")
    if found.seal == "spent":
        problems.append("the sealed part of control was opened for another release")
    return problems
