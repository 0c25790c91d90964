"""What each stage did, in one plain sentence, for the terminal; the figures themselves are in summary.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..cohort.table import SPLITS
from ..release.policy import is_number
from .sections import part

Figures = Mapping[str, Any]


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
    return f"images of {size} × {size} pixels, {colour}{exact or quality}"


_CONDITIONS = {"uncond": "nothing", "label": "labels", "text": "texts"}


def _features(figures: Figures) -> str:
    if not is_number(figures.get("dimensions")):
        given = _CONDITIONS.get(str(figures.get("condition")), "labels and texts")
        return f"no image was encoded: the model that draws is conditioned on {given}"
    return (
        f"each image is described by {_whole(figures.get('dimensions'))} numbers, worth about "
        f"{_number(figures.get('effective_dimensions'), 0)} independent ones"
    )


def _diffusion(figures: Figures) -> str:
    sentence = f"the model that draws was trained on {_whole(figures.get('denoiser_images'))} views of train images"
    if is_number(figures.get("denoiser_held_out_error")):
        sentence += (
            f"; its error is {_number(figures.get('denoiser_train_error'))} on train subjects and "
            f"{_number(figures['denoiser_held_out_error'])} on others (the closer, the less it learnt by heart)"
        )
    return sentence


def _judges(figures: Figures) -> str:
    sentence = (
        f"the gate misses {_share(figures.get('miss_rate'))} of copies (at most "
        f"{_share(figures.get('miss_rate_upper'))}, by {_counted(figures.get('calibration_subjects'), 'subject')}) and "
        f"takes {_share(figures.get('false_flag_rate'))} of strangers for somebody"
    )
    return f"{sentence}; {figures['shortfall']}" if figures.get("shortfall") else sentence


def _synthesis(figures: Figures) -> str:
    return (
        f"{_counted(figures.get('candidates'), 'image')} drawn; the gate refused "
        f"{_share(figures.get('match_rate_before_gate'))} as too like a train subject; "
        f"{_whole(figures.get('released'))} chosen for the release"
    )


def _audit(figures: Figures) -> str:
    sentence = (
        f"{figures.get('verdict')}: an attacker singles out train subjects more often than others by at most "
        f"{_share(figures.get('advantage_upper'))} (limit {_share(figures.get('policy_upper'))})"
    )
    return "; ".join([sentence, *map(str, figures.get("reasons") or [])])


def _utility(figures: Figures) -> str:
    return (
        f"a classifier tells labels apart with AUROC {_number(figures.get('auroc_synthetic'))} if trained on the "
        f"synthetic images, {_number(figures.get('auroc_real'))} on the real ones (loss at most "
        f"{_number(figures.get('gap_upper'))})"
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
