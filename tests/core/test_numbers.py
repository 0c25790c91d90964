"""Numbers in words never claim more than was measured."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unpersonal.core.numbers import fewer, held_against, of_many, one_in, people, percent, without_powers


def number(text: str) -> Fraction:
    """What a text such as `3 of 1,000` or `1 in 75,000` says."""
    if text in ("none", "never"):
        return Fraction(0)
    count, _, whole = text.replace(",", "").split()
    return Fraction(int(count), int(whole))


@pytest.mark.parametrize(
    ("value", "side", "said"),
    [
        (1 / 75_000, "nearest", "1 in 75,000"),
        (1.3e-5, "up", "1 in 76,000"),
        (1.3e-5, "down", "1 in 77,000"),
        (6.25e-6, "up", "1 in 160,000"),
        (0.5, "nearest", "1 in 2"),
        (0.9, "up", "90 of 100"),
        (0.0, "up", "never"),
        (1.0, "up", "100 of 100"),
    ],
)
def test_a_probability_is_one_in_so_many(value: float, side: str, said: str) -> None:
    assert one_in(value, side) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "side", "said"),
    [
        (0.003, "nearest", "3 of 1,000"),
        (0.0258, "up", "3 of 100"),
        (0.0258, "down", "2 of 100"),
        (0.5454, "up", "55 of 100"),
        (0.00004, "nearest", "4 of 100,000"),
        (0.0, "up", "none"),
        (1e-12, "up", "1 in 1,000,000,000,000"),
    ],
)
def test_a_share_is_so_many_of_a_round_number(value: float, side: str, said: str) -> None:
    assert of_many(value, side) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bound", "limit", "said"),
    [
        (0.5454, 0.6, ("55 of 100", "60 of 100")),
        (0.02583, 0.06, ("3 of 100", "6 of 100")),
        (0.0024, 0.10, ("3 of 1,000", "100 of 1,000")),
        (0.0996, 0.10, ("996 of 10,000", "1,000 of 10,000")),
        (0.1004, 0.10, ("11 of 100", "10 of 100")),
        (0.05, 0.05, ("5 of 100", "5 of 100")),
        (-0.2, 0.10, ("none", "10 of 100")),
        (1.0, 0.05, ("100 of 100", "5 of 100")),
        (0.5, 1 / 3, ("50 of 100", "33 of 100")),
    ],
)
def test_a_bound_and_its_limit_are_of_the_same_whole(bound: float, limit: float, said: tuple[str, str]) -> None:
    assert held_against(bound, limit) == said


@given(st.floats(0, 1), st.sampled_from([0.05, 0.1, 0.15, 0.2, 0.55, 0.6, 0.01, 0.006]))
def test_what_is_said_of_a_bound_is_never_on_the_other_side_of_the_limit(bound: float, limit: float) -> None:
    told, top = (number(text) for text in held_against(bound, limit))
    assert told >= Fraction(repr(bound)) and top == Fraction(str(limit))
    assert (told <= top) == (bound <= limit)


@given(st.floats(1e-12, 1))
def test_every_side_is_kept(share: float) -> None:
    exact = Fraction(repr(share))
    for say in (one_in, of_many):
        assert number(say(share, "down")) <= exact <= number(say(share, "up"))
        assert number(say(share, "up")) <= 2 * exact
    assert Fraction(percent(share, "down").split()[0]) <= 100 * exact <= Fraction(percent(share, "up").split()[0])


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, math.inf])
def test_what_is_no_share_is_refused(wrong: float) -> None:
    for say in (one_in, of_many):
        with pytest.raises(ValueError, match="between 0 and 1"):
            say(wrong)
    with pytest.raises(ValueError, match="between 0 and 1"):
        held_against(0.1, wrong)


def test_counts_that_are_masked_stay_masked() -> None:
    assert (fewer("<5"), fewer(1234), fewer("withheld")) == ("fewer than 5", "1,234", "withheld")
    assert (people("<5"), people(1), people(0)) == ("fewer than 5 people", "1 person", "0 people")
    assert percent(0.0) == "0 %" and percent(0.01234, "up") == "1.3 %" and percent(0.5) == "50 %"


def test_no_number_is_left_with_a_power_of_ten() -> None:
    assert without_powers("weight <= 6.25e-06; 1e+03 steps; -2e-05") == "weight <= 1 in 160,000; 1,000 steps; -0.00002"
    for kept in ("1.5 e", "img3e-05x", "a1e5", "sha 12e4f", "0.05"):
        assert without_powers(kept) == kept
