"""The options of `unpersonal init` are the fields of the configuration: none is spelled twice, none is forgotten."""

from __future__ import annotations

import re

import pytest
from pydantic import Field
from typer.testing import CliRunner

from unpersonal import init_options
from unpersonal.cli import app
from unpersonal.core.errors import InputError
from unpersonal.init_options import cohort_keys
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.registry import LAYOUTS

OPTIONS = (
    "--images", "--layout", "--subject", "--label-from", "--image-column", "--subject-column", "--label-column",
    "--label-columns", "--split-column", "--text-column", "--root", "--classes", "--labels", "--uncertain", "--missing",
    "--views", "--masks", "--leave-out", "--official-splits",
    "--no-official-splits", "--split-conflict", "--control", "--window", "--slice-axis", "--slice-range",
    "--slice-step", "--option", "--preset", "--size", "--fit", "--read-text", "--seed", "--json", "--help",
)  # fmt: skip
"""What users and scripts type."""


def told(columns: int = 80) -> str:
    result = CliRunner().invoke(app, ["init", "--help"], env={"COLUMNS": str(columns), "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    return result.output


def in_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_help_has_every_option_and_no_other_at_any_width(columns):
    assert sorted(re.findall(r"^  (?:--[a-z-]+ / )?(--[a-z-]+)", told(columns), re.MULTILINE)) == sorted(
        set(OPTIONS) - {"--official-splits"}
    )
    assert "--official-splits / --no-official-splits" in told(columns)


def test_the_help_says_what_the_fields_and_the_layouts_say():
    # a line may end after a hyphen of the text
    text = told().replace("-\n", "-")
    text = re.sub(r"- +(?=\S)", "-", in_one_line(text))
    for name, field in CohortConfig.model_fields.items():
        if name != "splits":
            assert re.sub(r"- +", "-", in_one_line(field.description or "?"))[1:] in text, name
    for layout in LAYOUTS:
        assert re.sub(r"- +", "-", f"{layout.name}: {layout.title}.") in text
    assert re.search(r"--slice-step <int> Every [^.]*read by nifti\. \[default: \(1\)\]", text)
    assert re.search(r"--views all\|frontal ", text)


def test_a_new_field_is_a_new_option(monkeypatch):
    class Wider(CohortConfig):
        turn: float = Field(0.5, description="how far pictures are turned")

    monkeypatch.setattr(init_options, "CohortConfig", Wider)
    assert re.search(r"--turn .*How far pictures are turned\. \[default: \(0.5\)\]", in_one_line(told()))
    assert cohort_keys({"turn": "0.25", "images": None}) == {"turn": "0.25"}


def test_what_was_typed_becomes_what_study_toml_holds():
    typed = {"classes": "a, b", "window": "40,80", "official_splits": False, "slice_step": 2, "layout": None}
    assert cohort_keys(typed) == {
        "classes": ["a", "b"], "window": [40.0, 80.0], "official_splits": False, "slice_step": 2,
    }  # fmt: skip
    pairs = ["depth=3", "word=abc", "quoted='a b'", "flag=true", "path=a=b"]
    assert cohort_keys({"options": pairs}) == {
        "options": {"depth": 3, "word": "abc", "quoted": "a b", "flag": True, "path": "a=b"}
    }
    assert cohort_keys({"options": []}) == {}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"window": "40"}, "--window 40,80"),
        ({"window": "40,x"}, "not two numbers"),
        ({"slice_range": "0,0.5,1"}, "--slice-range"),
        ({"options": ["depth"]}, "--option KEY=VALUE"),
        ({"options": ["=3"]}, "--option KEY=VALUE"),
    ],
)
def test_what_cannot_be_read_says_how_it_is_written(typed, said):
    with pytest.raises(InputError, match=said):
        cohort_keys(typed)


def test_an_option_that_is_no_number_or_is_missing_ends_with_two(tmp_path):
    for words in (["--slice-step", "x", "--images", "."], [], ["--layuot", "x"]):
        assert CliRunner().invoke(app, ["init", str(tmp_path / "study"), *words]).exit_code == 2


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        *(("3", 3), ("-1", -1), ("0.5", 0.5), ("true", True), ('"x"', "x"), ("[1, 2]", [1, 2]), ("{}", {})),
        *((text, text) for text in ("+", "", "a b", "[", "a=b", "1\nvalue = 2")),
    ],
)
def test_a_value_is_read_as_toml_on_every_python(typed, value):
    """`tomllib` came with Python 3.11."""
    assert init_options._pair(f"key={typed}", "--option KEY=VALUE") == ("key", value)
