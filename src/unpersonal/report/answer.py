"""The first screen of report.html: may the images go out, to whom, why, and what was not tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..audit.figures import AuditFigures
from ..audit.profiles import PROFILES, margins_of
from ..audit.spoken import advice
from ..core.numbers import held_against, people
from ..core.words import plural
from ..release.card import privacy_statement, remarks
from ..release.figures import StudyFigures
from ..utility.figures import UtilityFigures
from .gaps import gaps
from .page import Element, Section
from .plain import plain_figures, sure
from .reasons import areas, plain_shortfall
from .summary import Outcome, Summary

CONFIDENTIAL = "Treat the synthetic images on this page as confidential until the reasons are removed."
TERMS = {
    "open": "They may be given to anybody: every bound keeps the tightest limits that there are (profile open).",
    "agreement": (
        "They are for recipients who sign the terms on the dataset card, and for nobody else: the limits that were kept"
        " are wider than those for the public (profile agreement). Who signs does not look for whose images they were"
        " made from, joins them with no data about people, passes them to nobody and deletes them in the end."
    ),
    "internal": "They must not leave the building: the profile internal allows a report and no release.",
}
"""To whom, by the profile."""
WHO = {"open": "to anybody", "agreement": "to recipients who sign the card's terms"}
STAGES = {
    "cohort": "reading the images",
    "encode": "compressing them",
    "features": "describing them",
    "diffusion": "training the model",
    "gate": "training the gate",
    "synthesis": "drawing and choosing images",
    "audit": "the audit",
    "utility": "the test of use",
}
"""What a stage does, in the order in which they run."""
ONLY = {
    "gate": "the gate may let copies of people through",
    "model": "the model that draws may know people by heart",
    "use": "the images may be of too little use",
    "audit": "the audit lacks something that a release needs",
    "images": "no image is left",
    "other": "a rule of the policy does not hold",
}
"""What stands against a release whose audit passed, by the area of the reasons."""


@dataclass(frozen=True)
class Answer:
    """`banner` is `good`, `bad` or `open`; `said` are sentences under the headline."""

    banner: str
    headline: str
    said: tuple[str, ...]


def answer(summary: Summary, reasons: Sequence[str]) -> Answer:
    """May the images go out, and to whom; `reasons` are those of the policy as it gave them."""
    outcome, audit = summary.outcome, summary.figures.audit
    if outcome.released and not reasons:
        return _released(outcome, audit)
    if not reasons:
        return _unfinished(summary.figures)
    if all(reason.startswith("policy.sign_off ") for reason in reasons):
        held = "Every other rule of the policy held; nothing is released before a person takes responsibility."
        return Answer("open", "Not yet: nobody has signed off these images.", (held, CONFIDENTIAL))
    said = ("Refused: nothing was released.", *_what_to_do(audit), CONFIDENTIAL)
    headline, banner = _refused(summary.figures, reasons), "bad"
    return Answer(banner, headline, said)


def _released(outcome: Outcome, audit: AuditFigures | None) -> Answer:
    profile = audit.profile if audit else ""
    count = "" if outcome.images is None else f"Released: {plural(outcome.images, 'synthetic image')}. "
    who = WHO.get(profile, "as far as the dataset card says")
    said = [f"{count}Every rule of the policy held.", *([TERMS[profile]] if profile in TERMS else [])]
    if other := _other_limits(audit):
        said.append(f"Limits that somebody set in place of the profile's: {other}.")
    return Answer("good", f"Yes, {who}.", tuple(said))


def _other_limits(audit: AuditFigures | None) -> str:
    """Margins of the primary figures that are not those of the profile, by the names of the figures."""
    if audit is None or audit.profile not in PROFILES:
        return ""
    usual = margins_of(PROFILES[audit.profile])
    names = {figure.key: figure.name for figure in plain_figures(audit)}
    told = []
    for row in audit.primary or ():
        if row.name in usual and abs(row.margin - usual[row.name]) > 1e-12:
            set_here, own = held_against(row.margin, usual[row.name])
            told.append(f"{names[row.name]}: {set_here}, not {own}")
    return "; ".join(told)


def _unfinished(figures: StudyFigures) -> Answer:
    audit = figures.audit
    left = [doing for stage, doing in STAGES.items() if getattr(figures, stage) is None]
    said = ["Not released: the study has not come to its end."]
    if left:
        said.append(f"What has not been done: {', '.join(left)}.")
    if audit is None:
        headline, banner = "Not decided: nobody has audited the images yet.", "open"
    elif audit.verdict == "fail":
        headline, banner = _of_failed(audit), "bad"
    elif audit.verdict == "inconclusive":
        headline, banner = _of_undecided(audit), "open"
    else:
        headline, banner = "Not decided: the audit passed, and the rest is not done.", "open"
    return Answer(banner, headline, (*said, *_what_to_do(audit), CONFIDENTIAL))


def _refused(figures: StudyFigures, reasons: Sequence[str]) -> str:
    audit = figures.audit
    if audit is None:
        return "No: nobody audited the images."
    if audit.verdict == "fail":
        return _of_failed(audit)
    if not PROFILES.get(audit.profile, PROFILES["open"]).releasable:
        return "No: they stay in the building, whatever the figures say."
    if audit.verdict == "inconclusive":
        return _of_undecided(audit)
    found = areas(reasons)
    but = " and ".join(ONLY[area] for area in ONLY if area in found)
    return f"No: the audit passed, but {but}."


def _of_failed(audit: AuditFigures) -> str:
    if audit.copied is not None and audit.copied.found and audit.copied.dropped is None:
        return "No: the release shows copies of real people."
    return "No: the audit found that the images give people away."


def _of_undecided(audit: AuditFigures) -> str:
    if audit.primary or audit.advantage is not None:
        return "Not yet: the audit could not decide."
    return "Not yet: there are too few people or images for an audit."


def _what_to_do(audit: AuditFigures | None) -> tuple[str, ...]:
    """What somebody who holds the images should do; nothing where the audit says only that they may go out."""
    if audit is None or audit.verdict == "pass":
        return ()
    text = advice(audit)
    return (f"{text[0].upper()}{text[1:]}.",)


def why(figures: StudyFigures) -> Section:
    """The figures of the verdict against their limits, and use and gate in a sentence each."""
    audit, found = figures.audit, plain_figures(figures.audit)
    rows = tuple((figure.name, figure.at_most, figure.limit, figure.held) for figure in found)
    head = ("what an attacker tries", "succeeds at most", "limit", "kept")
    elements = [Element("table", "What attackers reach, against the limits", head, rows)] if rows else []
    elements += [Element("text", text) for text in (*_who(audit), *_gate(figures), *_use(figures.utility)) if text]
    missing = "Nothing was measured yet."
    return Section("why", "Why", "", tuple(elements), missing)


def _who(audit: AuditFigures | None) -> list[str]:
    if audit is None or audit.train_subjects is None or audit.control_subjects is None:
        return []
    used, others = people(audit.train_subjects), people(audit.control_subjects)
    said = f"Measured on {used} whose images were used and {others} whose were not. “At most”: {sure(audit)}."
    if audit.swap is not None:
        said += (
            " What was attacked is the procedure: two further models were trained, each on one half of the people, with"
            " the other half as those who were not used."
        )
    return [said]


def _gate(figures: StudyFigures) -> list[str]:
    gate = figures.gate
    if gate is None:
        return []
    most, _ = held_against(gate.miss_rate_upper, 1.0)
    return [
        f"Before the audit, a gate compared every drawn image with everybody and threw out what looked like one. It"
        f" misses a promised kind of copy of at most {most} people (95 % sure)."
    ]


def _use(utility: UtilityFigures | None) -> list[str]:
    if utility is None or utility.gap is None or utility.auroc_real is None or utility.auroc_synthetic is None:
        return []
    real, made = (f"{100 * value:.1f}" for value in (utility.auroc_real, utility.auroc_synthetic))
    return [
        "Use: shown a picture with a finding and one without, a program that learnt from the synthetic images picks the"
        f" right one in {made} of 100 cases, one that learnt from the real images in {real}."
    ]


def not_tested(figures: StudyFigures) -> Section:
    """What nobody can rely on, and what else is to be known before deciding."""
    rows = tuple((text,) for text in gaps(figures))
    return Section("not-tested", "What was not tested", "", (Element("list", rows=rows),))


def also(figures: StudyFigures, shortfalls: Sequence[str]) -> Section:
    """How the images were made and how often it was tried, where that bears on the decision."""
    told = [
        _tried(figures.audit),
        *(plain_shortfall(text) for text in shortfalls),
        " ".join(privacy_statement(figures).split()),
        *remarks(figures),
    ]
    rows = tuple((text,) for text in told if text)
    return Section("also", "What else to know", "", (Element("list", rows=rows),) if rows else ())


def _tried(audit: AuditFigures | None) -> str:
    if audit is None or audit.attempts is None:
        return ""
    times = audit.attempts.attempts
    often = "once" if times == 1 else f"{times:,} times"
    return f"These people were audited {often}. Each audit makes the bounds of the next wider, and all are recorded."
