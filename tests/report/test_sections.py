"""What the codec costs, in the sections of the report."""

from __future__ import annotations

from typing import Any

from unpersonal.report import sections
from unpersonal.report.page import Page, render
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
