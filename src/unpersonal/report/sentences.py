"""What each stage did, in one plain sentence, for the terminal; the figures themselves are in summary.json."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from ..audit.figures import AuditFigures
from ..audit.profiles import ISOLATED
from ..audit.spoken import advice, of_margin
from ..codec.config import is_lossless
from ..codec.figures import EncodeFigures
from ..cohort.dealing import SPLITS
from ..cohort.figures import CohortFigures
from ..diffusion.figures import DiffusionFigures
from ..features.config import nouns_of
from ..features.figures import FeatureFigures
from ..judges.figures import GateFigures
from ..release.blind import unseen
from ..release.evidence import suppressed
from ..release.figures import StudyFigures
from ..release.policy import origin_unknown
from ..release.pretrained import pretrained
from ..synthesis.figures import SynthesisFigures
from ..utility.figures import UtilityFigures
from .summary import Outcome, Summary

LEAST_CONFIDENCE = 0.95
"""Of the gate's bounds: the least that any configuration allows."""


def stage_sentences(summary: Summary) -> dict[str, str]:
    """Stage → sentence, in the order in which they run.

    Only `release` is there that did not run. No sentence names a person.
    """
    figures = summary.figures
    found = {
        "cohort": figures.cohort and _cohort(figures.cohort),
        "encode": figures.encode and _encode(figures.encode, _pretrained(figures, "encode")),
        "features": figures.features and _features(figures.features, _pretrained(figures, "features")),
        "diffusion": figures.diffusion and _diffusion(figures.diffusion, _start(figures)),
        "judges": figures.gate and _judges(figures.gate),
        "synthesis": figures.synthesis and _synthesis(figures.synthesis),
        "audit": figures.audit and _audit(figures.audit),
        "utility": figures.utility and _utility(figures.utility),
        "release": _release(summary.outcome),
        "report": "report.html for people; private.html stays in the building" if "report" in summary.seconds else "",
    }
    return {stage: sentence for stage, sentence in found.items() if sentence}


def _share(value: float) -> str:
    """A fraction in percent."""
    percent = 100 * value
    return f"{percent:.0f} %" if abs(percent) >= 10 else f"{percent:.2g} %"


def _at_most(value: float, limit: float | None = None) -> str:
    """An upper bound in percent, rounded up, with as many digits as tell it from a `limit` that it does not reach."""
    percent = 100 * Decimal(str(value))
    top = None if limit is None else 100 * Decimal(str(limit))
    digits = 2
    while True:
        step = Decimal(1).scaleb(min(percent.adjusted() - digits + 1, 0))
        shown = percent.quantize(step, ROUND_CEILING)
        if top is None or shown < top or percent >= top:
            return f"{shown.normalize() + 0:f} %"
        digits += 1


def _loss(value: float) -> str:
    """An upper bound as a number of three digits, rounded up."""
    return f"{Decimal(str(value)).quantize(Decimal('0.001'), ROUND_CEILING):f}"


def _exact(value: float) -> str:
    """A limit in percent, as it was set."""
    return f"{(100 * Decimal(str(value))).normalize():f} %"


def _weight(value: float | None) -> str:
    """A predicate weight, rounded up: it is an upper bound too."""
    if value is None:
        return "not known"
    exact = Decimal(str(value))
    return f"{float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), ROUND_CEILING)):.2g}"


def _bound(confidence: float | None) -> str:
    """`95 % upper bound`; where figures do not tell the confidence it is the least that any configuration allows."""
    return f"{100 * (LEAST_CONFIDENCE if confidence is None else confidence):g} % upper bound"


def _number(value: float | None, digits: int = 3) -> str:
    return "not known" if value is None else f"{value:.{digits}f}"


def _counted(value: int, noun: str) -> str:
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def _cohort(figures: CohortFigures) -> str:
    parts = dict.fromkeys((*SPLITS, *figures.subjects_by_split))
    people = ", ".join(f"{split} {figures.subjects_by_split.get(split, 0):,}" for split in parts)
    images, subjects = _counted(figures.images, "image"), _counted(figures.subjects, "subject")
    sentence = f"{images} of {subjects} ({people})"
    if figures.quarantined:
        sentence += f"; {figures.quarantined:,} of {figures.read:,} refused, quarantine.csv says why"
    copies = figures.duplicates
    for found, name in ((copies.exact_across_subjects, "identical"), (copies.near_across_subjects, "nearly identical")):
        if found and found.pairs:
            sentence += f"; {_counted(found.pairs, 'pair')} of {name} images under different subjects"
    if figures.text:
        sentence += f"; {_counted(figures.text, 'image')} may have text burned in"
    return sentence


def _encode(figures: EncodeFigures, elsewhere: str) -> str:
    size, colour = figures.size, "grey" if figures.channels == 1 else "colour"
    exact = "; their compressed form is exact" if is_lossless(figures.codec) else ""
    quality = f"; their compressed form is true to {_number(figures.psnr_db, 1)} dB (more is closer)"
    return f"images of {size} × {size} pixels, {colour}{exact or quality}{elsewhere}"


def _pretrained(figures: StudyFigures, stage: str) -> str:
    """The statement on what of a stage was trained elsewhere, as the end of a sentence."""
    notes = (item.note for item in pretrained(figures) if item.stage == stage)
    return "".join(f"; {text[0].lower()}{text[1:].rstrip('.')}" for text in notes)


def _features(figures: FeatureFigures, elsewhere: str) -> str:
    if figures.dimensions is None:
        given = nouns_of(figures.condition)
        return f"no image was encoded: the model that draws is conditioned on {given}{elsewhere}"
    told = ""
    if figures.centroids is not None:
        fewest = suppressed(figures.centroid_subjects_fewest)
        told = (
            f"; the model that draws is told the mean of a group of people with the same labels, one of "
            f"{figures.centroids:,}, each of at least {fewest} people who count once"
        )
    return (
        f"each image is described by {figures.dimensions:,} numbers, worth about "
        f"{_number(figures.effective_dimensions, 0)} independent ones{told}{elsewhere}"
    )


def _diffusion(figures: DiffusionFigures, start: str) -> str:
    sentence = f"the model that draws was trained on {figures.denoiser_images:,} views of train images"
    if figures.denoiser_held_out_error is not None:
        sentence += (
            f"; its error is {_number(figures.denoiser_train_error)} on train subjects and "
            f"{_number(figures.denoiser_held_out_error)} on others as hard (the closer, the less it learnt by heart"
            f"{_interval(figures)})"
        )
    if figures.denoiser_kept_images != figures.denoiser_images:
        sentence += f"; the weights that are kept are those after {figures.denoiser_kept_images:,}"
    if figures.denoiser_ended_early:
        sentence += f"; training ended early, because the model {figures.denoiser_ended_early}"
    for memorised, noun in ((figures.denoiser_memorised, "it"), (figures.guide_memorised, "its guide")):
        if memorised:
            sentence += f"; {noun} learnt train images by heart, so the release will be refused"
    return sentence + start


def _interval(figures: DiffusionFigures) -> str:
    """The interval of the gap between these errors; nothing where there is none."""
    if figures.denoiser_gap_lower is None or figures.denoiser_gap_upper is None:
        return ""
    bounds = f"; the difference is {_number(figures.denoiser_gap_lower)} to {_number(figures.denoiser_gap_upper)}"
    coarse = ", too coarse to be held against its margin: with so few people it could not be measured"
    return bounds + (coarse if figures.denoiser_gap_told is False else "")


def _start(figures: StudyFigures) -> str:
    start = figures.diffusion.start if figures.diffusion else None
    if start is None:
        return ""
    if start.invented:
        return f"; it began with {start.invented_images:,} images of invented people, who are nobody"
    who = (
        "unknown people, with whom nothing here compares and who may be among those held out"
        if origin_unknown(figures)
        else "another study's people, all of them train subjects here too; neither gate nor audit compares with images "
        "of theirs that are not here"
    )
    return f"; {_share(start.share)} of its weights are of a model that was trained on {who}"


def _judges(figures: GateFigures) -> str:
    worse = figures.miss_rate_upper > figures.protected.miss_rate_upper
    people, whom = (figures.held_out, "held-out") if worse else (figures.protected, "train")
    sentence = (
        f"the gate missed a promised copy of {_share(figures.miss_rate)} of {people.subjects:,} {whom} subjects "
        f"({_bound(None)} {_at_most(figures.miss_rate_upper)}) and took {_share(figures.false_flag_rate)} of "
        f"{_counted(figures.strangers, 'stranger')} for somebody"
    )
    found = unseen(figures)
    if found.blind:
        sentence += f"; it is blind to {', '.join(found.blind)}"
    if found.untried:
        sentence += f"; it was not tried on {', '.join(found.untried)}"
    return f"{sentence}; {figures.shortfall}" if figures.shortfall else sentence


def _synthesis(figures: SynthesisFigures) -> str:
    return (
        f"{_counted(figures.draws, 'image')} planned, {figures.candidates:,} drawn; the gate refused "
        f"{_share(figures.match_rate_before_gate)} as too like a person of the study; "
        f"{figures.released:,} chosen for the release"
        f"{'; label sets of too few people are left out' if figures.label_sets_left_out else ''}"
    )


def _audit(figures: AuditFigures) -> str:
    """A bound is claimed only of an audit that passed: of the attackers that were tested, and at a weight."""
    upper, limit = figures.advantage_upper, figures.policy_upper
    if figures.verdict == "pass":
        sentence = (
            "pass: no tested attacker isolated more training subjects than "
            f"{_at_most(upper, limit)} ({_bound(figures.confidence)}; limit {_exact(limit)}), at predicate "
            f"weight <= {_weight(figures.weight)}"
        )
    else:
        sentence = f"{figures.verdict}: nothing can be claimed of the release"
        if figures.advantage is not None and upper > limit:
            sentence += f" (people isolated: {_bound(figures.confidence)} {_at_most(upper)}, limit {_exact(limit)})"
    told = [f"removed by review: {figures.review.removed}"] if figures.review else []
    told += [of_margin(row) for row in figures.primary or () if row.name != ISOLATED]
    return "; ".join([sentence, *told, *figures.reasons, f"what to do: {advice(figures)}"])


def _utility(figures: UtilityFigures) -> str:
    """The codec's share is told where it is known, never as part of the bound that the policy reads."""
    known = figures.ceiling_gap is not None and not figures.ceiling_note
    alone = f"; the codec alone costs {_number(figures.ceiling_gap)}" if known else ""
    return (
        f"a classifier tells labels apart with AUROC {_number(figures.auroc_synthetic)} if trained on the "
        f"synthetic images, {_number(figures.auroc_real)} on the real ones (loss: 95 % upper bound "
        f"{_loss(figures.gap_upper)}){alone}"
    )


def _release(outcome: Outcome) -> str:
    if outcome.released and outcome.images is not None:
        sentence = f"{_counted(outcome.images, 'image')} with their evidence, in release/"
        return "; ".join([sentence, *(outcome.shortfalls or ())])
    return "refused, for the reasons given" if outcome.reasons else "not reached yet"
