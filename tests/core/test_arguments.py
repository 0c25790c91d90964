"""Arguments of the verbs: wrong kinds are told by name before any work, options of commands by their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unpersonal.core.arguments import in_python, verb
from unpersonal.core.errors import DiskFullError, InputError
from unpersonal.core.telling import Listener, shown

Place = Path | str
Places = Sequence[Place] | Place


@verb("leave_out", "official_splits")
def work(
    path: Place,
    others: Places = (),
    *,
    words: Sequence[str] | str = (),
    size: int | None = None,
    rate: float = 0.0,
    anew: bool = False,
    progress: Listener | None = None,
    **more: Any,
) -> str:
    """A verb that refuses what it is told to."""
    if "refuse" in more:
        raise more["refuse"]
    return "done"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"others": "a"},
        {"others": ["a", Path("b")]},
        {"words": "a"},
        {"words": ("a", "b")},
        {"size": 3},
        {"size": np.int64(3)},
        {"size": None},
        {"rate": 1},
        {"rate": np.float32(0.5)},
        {"anew": np.bool_(True)},
        {"progress": print},
        {"leave_out": 3},
    ],
)
def test_arguments_of_the_right_kind_are_let_through(given: dict[str, Any]) -> None:
    assert work("a", **given) == work(Path("a"), **given) == "done"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"others": 5}, r"others is 5 \(int\).* Where: work.* give a path or several"),
        ({"others": ["a", 5]}, r"others is \['a', 5\] \(list\)"),
        ({"words": ["a", 5]}, "give a list of texts or text"),
        ({"size": "64"}, r"size is '64' \(str\).*give a whole number"),
        ({"size": 64.0}, r"size is 64.0 \(float\)"),
        ({"size": True}, r"size is True \(bool\)"),
        ({"rate": "0.5"}, "give a number"),
        ({"rate": None}, "rate is None"),
        ({"anew": "no"}, "give True or False"),
        ({"anew": 1}, "give True or False"),
        ({"progress": 3}, "give a function"),
    ],
)
def test_an_argument_of_another_kind_is_named_with_what_it_should_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        work("a", **given)
    with pytest.raises(InputError, match=r"path is None \(NoneType\)"):
        work(None, **given)  # type: ignore[arg-type]


def test_what_is_long_is_cut_and_what_is_missing_is_told_by_python() -> None:
    with pytest.raises(InputError) as error:
        work("a", size=[1] * 1000)  # type: ignore[arg-type]
    assert len(str(error.value)) < 150 and "... (list)" in str(error.value)
    with pytest.raises(TypeError, match=r"work\(\) missing 1 required positional argument: 'path'"):
        work()  # type: ignore[call-arg]


def test_an_annotation_that_nobody_explains_is_refused_where_the_verb_is_defined() -> None:
    def strange(path: complex) -> None:
        """Never called."""

    with pytest.raises(TypeError, match="does not say what complex is"):
        verb()(strange)


@pytest.mark.parametrize(
    ("command", "python"),
    [
        ("--size", "size"),
        ("--size 64", "size 64"),
        ("give --subject a pattern", "give --subject a pattern"),
        ("leave out --leave-out, or write --no-official-splits", "leave out leave_out, or write official_splits=False"),
        ("run `unpersonal match --size 3`, or write `--size 3`", "run `unpersonal match --size 3`, or write `size 3`"),
        ("--subjects: unknown key (did you mean size?)", "subjects: unknown key (did you mean size?)"),
        ("a--size --sizes ---size", "a--size --sizes ---size"),
        ("Where: the command line", "Where: the arguments of work"),
    ],
)
def test_options_are_told_by_their_arguments(command: str, python: str) -> None:
    names = {"size", "leave_out", "official_splits"}
    assert in_python(command, names, "work") == python


def test_the_type_of_a_refusal_remains_and_a_command_keeps_its_options() -> None:
    refusal = DiskFullError("No room for --size 64", where="--others a", how="lower --size")
    with pytest.raises(DiskFullError) as error:
        work("a", refuse=refusal)
    assert (error.value.what, error.value.where, error.value.how) == ("No room for size 64", "others a", "lower size")
    assert str(error.value) == "No room for size 64. Where: others a. To mend it: lower size."
    with shown(), pytest.raises(InputError, match=r"Where: --others a. To mend it: lower --size"):
        work("a", refuse=InputError("No room", where="--others a", how="lower --size"))
