"""The dataset card, README.md of a release."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any

from .policy import is_number, source_unknown, started_elsewhere
from .pretrained import pretrained_statements, trained_elsewhere


def number(value: Any, digits: int = 3) -> str:
    """A figure in words: fixed digits, whole numbers as they are, `not known` where there is none."""
    if isinstance(value, str) and value:
        return value
    if not is_number(value):
        return "not known"
    return str(value) if isinstance(value, int) else f"{float(value):.{digits}f}"


def bound(value: Any) -> str:
    """An upper bound to three significant digits, rounded up so that the text never claims more than was measured."""
    if not is_number(value):
        return number(value)
    return f"{float(Context(prec=3, rounding=ROUND_CEILING).plus(Decimal(repr(float(value))))):.3g}"


def _level(audit: Mapping[str, Any]) -> str:
    """Confidence of the audit's bound in percent; the least that any configuration allows where it is not told."""
    confidence = audit.get("confidence")
    return f"{100 * float(confidence):g}" if is_number(confidence) else "95"


def audit_statement(audit: Mapping[str, Any]) -> str:
    """What the audit showed, never more: no bare claim of security."""
    weight = audit.get("weight")
    at = f"predicate weight ≤ {bound(weight)}" if is_number(weight) else "the primary predicate weight of the audit"
    return (
        "No tested attacker isolated training subjects more often than control subjects by more than "
        f"{bound(audit.get('advantage_upper'))} ({_level(audit)} % upper bound), at {at}."
    )


def predicted_labels(evidence: Mapping[str, Any]) -> str:
    """What is said of labels that a classifier predicted for the real images; nothing where all were given."""
    found = (evidence.get("gate") or {}).get("predicted_labels")
    if not found:
        return ""
    count = number((evidence.get("synthesis") or {}).get("released_with_predicted_labels"))
    low, high = (found.get("accuracy_interval") or [None, None])[:2]
    return f"""
- Of these images {count} were drawn from real images that nobody had labelled: their labels are those that a
  classifier predicted for the real image. On other people's labelled images it was right in
  {number(found.get("accuracy"))} (95 % interval {number(low)} to {number(high)}); the expected calibration error of its
  probabilities was {number(found.get("calibration_error"))}."""


def memorisation(evidence: Mapping[str, Any]) -> str:
    """What is known of the model's memory: whether a sign of it was found, in words."""
    found = evidence.get("diffusion") or {}
    if any(found.get(f"{name}_memorised") for name in ("denoiser", "guide")):
        return "found"
    watched = any(is_number(found.get(f"denoiser_{name}")) for name in ("gap", "match_rate"))
    return "none found" if watched and found.get("denoiser_memorised") is False else "not known"


def _not_excluded(evidence: Mapping[str, Any]) -> str:
    """How many samples may be like train images, for few were looked at; empty where none were."""
    upper = (evidence.get("diffusion") or {}).get("denoiser_match_rate_upper")
    return f"; share of samples like train images, 95 % upper bound {bound(upper)}" if is_number(upper) else ""


def start_statement(figures: Mapping[str, Any]) -> str:
    """What a start from the weights of another model means for the evidence; empty where training began anew.

    `figures` has the form of summary.json or of evidence.json.
    """
    if not started_elsewhere(figures):
        return ""
    start = figures["diffusion"]["start"]
    facts = start if isinstance(start, Mapping) else {}
    share = f"{100 * float(facts['share']):.3g} %" if is_number(facts.get("share")) else "an unknown share"
    lead = (
        f"The model did not begin anew: {share} of its parameters came from another model (SHA-256 of its file: "
        f"{facts.get('sha256') or 'not known'}). "
    )
    if source_unknown(figures):
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


def _wrapped(text: str) -> str:
    """A paragraph in lines of the card."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def dataset_card(
    *, images: int, shape: Sequence[int], classes: Sequence[str], evidence: Mapping[str, Any], version: str
) -> str:
    """Markdown card of a release of `images` synthetic images of `shape` (C, H, W) with labels out of `classes`."""
    gate, utility = evidence.get("gate") or {}, evidence.get("utility") or {}
    audit, metrics = evidence.get("audit") or {}, evidence.get("metrics") or {}
    colour = "grey" if shape[0] == 1 else "RGB"
    labels = ", ".join(f"`{name}`" for name in classes) or "none"
    elsewhere = trained_elsewhere(evidence)
    compared = f"every image{' of this study' if elsewhere else ''} the model was trained on"
    everyone = "subject of this study" if elsewhere else "subject"
    told = (start_statement(evidence), *pretrained_statements(evidence))
    began = "".join(f"\n{_wrapped(text)}\n" for text in told if text)
    unless = ", as far as is known: see how the model began" if source_unknown(evidence) else ""
    return f"""# Synthetic image dataset

{images} synthetic images, {shape[2]} × {shape[1]} pixels, 8-bit {colour}, with the labels {labels}.
None is a photograph or an X-ray of a person: each was drawn by a generative model and passed a gate that compares it
with {compared}.

## Files

- `images/*.png`: the images, in random order under meaningless names, without metadata.
- `labels.csv`: `file,label`; several labels of one image are joined by `|`.
- `evidence.json`: what was measured before the release, aggregates only; counts under 5 read `<5`.
- `manifest.json`: size and SHA-256 of every file. `unpersonal verify FOLDER` checks all of it.

## How it was made

Made with unpersonal {version}, after the method of Dombrowski and Kainz, *Enabling PSO-Secure Synthetic Data Sharing
Using Diversity-Aware Diffusion Models* (arXiv 2506.17975). A diffusion model was trained on images of people and drew
several candidates per training image. A re-identifier compared every candidate with every training image of every
{everyone}; flagged candidates were discarded first, and of the others the one that best kept its label was
taken. At most one image exists per training image.
{began}
## What was tested before the release

{audit_statement(audit)}

| figure | value |
|---|---|
| signs that the model memorised training images | {memorisation(evidence)}{_not_excluded(evidence)} |
| verdict of the audit | {number(audit.get("verdict"))} |
| advantage of the attacker, estimate | {number(audit.get("advantage"))} |
| advantage of the attacker, {_level(audit)} % upper bound | {bound(audit.get("advantage_upper"))} |
| copies missed by the gate, 95 % upper bound | {bound(gate.get("miss_rate_upper"))} |
| unseen real subjects flagged by the gate | {number(gate.get("false_flag_rate"))} |
| macro AUROC of a classifier trained on the real images | {number(utility.get("auroc_real"))} |
| macro AUROC of the same classifier trained on this dataset | {number(utility.get("auroc_synthetic"))} |
| macro AUROC of the same classifier trained on the codec's copies of real images | {
        number(utility.get("ceiling_auroc"))
    } |
| difference (real minus synthetic), 95 % upper bound | {bound(utility.get("gap_upper"))} |
| diversity: adjusted image retrieval score | {number(metrics.get("irs"))} |
| Fréchet distance to real images | {number(metrics.get("fid"))} |

Both classifiers were tested on real images of people who took no part in the training{unless}.

## What this does not prove

- The statement covers the attacks that were tested, with their stated bounds. It is not a proof against every attack,
  now or later, and no guarantee of differential privacy.
- The bounds hold for subjects on average. A single unusual person can be at higher risk than the average.
- A classifier trained on this dataset is not fit for diagnosis. Rare findings and small groups may be drawn badly or be
  absent; the dataset inherits the biases of the images it was learned from.
- The labels are those under which the images were drawn; nobody has read the synthetic images.{
        predicted_labels(evidence)
    }
"""
