"""What a table says of the parts that it names: unknown names, options of plug-ins, nested tables."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, model_validator

from unpersonal.core.config import Config, build_config, check_options, known_part, part_config
from unpersonal.core.errors import InputError
from unpersonal.core.registry import Registry

THEIRS = """
from types import SimpleNamespace
from pydantic import Field
from unpersonal.core.config import Config

class TheirConfig(Config):
    depth: int = Field(3, ge=1)

PART = SimpleNamespace(config=TheirConfig)
"""
OURS = """
from types import SimpleNamespace
from unpersonal.core.config import Config

class OurConfig(Config):
    width: int = 1
    other: int = 7

PART = SimpleNamespace(config=OurConfig)
"""


@pytest.fixture
def parts(tmp_path, monkeypatch, offer):
    """A registry with the part `ours` and the plug-in `theirs`."""
    folder = tmp_path / f"things_of_{tmp_path.name}"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "ours.py").write_text(OURS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Registry("thing", package=folder.name, attribute="PART")


@pytest.fixture
def table(parts, offer):
    offer("thing", "theirs", THEIRS)

    class Table(Config):
        kind: Annotated[str, known_part(parts)] = "ours"
        width: int = 5
        options: dict[str, Any] = Field(default_factory=dict)

        def own_parts(self) -> tuple[tuple[str, str], ...]:
            return (("thing", self.kind),)

        @model_validator(mode="after")
        def _options_fit(self):
            check_options(parts, self.kind, self.options)
            return self

    return Table


def test_the_own_configuration_of_ours_is_read_from_the_table_and_of_theirs_from_options(parts, table):
    ours = table(width=9)
    assert part_config(parts, "ours", ours, ours.options).model_dump() == {"width": 9, "other": 7}
    theirs = table(kind="theirs", options={"depth": 4})
    assert part_config(parts, "theirs", theirs, theirs.options).model_dump() == {"depth": 4}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "none"}, "kind: there is no thing 'none'; use one of ours, theirs"),
        ({"kind": "theirs", "options": {"depht": 4}}, r"options.depht: unknown key \(did you mean depth\?\)"),
        ({"kind": "theirs", "options": {"depth": 0}}, "options.depth: .*greater than or equal to 1"),
        ({"options": {"width": 4}}, "'ours' is no plug-in"),
    ],
)
def test_what_does_not_fit_is_told_by_its_key(table, values, said):
    with pytest.raises(InputError, match=said):
        build_config(table, values, where="study.toml")


def test_a_plugin_without_a_configuration_is_refused(parts, offer):
    offer("thing", "bare", "PART = object()")
    with pytest.raises(InputError, match="does not say how it is configured"):
        check_options(parts, "bare", {})


def test_named_parts_are_collected_from_nested_tables(table):
    class Whole(Config):
        one: table = table()
        two: table = table(kind="theirs")
        three: table = table()
        number: int = 3

    assert Whole().named_parts() == (("thing", "ours"), ("thing", "theirs"))
