"""The dataset card, README.md of a release."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, Context, Decimal
from importlib import resources
from typing import Literal

from ..audit.chapters import findings
from ..audit.chapters_of_trials import compared
from ..audit.figures import AuditFigures
from ..audit.markdown import in_markdown
from ..audit.profiles import IN_WORDS, ISOLATED, MEMBERSHIP, TRUE_POSITIVES
from ..audit.reviews import review_statement
from ..audit.stratum_rows import OF_LABEL
from ..diffusion.figures import DiffusionFigures
from ..judges.figures import GateFigures
from ..matching.kinds import LEAST_RECALL, in_words
from ..synthesis.figures import SynthesisFigures
from .about import About, citation, label_list, terms_of_use
from .attempted import attempts_statement
from .blind import Unseen, at_least, audit_blind, in_order, unseen
from .card_head import head, misread
from .card_labels import IN_FILES, noise_statement, soft_statement
from .datasheet import datasheet
from .evidence import COMPLEMENT, SMALLEST_CELL, suppressed
from .figures import StudyFigures
from .metadata import IN_FILES as METADATA_IN_FILES
from .place import statement as place_statement
from .planned import CHOSEN, planned_statement
from .policy import PolicyConfig, is_number, looser, origin_unknown
from .pretrained import pretrained
from .published import with_predicted_labels
from .safety import safety_statement
from .sign_off import sign_off_statement

Memory = Literal["found", "none found", "not known"]
BOUNDS = "each by its own 95 % bound"
"""Said of several kinds at once: all their bounds together hold less surely than each alone."""


def number(value: object, digits: int = 3) -> str:
    """A figure in words: fixed digits, whole numbers as they are, `not known` where there is none."""
    if isinstance(value, str) and value:
        return value
    if not is_number(value):
        return "not known"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def bound(value: float | None) -> str:
    """An upper bound to three significant digits, rounded up so that the text never claims more than was measured."""
    if not is_number(value):
        return number(value)
    return f"{float(Context(prec=3, rounding=ROUND_CEILING).plus(Decimal(repr(float(value))))):.3g}"


def _level(audit: AuditFigures | None) -> str:
    """Confidence of the audit's bound in percent; the least that any configuration allows where it is not told."""
    return f"{100 * audit.confidence:g}" if audit and audit.confidence is not None else "95"


def audit_statement(audit: AuditFigures | None) -> str:
    """What the audit showed, never more: no bare claim of security."""
    weight, upper = (audit.weight, audit.advantage_upper) if audit else (None, None)
    at = f"predicate weight ≤ {bound(weight)}" if is_number(weight) else "the primary predicate weight of the audit"
    rows = {row.name: row.upper for row in audit.primary or ()} if audit else {}
    return _procedure(audit) + (
        f"No tested attacker who holds the release isolated more than {bound(upper)} of the training subjects at least "
        f"once ({_level(audit)} % upper bound), at {at}. None told training subjects from other people with an AUROC "
        f"above {bound(rows.get(MEMBERSHIP))}, or at 1 % false positives with a true-positive rate above "
        f"{bound(rows.get(TRUE_POSITIVES))} (upper bounds, each of the strongest attack)."
    )


def _procedure(audit: AuditFigures | None) -> str:
    """What was audited, where that is not the generator of these images."""
    if audit is None or audit.swap is None:
        return ""
    return (
        "What was audited is the procedure by which these images were made: by it two further generators were trained, "
        "each on one half of the training subjects, drawn by chance, and each half served as the other people of the "
        "other's images. The bounds that follow are of these two; copied people were searched for in the released "
        "images themselves. "
    )


def _primary_table(audit: AuditFigures | None) -> str:
    """The primary figures as rows of a table, but for isolated people, who are told in rows of their own."""
    return "\n".join(
        f"| {IN_WORDS[row.name]}, {_level(audit)} % upper bound (margin {row.margin:g}) | {bound(row.upper)} |"
        for row in (audit.primary or () if audit else ())
        if row.name in IN_WORDS and row.name != ISOLATED
    )


def findings_in_markdown(audit: AuditFigures | None, classes: Sequence[str]) -> list[str]:
    """Copied people, the least leak, the worst case and what else was measured or proved, as lines of the card.

    A group of people with a label that no released image has is told without the label.
    """
    if audit is None:
        return []
    strata = tuple(
        replace(row, name=f"{OF_LABEL}that no released image has")
        if row.name.startswith(OF_LABEL) and row.name.removeprefix(OF_LABEL) not in classes
        else row
        for row in audit.strata or ()
    )
    parts = findings(replace(audit, primary=None, strata=strata)) + compared(audit)
    return in_markdown(
        [
            replace(part, texts=tuple(_wrapped(text) for text in part.texts), title=f"Audit: {part.title}")
            for part in parts
        ]
    )


def gate_statement(gate: GateFigures | None) -> str:
    """Of whom the gate was shown copies, and how many of them it may miss; never more than was measured."""
    if gate is None:
        return "It is not known which copies of people the gate finds."
    promised = sum(kind.promised for kind in gate.kinds.values())
    worse = gate.miss_rate_upper > gate.protected.miss_rate_upper
    people = number(suppressed((gate.held_out if worse else gate.protected).subjects))
    whom = f"{people} held-out people, of whom it misses more" if worse else f"{people} people"
    return (
        f"The gate was tried on copies, of {len(gate.kinds)} kinds, of people whose images trained the model. The share"
        f" of them of whom it misses a copy of any of the {promised} promised kinds is at most "
        f"{bound(gate.miss_rate_upper)} (95 % upper bound, by {whom})."
    )


def blind_statement(found: Unseen) -> str:
    """The kinds of copies that the gate does not find, by name."""
    said = []
    if found.blind:
        said.append(f"The gate is blind to: {_listed(found.blind)}. Of these it may find less than {LEAST_RECALL:g}.")
    if found.untried:
        said.append(f"The gate was not tried on, and may be blind to: {_listed(found.untried)}.")
    if not said:
        said.append(
            f"The gate is blind to no kind that was tried: it finds at least {LEAST_RECALL:g} of each, {BOUNDS}."
        )
    return " ".join([*said, "What it does with copies of other kinds is not known."])


def audit_blind_statement(audit: AuditFigures | None) -> str:
    """The kinds of which the audit's own matchers may overlook single copies; empty where none were planted."""
    if audit is None or audit.kinds is None:
        return ""
    names = ", ".join(in_order(row.kind for row in audit.kinds))
    tried = (
        f"The audit searched the release with matchers of its own, tried on {len(audit.kinds)} kinds of copies, each at"
        f" one strength and no other: {names}."
    )
    if not (blind := audit_blind(audit)):
        return (
            f"{tried} It overlooks copies of none of these kinds: it sees at least {LEAST_RECALL:g} of each, {BOUNDS}."
        )
    said = (
        f"{tried} It may overlook single copies of: {_listed(blind)}. Of these it may see less than {LEAST_RECALL:g}."
    )
    return f"{said} Copies of how many people it would have noticed all the same, its claim says."


def _listed(kinds: Sequence[str]) -> str:
    return "; ".join(in_words(name) if in_words(name) == name else f"{in_words(name)} ({name})" for name in kinds)


def kinds_table(gate: GateFigures | None) -> str:
    """Markdown rows of every kind of copy that was tried, with what the gate finds of it."""
    kinds, blind = (gate.kinds if gate else {}), unseen(gate).blind
    rows = []
    for name in in_order(kinds):
        kind = kinds[name]
        few = kind.subjects < SMALLEST_CELL
        share, lower = (COMPLEMENT,) * 2 if few else (at_least(kind.recall), at_least(kind.recall_lower))
        told = ("yes" if kind.promised else "no", "yes" if name in blind else "no")
        rows.append(f"| {name} | {in_words(name)} | {share} | {lower} | {' | '.join(told)} |")
    return "\n".join(rows or ["| not known | | | | | |"])


def false_flags_by_label(gate: GateFigures | None, classes: Sequence[str]) -> str:
    """The share of strangers that the gate flags, of every label that the release has; no other name is told."""
    rates = gate.false_flag_rate_of if gate else {}
    return ", ".join(f"`{label}` {number(rates[label])}" for label in classes if label in rates) or "not known"


def compared_with(gate: GateFigures | None) -> str:
    """The gate's matchers, and whose images they compare with."""
    if gate is None:
        return "A gate compared every candidate with the real images."
    names = ", ".join(sorted(gate.matchers)) or "not known"
    return (
        f"A gate (matchers: {names}) compared every candidate with all {number(suppressed(gate.gallery_images))} images"
        f" of all {number(suppressed(gate.gallery_subjects))} people of this study, held-out people included."
    )


def predicted_labels(gate: GateFigures | None, synthesis: SynthesisFigures | None) -> str:
    """What is said of labels that a classifier predicted for the real images; nothing where all were given."""
    found = gate.predicted_labels if gate else None
    if found is None:
        return ""
    count = suppressed(with_predicted_labels(synthesis)) if synthesis else None
    low, high = found.accuracy_interval
    # figures of a group of fewer than five say as much about its members as the count would
    few = min(found.images, found.subjects) < SMALLEST_CELL
    accuracy, error = (COMPLEMENT, COMPLEMENT) if few else (number(found.accuracy), number(found.calibration_error))
    return f"""
- Of these images {number(count)} were drawn from real images that nobody had labelled: their labels are those that a
  classifier predicted for the real image. On other people's labelled images it was right in
  {accuracy} (95 % interval {number(low)} to {number(high)}); the expected calibration error of its
  probabilities was {error}."""


def memorisation(diffusion: DiffusionFigures | None) -> Memory:
    """What is known of the model's memory: whether a sign of it was found, in words.

    Samples among which nobody would have noticed a sign say nothing of it, nor does the error on train images alone.
    """
    if diffusion and (diffusion.denoiser_memorised or diffusion.guide_memorised):
        return "found"
    power = diffusion.denoiser_match_power if diffusion else None
    watched = is_number(power) and power >= PolicyConfig().match_power
    return "none found" if diffusion and watched and diffusion.denoiser_memorised is False else "not known"


def _not_excluded(diffusion: DiffusionFigures | None) -> str:
    """How many samples may be like train images, for few were looked at; empty where none were."""
    upper = diffusion.denoiser_match_rate_upper if diffusion else None
    return f"; share of samples like train images, 95 % upper bound {bound(upper)}" if is_number(upper) else ""


def policy_statement(policy: PolicyConfig) -> str:
    """What the policy of a release allows beyond the default; empty where that is nothing."""
    found = looser(policy)
    return f"This release was made under a looser policy than usual: {'; '.join(found.values())}." if found else ""


def _weaker(settings: tuple[str, ...]) -> str:
    """Settings that guard people and are weaker than the default, as a sentence; empty where there are none."""
    return f"{safety_statement(settings)}." if settings else ""


def start_statement(figures: StudyFigures) -> str:
    """What a start from the weights of another model means for the evidence; empty where training began anew."""
    start = figures.diffusion.start if figures.diffusion else None
    if start is None:
        return ""
    if start.invented:
        return (
            f"The model began with {start.invented_images:,} images of invented people (phantom: {start.invented}), "
            "which show nobody; it then learnt from the people of this study."
        )
    lead = (
        f"The model did not begin anew: {100 * start.share:.3g} % of its parameters came from another model (SHA-256 "
        f"of its file: {start.sha256}). "
    )
    if origin_unknown(figures):
        return lead + (
            "It is not known whose images that model was trained on. Neither the gate nor the audit compared with "
            "them, and what it remembers of these people may come out. If people who were held out here are among them "
            "(control subjects of the audit, subjects of the utility test), these figures are too favourable."
        )
    return lead + (
        "That model was trained in another study. By their ids, its training subjects are all training subjects of "
        "this study as well, and none of its training images was held out here. Neither the gate nor the audit "
        "compared with images of theirs that are not part of this study: what it remembers of these may come out."
    )


def privacy_statement(figures: StudyFigures) -> str:
    """What a private training guarantees, and what is outside; empty where it was not private."""
    privacy = figures.diffusion.privacy if figures.diffusion else None
    if privacy is None:
        return ""
    return _wrapped(
        f"The generator was trained with differential privacy for each person, ε = {privacy.epsilon:.3g} at δ = "
        f"{privacy.delta:.3g} ({privacy.steps:,} steps, sampling rate {privacy.sampling_rate:.3g}, noise multiplier "
        f"{privacy.noise_multiplier:.3g}). Outside this guarantee, because it may tell of people: "
        f"{'; '.join(privacy.outside)}."
    )


def plugin_statement(figures: StudyFigures) -> str:
    """The parts of other packages that were used; empty where there are none."""
    plugins = figures.all_plugins
    if not plugins:
        return ""
    named = ", ".join(f"{item.kind} {item.name} ({item.distribution} {item.version})" for item in plugins)
    return f"Parts of other packages were used: {named}. The evidence names the hash of each package."


def remarks(figures: StudyFigures) -> tuple[str, ...]:
    """What a reader must know of how the images were made: another model's weights, networks, other packages."""
    networks = (item.note for item in pretrained(figures))
    own = start_statement(figures), privacy_statement(figures), review_statement(figures.audit)
    signed = sign_off_statement(figures.signed) if figures.signed else ""
    return tuple(text for text in (*own, *networks, plugin_statement(figures), signed) if text)


def _wrapped(text: str) -> str:
    """A paragraph in lines of the card."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _datasheet(about: About) -> str:
    """The datasheet in Markdown."""
    return "\n\n".join(
        "\n\n".join([f"### {title}", *(_wrapped(f"**{item.question}** {item.answer}") for item in answers)])
        for title, answers in datasheet(about).items()
    )


def dataset_card(
    *,
    images: int,
    shape: Sequence[int],
    classes: Sequence[str],
    figures: StudyFigures,
    policy: PolicyConfig,
    version: str,
    soft: bool = False,
) -> str:
    """Markdown card of a release of `images` synthetic images of `shape` (C, H, W) with labels out of `classes`.

    `soft` says whether class probabilities lie beside the labels.
    """
    return card(
        About(
            images=images,
            shape=tuple(shape),
            classes=tuple(classes),
            figures=figures,
            policy=policy,
            version=version,
            soft=soft,
        )
    )


def card(about: About) -> str:
    """Markdown card of a release, with the head that Hugging Face reads."""
    figures, policy, classes = about.figures, about.policy, about.classes
    audit, gate, utility = figures.audit, figures.gate, figures.utility
    metrics, found = utility.metrics if utility else None, unseen(gate)
    template = resources.files(__package__).joinpath("templates/card.md").read_text(encoding="utf-8")
    said = (audit_statement(audit), attempts_statement(audit), place_statement(about.place))
    return template.format(
        head=head(about),
        title=about.told.title,
        images=about.images,
        width=about.shape[2],
        height=about.shape[1],
        colour=about.colour,
        labels=label_list(classes),
        version=about.version,
        metadata=METADATA_IN_FILES.format(more=",probability_<class>…" if about.soft else ""),
        misread=misread(classes, several=about.several),
        citation=citation(about),
        datasheet=_datasheet(about),
        compared=_wrapped(compared_with(gate)),
        chosen=CHOSEN[figures.synthesis.rank] if figures.synthesis else "one was taken",
        planned=_wrapped(planned_statement(figures.synthesis)),
        began="".join(f"\n{_wrapped(text)}\n" for text in remarks(figures)),
        looser="".join(f"\n{_wrapped(text)}\n" for text in (policy_statement(policy), _weaker(figures.weaker)) if text),
        statement="\n\n".join(_wrapped(text) for text in said if text),
        terms=_wrapped(terms_of_use(about)),
        gate=_wrapped(gate_statement(gate)),
        blind="\n\n".join(_wrapped(text) for text in (blind_statement(found), audit_blind_statement(audit)) if text),
        kinds=kinds_table(gate),
        least=f"{LEAST_RECALL:g}",
        false_flags=false_flags_by_label(gate, classes),
        memory=memorisation(figures.diffusion),
        not_excluded=_not_excluded(figures.diffusion),
        verdict=number(audit.verdict if audit else None),
        profile=audit.profile if audit else "not known",
        primary=_primary_table(audit),
        advantage=number(audit.advantage if audit else None),
        level=_level(audit),
        advantage_upper=bound(audit.advantage_upper if audit else None),
        miss_rate_upper=bound(gate.miss_rate_upper if gate else None),
        false_flag_rate=number(gate.false_flag_rate if gate else None),
        auroc_real=number(utility.auroc_real if utility else None),
        auroc_synthetic=number(utility.auroc_synthetic if utility else None),
        ceiling_auroc=number(utility.ceiling_auroc if utility else None),
        gap_upper=bound(utility.gap_upper if utility else None),
        irs=number(metrics.irs if metrics else None),
        fid=number(metrics.fid if metrics else None),
        unless=", as far as is known: see how the model began" if origin_unknown(figures) else "",
        predicted=predicted_labels(gate, figures.synthesis),
        probabilities=f"\n{IN_FILES}" if about.soft else "",
        labelled="".join(
            f"\n{_wrapped(text)}\n"
            for text in (
                soft_statement(figures.synthesis, gate.teachers if gate else None) if about.soft else "",
                noise_statement(utility.label_noise if utility else None),
            )
            if text
        ),
        findings="\n".join(findings_in_markdown(audit, classes)),
    )
