"""The chain of attempts, and the error that each may have."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from unpersonal.audit.chain import (
    GENESIS,
    AttemptFigures,
    Link,
    alpha_of_attempt,
    attempt_problems,
    chain_problems,
    identities,
    link,
    never_seen,
)


def test_alpha_is_spent_and_never_exceeded() -> None:
    spent = [alpha_of_attempt(k, 0.05) for k in range(1, 100_001)]
    assert spent[0] == pytest.approx(0.045) and spent[1] == pytest.approx(0.0025)
    assert all(a > b > 0 for a, b in itertools.pairwise(spent))
    # the tail beyond n is 0.1 alpha / n
    assert sum(spent) == pytest.approx(0.05 - 0.005 / 100_000) and sum(spent) < 0.05


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt: int) -> None:
    with pytest.raises(ValueError, match="from 1"):
        alpha_of_attempt(attempt, 0.025)


def chain(*verdicts: str) -> tuple[Link, ...]:
    links: list[Link] = []
    for number, verdict in enumerate(verdicts):
        for event, given in (("begun", None), ("ended", verdict)):
            previous = links[-1].hash if links else GENESIS
            links.append(link(event, f"id{number}", previous, given, {"advantage_upper": 0.03} if given else None))
    return tuple(links)


def told(links: tuple[Link, ...], count: int, identity: str) -> AttemptFigures:
    return AttemptFigures(attempts=count, identity=identity, alpha=0.02, seal="none", ledger=links)


def test_a_whole_chain_has_no_problem() -> None:
    links = chain("fail", "inconclusive", "pass")
    assert chain_problems(links) == [] and identities(links) == ("id0", "id1", "id2")
    assert attempt_problems(told(links, 3, "id2"), "pass") == []
    assert chain_problems(()) == []


def test_whatever_is_altered_is_found() -> None:
    links = chain("fail", "pass")
    for row, each in enumerate(links):
        for other in (
            replace(each, identity="x"),
            replace(each, verdict="inconclusive"),
            replace(each, bounds={"advantage_upper": 0.01}),
            replace(each, previous="1" * 64),
            replace(each, hash="1" * 64),
            replace(each, event="opened"),
        ):
            assert chain_problems((*links[:row], other, *links[row + 1 :]))
    # a forger who hashes one line anew breaks the next
    forged = link("ended", "id0", links[0].hash, "pass", {"advantage_upper": 0.01})
    assert chain_problems((links[0], forged, *links[2:])) == ["line 3 does not follow the one before it"]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_line_that_is_gone_is_found(gone: int) -> None:
    links = chain("fail", "pass")
    assert chain_problems(links[:gone] + links[gone + 1 :])


def test_an_audit_is_in_its_own_chain_with_its_verdict() -> None:
    links = chain("fail", "pass")
    assert attempt_problems(told(links[:-1], 2, "id1"), "pass")
    assert attempt_problems(told(links, 2, "id1"), "fail")
    assert attempt_problems(told(links, 2, "id0"), "pass")
    assert attempt_problems(told(links, 1, "id1"), "pass")
    assert attempt_problems(replace(told(links, 2, "id1"), seal="spent"), "pass")
    assert attempt_problems(told(chain("pass")[:0], 0, "id0"), "pass")


def test_control_was_never_seen_only_where_every_audit_before_had_the_same_share_sealed() -> None:
    def ledger(*events: tuple[str, float | None]) -> tuple[Link, ...]:
        links: list[Link] = []
        for number, (event, share) in enumerate(events):
            links.append(link(event, f"id{number}", links[-1].hash if links else GENESIS, sealed=share))
        return tuple(links)

    assert never_seen(ledger(("begun", 0.5), ("begun", 0.5), ("opened", 0.5), ("begun", 0.5)))
    assert not never_seen(ledger(("begun", 0.5)))
    for other in (0.0, 0.3, None):
        links = ledger(("begun", other), ("begun", 0.5), ("opened", 0.5))
        assert not never_seen(links) and chain_problems(links) == []
