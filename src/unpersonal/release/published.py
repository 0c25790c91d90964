"""What evidence.json tells of a study, before small cells are suppressed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..cohort.figures import CohortFigures
from ..diffusion.figures import DiffusionFigures
from ..synthesis.figures import SynthesisFigures
from ..synthesis.label_sets import labels_of
from .blind import beyond_default
from .evidence import COMPLEMENT, SMALLEST_CELL
from .evidence_schema import VERSION
from .figures import StudyFigures
from .place import Place
from .planned import share_told
from .policy import MARGINS, PolicyConfig, looser
from .pretrained import pretrained

DIFFUSION = (
    *(f"{name}_{what}" for name in ("denoiser", "guide") for what in ("memorised", "ended_early")),
    *(f"denoiser_{what}" for what in ("train_error", "held_out_error", "gap", "gap_lower", "gap_upper", "gap_told")),
    *(f"denoiser_match_rate{bound}" for bound in ("", "_lower", "_upper")),
    "denoiser_match_power",
    "horizontal_flip",
)
"""Figures of the diffusion stage that tell whether its model memorised, and whether it also saw mirrored images."""


def as_released(figures: StudyFigures, labels: Sequence[Sequence[str]]) -> StudyFigures:
    """The figures of a study whose release has images with these `labels`, as if it had never had more.

    What passed the gate less what was released is what the audit dropped: whoever counts the files of a release, or
    reads two figures, must not learn a number that is withheld. So no count from before the dropping is told; what was
    planned and not released is one number, whatever the reason.
    """
    synthesis, audit, images = figures.synthesis, figures.audit, len(labels)
    if synthesis is not None:
        left = Counter(frozenset(row) for row in labels)
        sets = (replace(row, released=left[labels_of(row.labels)]) for row in synthesis.label_sets)
        predicted = synthesis.released_with_predicted_labels
        synthesis = replace(
            synthesis,
            released=images,
            label_sets=tuple(sets),
            draws_without_image=max(synthesis.draws - images, 0),
            released_with_predicted_labels=None if predicted is None else min(predicted, images),
        )
    if audit is not None:
        copied = None if audit.copied is None else replace(audit.copied, released=images)
        audit = replace(audit, copied=copied, released=None if audit.released is None else images)
    return replace(figures, synthesis=synthesis, audit=audit)


def build_evidence(
    figures: StudyFigures, policy: PolicyConfig, shortfalls: list[str], place: Place | None = None
) -> dict[str, object]:
    """The figures that may be told, by stage; plug-ins, where there are any; the `place` of the release among those of
    its cohort; the policy's limits and the shortfalls.

    Of the diffusion stage only whether its model memorised or saw mirrored images, what it started from, and how far
    its training was private; of the stages `encode` and `features` only what was trained elsewhere.
    """
    evidence: dict[str, object] = {"format_version": VERSION}
    evidence |= {item.stage: item.to_json() for item in pretrained(figures)}
    if figures.cohort:
        evidence["cohort"] = _cohort(figures.cohort)
    if figures.synthesis:
        evidence["synthesis"] = _synthesis(figures.synthesis)
    if figures.gate:
        evidence["gate"] = figures.gate.to_json()
    if figures.audit:
        evidence["audit"] = figures.audit.to_json()
    if figures.utility:
        utility = figures.utility.to_json()
        evidence["metrics"] = utility.pop("metrics")
        evidence["utility"] = utility
    if figures.diffusion:
        evidence["diffusion"] = _diffusion(figures.diffusion)
    if figures.all_plugins:
        evidence["plugins"] = [plugin.to_json() for plugin in figures.all_plugins]
    if figures.signed:
        evidence["sign_off"] = figures.signed.to_json()
    if place is not None:
        evidence["history"] = place.told()
    return {**evidence, "policy": _limits(policy), "shortfalls": list(shortfalls)}


def _cohort(figures: CohortFigures) -> dict[str, object]:
    """The cohort's figures; what was read is withheld where few were refused."""
    few = 0 <= figures.read - figures.images < SMALLEST_CELL
    return {**figures.to_json(), **({"read": COMPLEMENT} if few else {})}


def _synthesis(figures: SynthesisFigures) -> dict[str, object]:
    """The synthesis's figures; everybody can count the released images, so no small difference to them is told."""
    told = figures.to_json()
    if 0 <= figures.sources - figures.released < SMALLEST_CELL:
        told["sources"] = COMPLEMENT
    if 0 <= figures.draws - figures.released < SMALLEST_CELL:
        # so many candidates were drawn for each
        told |= dict.fromkeys(("draws", "candidates"), COMPLEMENT)
    told["largest_share"] = share_told(figures.largest_share)
    told["label_sets"] = [
        # whoever knew what passed the gate could tell what the audit dropped of a label set
        {
            "labels": row.labels,
            "planned": COMPLEMENT if row.planned - row.released < SMALLEST_CELL else row.planned,
            "released": row.released,
        }
        for row in figures.label_sets
    ]
    if figures.released_with_predicted_labels is not None:
        told["released_with_predicted_labels"] = with_predicted_labels(figures)
    return told


def with_predicted_labels(figures: SynthesisFigures) -> int | str | None:
    """How many released images have predicted labels; withheld where few have given ones."""
    predicted = figures.released_with_predicted_labels
    if predicted is not None and 0 < figures.released - predicted < SMALLEST_CELL:
        return COMPLEMENT
    return predicted


def _diffusion(figures: DiffusionFigures) -> dict[str, object]:
    """What is told of the model; not the name of the file that it started from, which may name anything."""
    told: dict[str, object] = {name: value for name, value in figures.to_json().items() if name in DIFFUSION}
    if privacy := figures.privacy:
        told["privacy"] = privacy.to_json()
    if start := figures.start:
        told["start"] = {
            "sha256": start.sha256,
            "share": start.share,
            "known_people": start.known_people,
            "note": start.note,
            **({"invented": start.invented, "invented_images": start.invented_images} if start.invented else {}),
        }
    return told


def _limits(policy: PolicyConfig) -> dict[str, object]:
    """The policy; `looser_than_default` (keys) and `blind_beyond_default` (kinds) are there only where it is."""
    values = policy.model_dump(mode="json")
    plugins, blind, sign_off = values.pop("plugins"), values.pop("may_be_blind"), values.pop("sign_off")
    limits: dict[str, object] = {"profile": values.pop("profile")}
    for name, value in values.items():
        margin = MARGINS.get(name)
        limits[name] = float(getattr(policy.margins(), margin) if margin else value)
    limits["may_be_blind"] = blind
    if more := beyond_default(blind):
        limits["blind_beyond_default"] = list(more)
    if keys := looser(policy):
        limits["looser_than_default"] = list(keys)
    if sign_off:
        limits["sign_off"] = True
    return {**limits, "plugins": plugins} if plugins else limits
