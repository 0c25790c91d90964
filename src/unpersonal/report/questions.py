"""The questions of the data-protection authorities, one section each, and how the audit itself was tried.

WP216 asks whether people can be singled out, linked, or whether something can be inferred about them; EDPB opinion
28/2024 asks it of each person, not of the average.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..audit.chapter import Chapter
from ..audit.chapters import chapters
from ..audit.figures import AuditFigures
from ..audit.profiles import INFERENCE, ISOLATED, MEMBERSHIP, TOP, TRUE_POSITIVES
from ..diffusion.figures import DiffusionFigures
from ..release.card import Memory, audit_blind_statement, memorisation
from ..release.evidence import COMPLEMENT
from ..release.figures import StudyFigures
from ..release.policy import origin_unknown
from .kinds import audit_kinds
from .page import Element, Section, all_tables
from .pictures import (
    audit_recall,
    distances,
    inference_forest,
    isolation_forest,
    membership_forest,
    membership_roc,
)
from .plain import plain_figures
from .public import Public

SINGLED = ("Copied people", "Families of predicates", "The surest predicates")
LINKED = ("Attacks on membership", "Swap of two generators", "Single statistics")
INFERRED = ("Attacks on labels and properties",)
EACH = ("The worst case", "People isolated several times", "People without labels", "Canaries", "What is proved")
ATTEMPTED = ("Attempts",)
PLANTED = "Kinds of copies that the matchers see"
"""Chapters of the audit by their titles; those that no question takes tell how the audit was tried.

The planted kinds have a table here that says which may be overlooked.
"""
TOLD = (
    *("verdict", "profile", "released", "train_subjects", "control_subjects", "weight", "confidence"),
    *("advantage_upper", "policy_upper", "claim", "reasons", "notes", "roc"),
)
"""Figures of the audit that are told elsewhere than among its details."""
MEMORY: dict[Memory, str] = {
    "found": (
        "The model learnt training images by heart: its weights can give out images of people, and nothing that they "
        "draw may be released."
    ),
    "none found": (
        "No sign was found that the model learnt training images by heart. This is a first sieve; the audit decides."
    ),
    "not known": "Nobody watched closely enough whether the model learnt training images by heart.",
}
"""What is said of the model's memory, by the card's word for it."""
NOT_RUN = "The audit has not run, so nobody knows."


def as_far_as_known(figures: StudyFigures) -> str:
    """What is to be added where held-out people may be among those of the weights that the model started from."""
    return ", as far as is known (it started from weights of unknown people)" if origin_unknown(figures) else ""


def singling_out(figures: StudyFigures, public: Public) -> Section:
    """Can an attacker point at one person and nobody else?"""
    lead = (
        "WP216 asks first whether somebody who holds the release can single out one person. An attacker writes"
        " descriptions that should fit one person alone; and every released image was compared with every person whose"
        " images were used."
    )
    audit = figures.audit
    elements = _sentences(audit, (ISOLATED, TOP, "copied"))
    if audit:
        elements += [*isolation_forest(audit), *_chapters(audit, SINGLED, public)]
    return Section("singling-out", "Can a person be singled out?", lead, tuple(elements), NOT_RUN)


def linkability(study: Path, figures: StudyFigures, public: Public) -> Section:
    """Can an attacker tell that somebody's images were used?"""
    lead = (
        "WP216 asks second whether somebody can link the release to a person, by pictures of this person that they have"
        " from elsewhere. The attacker says who was used. People who were used must not be told from others, whose"
        f" images the model never saw{as_far_as_known(figures)}."
    )
    audit = figures.audit
    elements = _sentences(audit, (MEMBERSHIP, TRUE_POSITIVES))
    if audit:
        elements += [*membership_roc(audit), *membership_forest(audit), *distances(study)]
        elements += _chapters(audit, LINKED, public)
    return Section("linkability", "Can a person be linked to the release?", lead, tuple(elements), NOT_RUN)


def inference(figures: StudyFigures, public: Public) -> Section:
    """Can an attacker learn something about a person?"""
    lead = (
        "WP216 asks third whether something can be inferred about a person from the release, such as a finding. What"
        " is true of people in general is no leak; being right more often about people who were used is one."
    )
    audit = figures.audit
    elements = _sentences(audit, (INFERENCE,))
    if audit and not audit.inference and (audit.primary or audit.advantage is not None):
        elements.append(Element("text", "No attack on labels or properties was run: of this nothing is known."))
    if audit:
        elements += [*inference_forest(audit), *_chapters(audit, INFERRED, public)]
    return Section("inference", "Can something be inferred about a person?", lead, tuple(elements), NOT_RUN)


def worst_case(figures: StudyFigures, public: Public) -> Section:
    """Does all of that hold of each person, not of the average?"""
    lead = (
        "Opinion 28/2024 of the EDPB asks whether the likelihood of getting at personal data is insignificant for each"
        " person, not on average. So people who are most at risk were measured apart, and the model itself was watched."
    )
    elements: list[Element] = []
    if figures.diffusion:
        elements += [Element("text", MEMORY[memorisation(figures.diffusion)]), *_watched(figures.diffusion)]
    if figures.audit:
        elements += _chapters(figures.audit, EACH, public)
    return Section("worst-case", "Does it hold for each person?", lead, tuple(elements), NOT_RUN)


def _watched(diffusion: DiffusionFigures) -> list[Element]:
    rate, power = diffusion.denoiser_match_rate_upper, diffusion.denoiser_match_power
    if rate is None or power is None:
        return []
    return [
        Element(
            "text",
            f"While it trained, samples of the model were compared with the people it learnt from: at most"
            f" {100 * rate:.1f} of 100 are like one of them (95 % sure). Had 5 of 100 been, it would have been noticed"
            f" with a chance of {100 * power:.0f} of 100.",
        )
    ]


def audit_itself(figures: StudyFigures, public: Public) -> Section:
    """How the audit was tried: what it would have seen, and that it finds nothing where there is nothing."""
    lead = (
        "An audit that finds nothing may be blind. So copies of people were planted to see whether they are found, and"
        " the attacks were repeated where nothing can have leaked."
    )
    audit = figures.audit
    if audit is None:
        return Section("audit", "Could the audit have seen a leak?", lead)
    told = [*public.texts([audit.claim] if audit.claim else []), *public.texts((*audit.reasons, *audit.notes))]
    sentences = tuple((f"{text[0].upper()}{text[1:]}",) for text in told if text)
    elements = [Element("text", f"The verdict is {audit.verdict}, by the limits of the profile {audit.profile}.")]
    elements += [Element("list", rows=sentences)] if sentences else []
    elements += [Element("text", text) for text in public.texts([audit_blind_statement(audit)]) if text]
    table = public.table(audit)
    elements += [*audit_recall(audit), *audit_kinds(audit, table)]
    taken = (*SINGLED, *LINKED, *INFERRED, *EACH, *ATTEMPTED, PLANTED)
    parts = chapters(audit)
    elements += _elements([part for part in parts if _title(part) not in taken], public)
    keys = {*TOLD, *(key for part in parts for key in part.keys)}
    elements += all_tables({k: v for k, v in table.items() if k not in keys}, "Further figures")
    return Section("audit", "Could the audit have seen a leak?", lead, tuple(elements))


def attempts(figures: StudyFigures, public: Public) -> Section:
    """How often these people were audited."""
    lead = (
        "Whoever tries often passes once by chance. Every audit of these people is recorded, and each makes the bounds"
        " of the next one wider."
    )
    elements = _chapters(figures.audit, ATTEMPTED, public) if figures.audit else []
    missing = "Nobody recorded how often these people were audited." if figures.audit else NOT_RUN
    return Section("attempts", "How often was it tried?", lead, tuple(elements), missing)


def _sentences(audit: AuditFigures | None, keys: Sequence[str]) -> list[Element]:
    """The figures of the verdict that a question is about, in plain words."""
    figures = {figure.key: figure for figure in plain_figures(audit)}
    return [Element("text", figures[key].sentence) for key in keys if key in figures]


def _title(part: Chapter) -> str:
    """Of people without labels the same chapters are told again, under a longer title."""
    return part.title.partition(":")[0]


def _chapters(audit: AuditFigures, titles: Sequence[str], public: Public) -> list[Element]:
    found = [part for part in chapters(audit) if _title(part) in titles]
    return _elements(sorted(found, key=lambda part: titles.index(_title(part))), public)


def _elements(parts: Sequence[Chapter], public: Public) -> list[Element]:
    return [element for part in parts for element in chapter_elements(part, public)]


def chapter_elements(part: Chapter, public: Public) -> list[Element]:
    """Heading, sentences and table of a chapter; what may name a person is left out."""
    elements = [Element("heading", part.title)]
    elements += [Element("text", text) for text in public.texts(part.texts) if text]
    rows = tuple(tuple(COMPLEMENT if cell is None else cell for cell in public.texts(row)) for row in part.rows)
    return [*elements, Element("table", part.title, part.head, rows)] if rows else elements
