"""Every acronym is explained where it is read first, and once."""

from __future__ import annotations

from unpersonal.report.glossary import ACRONYMS, explained, glossary
from unpersonal.report.page import Element, Page, Section


def page(*elements: Element, lead: str = "", **values: object) -> Page:
    return explained(Page("t", "open", "h", (Section("s", "S", lead, elements),), **values))  # type: ignore[arg-type]


def test_an_acronym_is_explained_in_the_text_where_it_is_first() -> None:
    found = page(Element("text", "AUROC, AUROCs and FID"), lead="What the AUROC says")
    assert found.sections[0].lead == f"What the AUROC ({ACRONYMS['AUROC']}) says"
    assert found.sections[0].elements[0].text == f"AUROC, AUROCs and FID ({ACRONYMS['FID']})"
    # the words of the first screen come before
    found = page(Element("text", "the AUROC"), reasons=("AUROC of membership",))
    assert found.reasons[0].startswith("AUROC (area under") and found.sections[0].elements[0].text == "the AUROC"


def test_a_table_or_a_picture_has_its_words_before_it() -> None:
    found = page(
        Element("table", "FID", ("KID", "x"), (("y", "PSNR in dB"),)), Element("chart", content="<text>SSIM</text>")
    )
    kinds = [(each.kind, each.text.partition(" ")[0]) for each in found.sections[0].elements]
    assert kinds == [
        ("text", "FID"),
        ("text", "KID"),
        ("text", "PSNR"),
        ("table", "FID"),
        ("text", "SSIM"),
        ("chart", ""),
    ]


def test_no_explanation_needs_another() -> None:
    for name, text in ACRONYMS.items():
        assert page(Element("text", text)).sections[0].elements[0].text == text, name


def test_words_that_only_hold_an_acronym_are_left_alone() -> None:
    found = page(Element("text", "FIDELITY, AuROC, KID-like, x-FID and JPEGfile"))
    assert found.sections[0].elements[0].text == "FIDELITY, AuROC, KID-like, x-FID and JPEGfile"


def test_the_glossary_has_every_acronym_in_order() -> None:
    (terms,) = glossary().elements
    told = [row[0] for row in terms.rows]
    assert set(ACRONYMS) <= set(told) and told == sorted(told, key=str.casefold) and "gate" in told
