"""What the codec costs and what the gate finds, in the sections of the report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from unpersonal.judges.figures import GateFigures
from unpersonal.matching.kinds import in_words, names
from unpersonal.report import sections
from unpersonal.report.page import Element, Page, render
from unpersonal.report.public import Public
from unpersonal.report.sentences import stage_sentences

from .example import SUMMARY, Elements, with_figures

CEILING = {
    "ceiling_auroc": 0.8961,
    "ceiling_auroc_interval": (0.86, 0.92),
    "ceiling_gap": 0.0039,
    "ceiling_gap_interval": (0.001, 0.0060041),
    "ceiling_gap_upper": 0.0055004,
    "ceiling_repeat_spread": 0.0,
}


def utility_text(**figures: Any) -> str:
    """Text of the sections about utility and codec, cells parted by spaces."""
    found = with_figures(SUMMARY, "utility", **figures).figures
    html = render(Page("", "open", "", (sections.utility(found, Public()), sections.codec(found))))
    return " ".join(Elements(html.replace("</t", " </t")).text.split())


def test_what_the_codec_alone_costs_is_told_beside_the_loss() -> None:
    text = utility_text(**CEILING)
    # upper ends are rounded up
    assert "The loss is 0.01, of which the codec alone costs 0.0039 (two-sided" in text
    assert "0.001 to 0.00601; one-sided 95 % upper bound 0.00551)" in text and "reached 0.8961" in text
    assert "AUROC, trained on real images after the codec 0.8961" in text and "0.86 to 0.92" in text
    assert "no more than chance" not in text
    chance = utility_text(**{**CEILING, "ceiling_gap": 0.02, "ceiling_gap_interval": (0.0, 0.03)})
    assert "The loss is 0.01; the codec alone costs 0.02" in chance and "no more than chance" in chance


def test_a_cost_of_the_codec_that_is_not_known_is_not_told() -> None:
    assert "codec alone" not in utility_text()
    unknown = dict.fromkeys(CEILING) | {"ceiling_gap_upper": 1.0, "ceiling_note": "no class has both outcomes"}
    text = utility_text(**unknown)
    assert "What the codec alone costs is not known: no class has both outcomes." in text
    assert "the codec alone costs 0" not in text and "of which" not in text
    said = stage_sentences(with_figures(SUMMARY, "utility", **CEILING))["utility"]
    assert said.endswith("(loss: 95 % upper bound 0.020); the codec alone costs 0.004")
    for absent in (unknown, {**CEILING, "ceiling_note": "chance"}):
        assert stage_sentences(with_figures(SUMMARY, "utility", **absent))["utility"].endswith("0.020)")


def test_what_the_codec_changes_in_real_images_is_shown() -> None:
    text = utility_text()
    for expected in (
        "31.23 30.11 to 32.22",
        "0.9123 0.9012 to 0.9234",
        "after the codec 1.235",
        "comparison not known",
    ):
        assert expected in text


def gate_tables(**figures: Any) -> dict[str, Element]:
    """Tables of the section about the gate, by their captions."""
    section = sections.gate(with_figures(SUMMARY, "gate", **figures).figures, Public())
    return {element.text: element for element in section.elements if element.kind == "table"}


def recorded_gate() -> GateFigures:
    assert SUMMARY.figures.gate is not None
    return SUMMARY.figures.gate


def test_every_kind_of_copy_stands_in_a_table_in_the_order_of_the_list() -> None:
    gate, table = recorded_gate(), gate_tables()["Kinds of copies that were tried"]
    assert table.head == ("kind", "what it is", "found", "95 % lower bound", "people", "promised", "blind")
    assert [row[0] for row in table.rows] == [name for name in names() if name in gate.kinds]
    rows = {row[0]: row for row in table.rows}
    assert rows["mirror"] == ("mirror", "mirrored", "1.000", "0.998", "1,999", "yes", "no")
    assert rows["region 0.14"][:4] == ("region 0.14", in_words("region 0.14"), "0.310", "0.293")
    assert {row[0] for row in table.rows if row[-1] == "yes"} == set(gate.blind)
    assert {row[0] for row in table.rows if row[-2] == "yes"} == {n for n, kind in gate.kinds.items() if kind.promised}


def test_a_bound_that_is_too_low_is_blind_whatever_the_figures_call_it() -> None:
    kinds = recorded_gate().kinds
    wrong = {**kinds, "mirror": replace(kinds["mirror"], recall=0.99999, recall_lower=0.89996)}
    rows = {row[0]: row for row in gate_tables(kinds=wrong)["Kinds of copies that were tried"].rows}
    assert rows["mirror"][2:] == ("0.999", "0.899", "1,999", "yes", "yes")


def test_matchers_false_flags_by_label_and_missed_people_have_tables() -> None:
    tables = gate_tables()
    matchers = tables["Matchers: each flags from its threshold on"]
    assert matchers.head == ("matcher", "share of strangers that it flags", "threshold")
    assert [row[0] for row in matchers.rows] == sorted(recorded_gate().matchers)
    labels = tables["False flags by label, all matchers together"]
    assert labels.rows == (("normal", "0.3"), ("virus <b>", "0.0625"))
    missed = tables["People of whom a promised copy was missed"]
    assert [row[0] for row in missed.rows] == ["protected (train)", "held out"]
    assert "kinds" not in tables and "untried" not in tables


def test_the_section_about_the_gate_says_to_what_it_is_blind() -> None:
    section = sections.gate(SUMMARY.figures, Public())
    said = " ".join(element.text for element in section.elements if element.kind == "text")
    assert "at most 0.009 (95 % upper bound, by 1999 people)" in said
    assert "The gate is blind to: " in said and "(region 0.14)" in said and "(other-visit)" in said
    assert sections.gate(replace(SUMMARY.figures, gate=None), Public()).elements == ()
