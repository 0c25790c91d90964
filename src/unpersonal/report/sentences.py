"""What each stage did, in one plain sentence, for the terminal; the figures themselves are in summary.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from ..cohort.table import SPLITS
from ..features.config import nouns_of
from ..release.policy import is_number, source_unknown, started_elsewhere
from ..release.pretrained import pretrained_statements
from .sections import part

Figures = Mapping[str, Any]
LEAST_CONFIDENCE = 0.95


def stage_sentences(summary: Figures) -> dict[str, str]:
    """Stage → sentence, in the order in which they run; `summary` has the form of summary.json. None but `release` is
    there that did not run, and none names a person.
    """
    found = {
        stage: sentence(figures)
        for stage, key, sentence in _SENTENCES
        if (figures := part(summary, key)) and stage in part(summary, "seconds")
    }
    return {**found, "release": _release(part(summary, "release")), **_report(summary)}


def _share(value: Any) -> str:
    """A fraction in percent."""
    if not is_number(value):
        return "an unknown share"
    percent = 100 * float(value)
    return f"{percent:.0f} %" if abs(percent) >= 10 else f"{percent:.2g} %"


def _at_most(value: Any, limit: Any = None) -> str:
    """An upper bound in percent, rounded up, with as many digits as tell it from a `limit` that it does not reach."""
    if not is_number(value):
        return "an unknown share"
    percent = 100 * Decimal(str(float(value)))
    top = 100 * Decimal(str(float(limit))) if is_number(limit) else None
    digits = 2
    while True:
        step = Decimal(1).scaleb(min(percent.adjusted() - digits + 1, 0))
        shown = percent.quantize(step, ROUND_CEILING)
        if top is None or shown < top or percent >= top:
            return f"{shown.normalize() + 0:f} %"
        digits += 1


def _loss(value: Any) -> str:
    """An upper bound as a number of three digits, rounded up."""
    if not is_number(value):
        return _number(value)
    return f"{Decimal(str(float(value))).quantize(Decimal('0.001'), ROUND_CEILING):f}"


def _exact(value: Any) -> str:
    """A limit in percent, as it was set."""
    return f"{(100 * Decimal(str(float(value)))).normalize():f} %" if is_number(value) else "not known"


def _weight(value: Any) -> str:
    """A predicate weight, rounded up: it is an upper bound too."""
    if not is_number(value):
        return "not known"
    exact = Decimal(str(float(value)))
    return f"{float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), ROUND_CEILING)):.2g}"


def _bound(confidence: Any) -> str:
    """`95 % upper bound`; where figures do not tell the confidence it is the least that any configuration allows."""
    return f"{100 * float(confidence if is_number(confidence) else LEAST_CONFIDENCE):g} % upper bound"


def _number(value: Any, digits: int = 3) -> str:
    return f"{float(value):.{digits}f}" if is_number(value) else "not known"


def _whole(value: Any) -> str:
    return f"{int(value):,}" if is_number(value) else "an unknown number of"


def _counted(value: Any, noun: str) -> str:
    return f"{_whole(value)} {noun}{'' if is_number(value) and int(value) == 1 else 's'}"


def _cohort(figures: Figures) -> str:
    by_split = part(figures, "subjects_by_split")
    people = ", ".join(f"{split} {_whole(by_split.get(split))}" for split in SPLITS)
    images, subjects = _counted(figures.get("images"), "image"), _counted(figures.get("subjects"), "subject")
    sentence = f"{images} of {subjects} ({people})"
    if refused := figures.get("quarantined"):
        sentence += f"; {refused:,} of {_whole(figures.get('read'))} refused, quarantine.csv says why"
    copies = part(figures, "duplicates")
    for kind, name in (("exact_across_subjects", "identical"), ("near_across_subjects", "nearly identical")):
        if pairs := part(copies, kind).get("pairs"):
            sentence += f"; {_counted(pairs, 'pair')} of {name} images under different subjects"
    if text := figures.get("text"):
        sentence += f"; {_counted(text, 'image')} may have text burned in"
    return sentence


def _encode(figures: Figures) -> str:
    size, colour = figures.get("size"), "grey" if figures.get("channels") == 1 else "colour"
    exact = "; their compressed form is exact" if figures.get("codec") == "pixel" else ""
    quality = f"; their compressed form is true to {_number(figures.get('psnr_db'), 1)} dB (more is closer)"
    return f"images of {size} × {size} pixels, {colour}{exact or quality}{_pretrained({'encode': figures})}"


def _pretrained(summary: Figures) -> str:
    """The statements on what was trained elsewhere, as parts of a sentence."""
    return "".join(f"; {text[0].lower()}{text[1:].rstrip('.')}" for text in pretrained_statements(summary))


def _features(figures: Figures) -> str:
    if not is_number(figures.get("dimensions")):
        given = nouns_of(str(figures.get("condition")))
        sentence = f"no image was encoded: the model that draws is conditioned on {given}"
    else:
        sentence = (
            f"each image is described by {_whole(figures.get('dimensions'))} numbers, worth about "
            f"{_number(figures.get('effective_dimensions'), 0)} independent ones"
        )
    return sentence + _pretrained({"features": figures})


def _diffusion(figures: Figures) -> str:
    sentence = f"the model that draws was trained on {_whole(figures.get('denoiser_images'))} views of train images"
    if is_number(figures.get("denoiser_held_out_error")):
        sentence += (
            f"; its error is {_number(figures.get('denoiser_train_error'))} on train subjects and "
            f"{_number(figures['denoiser_held_out_error'])} on others (the closer, the less it learnt by heart)"
        )
    kept = figures.get("denoiser_kept_images")
    if is_number(kept) and kept != figures.get("denoiser_images"):
        sentence += f"; the weights that are kept are those after {_whole(kept)}"
    if figures.get("denoiser_ended_early"):
        sentence += f"; training ended early, because the model {figures['denoiser_ended_early']}"
    for name, noun in (("denoiser", "it"), ("guide", "its guide")):
        if figures.get(f"{name}_memorised"):
            sentence += f"; {noun} learnt train images by heart, so the release will be refused"
    return sentence + _start({"diffusion": figures})


def _start(summary: Figures) -> str:
    if not started_elsewhere(summary):
        return ""
    who = (
        "unknown people, with whom nothing here compares and who may be among those held out"
        if source_unknown(summary)
        else "another study's people, all of them train subjects here too; neither gate nor audit compares with images "
        "of theirs that are not here"
    )
    share = part(part(summary, "diffusion"), "start").get("share")
    return f"; {_share(share)} of its weights are of a model that was trained on {who}"


def _judges(figures: Figures) -> str:
    sentence = (
        f"the gate missed {_share(figures.get('miss_rate'))} of the tested copies "
        f"({_bound(figures.get('confidence'))} {_at_most(figures.get('miss_rate_upper'))}, by "
        f"{_counted(figures.get('calibration_subjects'), 'subject')}) and took "
        f"{_share(figures.get('false_flag_rate'))} of strangers for somebody"
    )
    return f"{sentence}; {figures['shortfall']}" if figures.get("shortfall") else sentence


def _synthesis(figures: Figures) -> str:
    return (
        f"{_counted(figures.get('candidates'), 'image')} drawn; the gate refused "
        f"{_share(figures.get('match_rate_before_gate'))} as too like a train subject; "
        f"{_whole(figures.get('released'))} chosen for the release"
    )


def _audit(figures: Figures) -> str:
    """A bound is claimed only of an audit that passed, in the words that DESIGN's trap 13 allows."""
    upper, limit, weight = (figures.get(key) for key in ("advantage_upper", "policy_upper", "weight"))
    if figures.get("verdict") == "pass":
        sentence = (
            "pass: no tested attacker isolated training subjects more often than control subjects by more than "
            f"{_at_most(upper, limit)} ({_bound(figures.get('confidence'))}; limit {_exact(limit)}), at predicate "
            f"weight <= {_weight(weight)}"
        )
    else:
        sentence = f"{figures.get('verdict')}: nothing can be claimed of the release"
        if is_number(figures.get("advantage")) and is_number(upper) and is_number(limit) and upper > limit:
            sentence += f" (advantage: {_bound(figures.get('confidence'))} {_at_most(upper)}, limit {_exact(limit)})"
    return "; ".join([sentence, *map(str, figures.get("reasons") or [])])


def _utility(figures: Figures) -> str:
    """The codec's share is told where it is known, never as part of the bound that the policy reads."""
    known = is_number(figures.get("ceiling_gap")) and not figures.get("ceiling_note")
    alone = f"; the codec alone costs {_number(figures['ceiling_gap'])}" if known else ""
    return (
        f"a classifier tells labels apart with AUROC {_number(figures.get('auroc_synthetic'))} if trained on the "
        f"synthetic images, {_number(figures.get('auroc_real'))} on the real ones (loss: 95 % upper bound "
        f"{_loss(figures.get('gap_upper'))}){alone}"
    )


def _release(figures: Figures) -> str:
    if figures.get("released"):
        sentence = f"{_counted(figures.get('images'), 'image')} with their evidence, in release/"
        return "; ".join([sentence, *map(str, figures.get("shortfalls") or [])])
    return "refused, for the reasons given" if figures.get("reasons") else "not reached yet"


def _report(summary: Figures) -> dict[str, str]:
    written = "report" in part(summary, "seconds")
    return {"report": "report.html for people; private.html stays in the building"} if written else {}


_SENTENCES: tuple[tuple[str, str, Callable[[Figures], str]], ...] = (
    ("cohort", "cohort", _cohort),
    ("encode", "encode", _encode),
    ("features", "features", _features),
    ("diffusion", "diffusion", _diffusion),
    ("judges", "gate", _judges),
    ("synthesis", "synthesis", _synthesis),
    ("audit", "audit", _audit),
    ("utility", "utility", _utility),
)
