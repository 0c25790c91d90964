"""Numbers as people read them: `1 in 75,000`, `3 of 1,000`, `fewer than 5`.

Rounding takes a side: a bound that is said is never better than the bound that was measured.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Literal

Side = Literal["up", "down", "nearest"]
"""Where a number is rounded to: upper bounds up, lower bounds down, what was measured to the nearest."""
_ROUNDING = {"up": ROUND_CEILING, "down": ROUND_FLOOR, "nearest": ROUND_HALF_EVEN}
_DIGITS = 2
"""Significant digits that a reader is given."""
_WHOLES = tuple(10**power for power in range(2, 10))
_FEW = re.compile(r"<\s?(\d+)")
_SCIENTIFIC = re.compile(r"(?<![\w.])([+-]?)(\d+(?:\.\d+)?[eE][+-]?\d{1,3})(?![\w.])")


def one_in(probability: float, side: Side = "nearest") -> str:
    """A small probability: `1 in 75,000` for 1.33e-5, to two significant digits.

    `side` is that of the probability: an upper bound of it is rounded up, so that the number behind `1 in` is rounded
    down. 0 is `never`, and from a half on it is said as a share. Below 0, above 1 and no number are a `ValueError`.
    """
    exact = _checked(probability)
    if exact == 0:
        return "never"
    if exact > Decimal("0.5"):
        return of_many(probability, side)
    among: Side = {"up": "down", "down": "up", "nearest": "nearest"}[side]  # type: ignore[assignment]
    return f"1 in {_grouped(_significant(1 / exact, among))}"


def of_many(share: float, side: Side = "nearest") -> str:
    """A share: `55 of 100`, `3 of 1,000`; the smallest whole with which one significant digit is left, two from 10 on.

    0 is `none`, what is too small for a thousand million `1 in …`. Below 0, above 1 and no number are a `ValueError`.
    """
    exact = _checked(share)
    if exact == 0:
        return "none"
    for whole in _WHOLES:
        if exact * whole >= 1:
            return _counted(exact, whole, side)
    return one_in(share, side)


def held_against(bound: float, limit: float) -> tuple[str, str]:
    """An upper bound and its limit, both as shares of the same whole: `26 of 1,000` and `60 of 1,000`.

    The bound is rounded up, by a third of itself at most, and never up to a limit that it keeps or down to one that it
    exceeds. A bound under 0 is `none`. A limit outside [0, 1] and no number are a `ValueError`.
    """
    exact, top = _checked(max(bound, 0.0)), _checked(limit)
    for whole in _WHOLES:
        count = (exact * whole).to_integral_value(ROUND_CEILING)
        apart = (count <= top * whole) == (exact <= top) and (count == top * whole) <= (exact == top)
        coarse = exact > 0 and (count - exact * whole) * 3 > exact * whole
        if top * whole == (top * whole).to_integral_value() and apart and not coarse:
            return (f"{_grouped(count)} of {whole:,}" if count else "none"), f"{_grouped(top * whole)} of {whole:,}"
    return of_many(float(exact), "up"), of_many(limit)


def percent(share: float, side: Side = "nearest") -> str:
    """A share in percent, to two significant digits: `2.3 %`; a whole number from 10 on."""
    exact = 100 * Decimal(repr(float(share)))
    if exact == 0:
        return "0 %"
    step = Decimal(1).scaleb(min(exact.adjusted() - _DIGITS + 1, 0))
    return f"{exact.quantize(step, _ROUNDING[side]).normalize() + 0:f} %"


def people(count: int | str, one: str = "person", many: str = "people") -> str:
    """`1,234 people`, and `fewer than 5 people` for counts that are masked as `<5`."""
    return f"{fewer(count)} {one if count == 1 else many}"


def fewer(count: int | str) -> str:
    """A count: `1,234`; what is masked as `<5` is `fewer than 5`."""
    if isinstance(count, str):
        masked = _FEW.fullmatch(count)
        return f"fewer than {masked[1]}" if masked else count
    return f"{count:,}"


def without_powers(text: str) -> str:
    """`text` with every number such as `6.25e-06` as people read it: `1 in 160,000`, or all digits of a large one."""
    return _SCIENTIFIC.sub(_plain, text)


def _plain(found: re.Match[str]) -> str:
    sign, number = found[1], float(found[2])
    if sign != "-" and 0 < number < 0.5:
        return one_in(number, "up")
    exact = Decimal(found[2])
    return f"{sign}{exact:,f}" if exact == exact.to_integral_value() else f"{sign}{exact:f}"


def _checked(share: float) -> Decimal:
    if not math.isfinite(share) or not 0 <= share <= 1:
        raise ValueError(f"{share!r} is no share: it must lie between 0 and 1")
    return Decimal(repr(float(share)))


def _significant(number: Decimal, side: Side) -> Decimal:
    """`number`, at least 1, as a whole number of two significant digits."""
    step = Decimal(1).scaleb(max(number.adjusted() - _DIGITS + 1, 0))
    return (number / step).to_integral_value(_ROUNDING[side]) * step


def _counted(share: Decimal, whole: int, side: Side) -> str:
    return f"{_grouped((share * whole).to_integral_value(_ROUNDING[side]))} of {whole:,}"


def _grouped(number: Decimal) -> str:
    return f"{int(number):,}"
