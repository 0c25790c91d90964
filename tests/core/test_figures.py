"""Figures go to JSON and back unchanged, and what is not exactly right is refused by name."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unpersonal.core.errors import InputError
from unpersonal.core.figures import Figures, absent, called


@dataclass(frozen=True, kw_only=True)
class Inner(Figures):
    begin: float = called("from")
    count: int
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outer(Figures):
    kind: Literal["one", "two"]
    share: float
    whole: int
    yes: bool
    unknown: float | None
    masked: int | str
    ends: tuple[float, float]
    inner: Inner
    rows: tuple[Inner, ...]
    table: dict[str, Inner]
    counts: dict[str, int | str]
    more: Inner | None = absent()
    steps: int | None = absent()
    error: float | None = absent(unless="steps")


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INNER = st.builds(Inner, begin=NUMBERS, count=st.integers(), words=st.lists(st.text()).map(tuple))


@st.composite
def outers(draw: st.DrawFn) -> Outer:
    steps = draw(st.none() | st.integers())
    return Outer(
        kind=draw(st.sampled_from(["one", "two"])),
        share=draw(NUMBERS),
        whole=draw(st.integers()),
        yes=draw(st.booleans()),
        unknown=draw(st.none() | NUMBERS),
        masked=draw(st.integers() | st.text()),
        ends=draw(st.tuples(NUMBERS, NUMBERS)),
        inner=draw(INNER),
        rows=draw(st.lists(INNER, max_size=3).map(tuple)),
        table=draw(st.dictionaries(st.text(), INNER, max_size=3)),
        counts=draw(st.dictionaries(st.text(), st.integers() | st.text(), max_size=3)),
        more=draw(st.none() | INNER),
        steps=steps,
        error=None if steps is None else draw(st.none() | NUMBERS),
    )


@pytest.mark.slow
@settings(deadline=None)
@given(outers())
def test_json_gives_the_same_figures_back(figures: Outer) -> None:
    text = json.dumps(figures.to_json(), allow_nan=False)
    again = Outer.from_json(json.loads(text), where="x")
    assert again == figures
    assert json.dumps(again.to_json()) == text


SOME = Outer(
    kind="one",
    share=0.5,
    whole=3,
    yes=True,
    unknown=None,
    masked="<5",
    ends=(0.0, 1.0),
    inner=Inner(begin=0.1, count=1, words=("a",)),
    rows=(),
    table={"t": Inner(begin=0.1, count=1, words=())},
    counts={},
)


def test_what_is_none_is_null_or_left_out() -> None:
    values = SOME.to_json()
    assert values["unknown"] is None and values["inner"] == {"from": 0.1, "count": 1, "words": ["a"]}
    assert not {"more", "steps", "error"} & set(values)
    assert replace(SOME, steps=2).to_json()["error"] is None


def changed(path: str, value: Any) -> dict[str, Any]:
    values = SOME.to_json()
    *folders, name = path.split(".")
    inside = values
    for folder in folders:
        inside = inside[folder]
    if value is ...:
        del inside[name]
    else:
        inside[name] = value
    return values


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "three"),
        ("kind", ...),
        ("share", None),
        ("share", "0.5"),
        ("share", True),
        ("share", math.nan),
        ("share", math.inf),
        ("share", 10**400),
        ("whole", 3.0),
        ("whole", False),
        ("yes", 1),
        ("unknown", ...),
        ("masked", None),
        ("ends", [0.0]),
        ("ends", [0.0, 1.0, 2.0]),
        ("ends", "ab"),
        ("inner", []),
        ("inner.from", ...),
        ("inner.words", [1]),
        ("inner.begin", 0.5),
        ("table.t.count", 0.5),
        ("table.t", None),
        ("rows", {}),
        ("counts", {"a": None}),
        ("counts", {1: 1}),
        ("more", None),
        ("steps", None),
        ("error", None),
        ("surplus", 1),
    ],
)
def test_what_is_not_right_is_named(path: str, value: Any) -> None:
    with pytest.raises(InputError, match=path.rpartition(".")[2]) as error:
        Outer.from_json(changed(path, value), where="some record")
    assert "some record" in str(error.value)


@pytest.mark.parametrize("values", [None, [], "x", 3])
def test_what_is_no_table_is_refused(values: Any) -> None:
    with pytest.raises(InputError):
        Outer.from_json(values, where="x")


def test_a_figure_that_goes_with_another_must_be_there() -> None:
    with pytest.raises(InputError, match="error is missing"):
        Outer.from_json({**SOME.to_json(), "steps": 3}, where="x")


def test_a_whole_number_is_a_number() -> None:
    found = Outer.from_json(changed("share", 1), where="x").share
    assert found == 1.0 and type(found) is float


@pytest.mark.parametrize("value", [math.nan, -math.inf, None, 1, "x", True])
def test_what_is_no_such_figure_is_never_written(value: Any) -> None:
    with pytest.raises(ValueError, match="share"):
        replace(SOME, share=value).to_json()


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    values = replace(SOME, share=np.float64(0.25), whole=np.int64(7), yes=np.bool_(True)).to_json()
    assert (values["share"], values["whole"], values["yes"]) == (0.25, 7, True)
    json.dumps(values)
