"""Words that a reader may not know: acronyms are explained where they first occur, and all stand at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .page import Element, Page, Section

ACRONYMS = {
    "AUROC": "area under the receiver operating characteristic curve: the share of pairs, one of either kind, that are"
    " put in the right order; 0.5 is a coin, 1 is always",
    "ROC": "receiver operating characteristic, a curve of right accusations against wrong ones",
    "FID": "Fréchet inception distance, how far two sets of images are apart; 0: not at all",
    "KID": "kernel inception distance, how far two sets of images are apart; 0: not at all",
    "IRS": "image retrieval score, the share of real images that synthetic ones come near; 1: as varied as real ones",
    "PSNR": "peak signal-to-noise ratio, how true a compressed image is; more is closer",
    "SSIM": "structural similarity, how true a compressed image is; 1: identical",
    "GDPR": "General Data Protection Regulation of the European Union",
    "EDPB": "European Data Protection Board",
    "WP216": "opinion 05/2014 on anonymisation of the data-protection authorities of the European Union",
    "JPEG": "a way to compress pictures that loses detail",
    "SHA-256": "a number that a file has alone, its fingerprint",
    "EMA": "exponential moving average, weights averaged over the training",
    "DICOM": "the format in which scanners save medical images",
    "CSV": "comma-separated values, a plain table",
    "PNG": "portable network graphics, a format of pictures",
}
"""Acronyms and what they stand for."""
WORDS = {
    "attack, attacker": "Somebody who holds the release and tries to learn about the people behind it; here programs"
    " that the audit runs.",
    "audit": "All attacks together, run before the release, with networks that the makers of the images did not use.",
    "bound": "The most (or least) that a figure may be in truth, as few people were measured; how sure is said beside"
    " it.",
    "candidate": "An image that the model drew, before the gate looked at it.",
    "control people": "People whose images were never used. What an attack says of them is chance.",
    "copy": "A released image that shows a person of the study, whole or in part, however altered.",
    "gate": "The program that compares every candidate with everybody and throws out what looks like somebody.",
    "isolated, singled out": "A person to whom one description fits, and to nobody else.",
    "kind of copy": "One way to alter a copy, such as turning it; each is planted to see whether it is found.",
    "limit, margin": "What a bound must keep for the images to go to the named recipients.",
    "membership": "Whether somebody's images were used.",
    "model": "The program that draws the images, after it learnt from real ones.",
    "placebo, sham": "The same attacks where nothing can have leaked: they must find nothing.",
    "predicate": "A description that fits or does not fit a person.",
    "profile": "A named set of limits, by who may have the release: open, agreement, internal.",
    "release": "The folder that leaves the building.",
    "training people": "People whose images the model learnt from.",
    "weight": "The chance with which a description fits a stranger.",
}
"""Other words and what they mean here."""
_FIRST = re.compile(rf"(?<![\w-])({'|'.join(sorted(ACRONYMS, key=len, reverse=True))})(s?)(?![\w-])(?! \()")


def explained(page: Page) -> Page:
    """The page with every acronym explained where it is read first: within a text, or in a line before what is none."""
    known: set[str] = set()
    page = replace(
        page,
        headline=_within(page.headline, known),
        remarks=tuple(_within(text, known) for text in page.remarks),
        reasons=tuple(_within(text, known) for text in page.reasons),
    )
    blocks, sections = (tuple(_section(each, known) for each in part) for part in (page.blocks, page.sections))
    return replace(page, blocks=blocks, sections=sections)


def glossary() -> Section:
    """All words of the page."""
    terms = sorted({**WORDS, **{name: f"{text[0].upper()}{text[1:]}." for name, text in ACRONYMS.items()}}.items())
    lead = "What words mean on this page."
    rows = tuple(sorted(terms, key=lambda term: term[0].casefold()))
    return Section("glossary", "Words", lead, (Element("terms", rows=rows),))


def _within(text: str, known: set[str]) -> str:
    def once(found: re.Match[str]) -> str:
        if found[1] in known:
            return found[0]
        known.add(found[1])
        return f"{found[0]} ({ACRONYMS[found[1]]})"

    return _FIRST.sub(once, text)


def _section(section: Section, known: set[str]) -> Section:
    lead = _within(section.lead, known)
    elements = tuple(part for element in section.elements for part in _element(element, known))
    return replace(section, lead=lead, elements=elements)


def _element(element: Element, known: set[str]) -> Iterator[Element]:
    if element.kind in ("text", "list"):
        rows = tuple(tuple(_within(cell, known) for cell in row) for row in element.rows)
        yield replace(element, text=_within(element.text, known), rows=rows)
        return
    if element.kind != "terms":
        # a heading, a table and a picture stay short: what they need is said before them
        words = " ".join(
            (element.text, *element.head, *(cell for row in element.rows for cell in row), element.content)
        )
        new = dict.fromkeys(name for name, _ in _FIRST.findall(words) if name not in known)
        known.update(new)
        yield from (Element("text", f"{name} ({ACRONYMS[name]}).") for name in new)
    yield element
