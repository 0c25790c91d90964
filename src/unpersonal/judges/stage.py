"""The `judges` stage: train the re-identifier and the classifier, calibrate the gate, write models/judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..codec.base import Codec
from ..codec.store import load_codec, load_images
from ..cohort.table import Cohort, load_cohort
from ..core.files import write_json
from ..core.seeds import derive_seed
from ..matching.base import flags
from ..metrics.roc import macro_auroc
from .agreement import consistency
from .calibration import choose_threshold, rates_at, shortfall
from .classifier import Classifier, train_classifier
from .config import JudgesConfig
from .copy_scores import CopySet, draw_copies, score_copies
from .curves import Curve, class_curves, pair_roc
from .figures import ConsistencyFigures, GateFigures, PredictedFigures, RateFigures
from .history import History
from .matchers import Calibrated, all_together, calibrate_matchers
from .predicted import assess, fit_labeller, save_predictions
from .reidentifier import Embedded, Reidentifier, make_reference
from .sensitivity import renoised_sensitivity, visit_recall
from .store import FOLDER, GATE, Described, assemble, save_judges
from .subset import Subset, take_subset
from .training import train_member


@dataclass(frozen=True)
class Subsets:
    """What the judges learn from, stop on, and are measured on."""

    train: Subset
    stop: Subset
    held: Subset


@dataclass(frozen=True)
class Calibration:
    """What calibration found out: the gate's rates, the matchers beside the re-identifier, and how copies fare."""

    rates: RateFigures
    matchers: dict[str, Calibrated]
    consistency: ConsistencyFigures
    visit_recall: float | None
    visit_subjects: int
    copy_auroc: float
    curve: Curve
    shortfall: str


def run_stage(study: Path, config: JudgesConfig, *, seed: int, device: torch.device) -> GateFigures:
    """Train, calibrate and write everything; returns the figures of the gate (also gate.json).

    A stage that was killed continues from its checkpoints in models/judges; the caller clears them when the
    configuration or the inputs have changed.
    """
    seed = derive_seed(seed, "judges")
    cohort, images, codec = load_cohort(study), load_images(study), load_codec(study)
    subsets = Subsets(*(take_subset(cohort, images, name) for name in ("train", "val-stop", "val-calibration")))
    folder = study.joinpath(*FOLDER)
    reidentifier, histories = train_reidentifier(folder, subsets, config, codec, seed, device)
    classifier, histories["classifier"] = train_label_classifier(folder, subsets, config, seed, device)
    gallery = reidentifier.embed_gallery(subsets.train.images)
    drawn = draw_copies(subsets.held, config, codec, seed, device)
    found = calibrate(reidentifier, gallery, drawn, subsets, config, seed, device)
    probabilities = classifier.probabilities(subsets.held.images)
    figures = GateFigures(
        **vars(found.rates),
        copy_auroc=found.copy_auroc,
        visit_recall=found.visit_recall,
        visit_subjects=found.visit_subjects,
        members=config.seeds,
        normalisation=config.normalisation,
        consistency=found.consistency,
        statement=statement(config),
        shortfall=found.shortfall,
        renoised=renoised_sensitivity(study, cohort, reidentifier, gallery, found.rates.threshold, config, seed),
        classifier_auroc=number(macro_auroc(probabilities, subsets.held.targets)),
        predicted_labels=predict_labels(study, cohort, images, classifier, subsets, seed),
        matchers={name: one.rates for name, one in found.matchers.items()} or None,
    )
    channels, height, width = images.shape[1:]
    described = Described(config, (channels, height, width), cohort.classes, classifier.exclusive)
    save_judges(
        folder, reidentifier, classifier, {name: one.matcher for name, one in found.matchers.items()}, described
    )
    curves = class_curves(probabilities, subsets.held.targets, cohort.classes)
    write_json(folder / "roc.json", {"reidentifier": {"copies": found.curve}, "classifier": curves})
    write_json(folder / "history.json", histories)
    write_json(folder / GATE, figures.to_json())
    for checkpoint in folder.glob("checkpoint-*.safetensors"):
        checkpoint.unlink()
    return figures


def train_label_classifier(
    folder: Path, subsets: Subsets, config: JudgesConfig, seed: int, device: torch.device
) -> tuple[Classifier, History]:
    """The classifier, trained on the train images whose labels are known."""
    train, stop = subsets.train, subsets.stop
    return train_classifier(
        train.images[train.labelled],
        train.targets[train.labelled],
        config,
        seed=derive_seed(seed, "classifier"),
        device=device,
        checkpoint=folder / "checkpoint-classifier.safetensors",
        held_out=(stop.images, stop.targets),
    )


def train_reidentifier(
    folder: Path, subsets: Subsets, config: JudgesConfig, codec: Codec, seed: int, device: torch.device
) -> tuple[Reidentifier, dict[str, History]]:
    """The ensemble, normalised against val-stop, and the members' histories."""
    train, stop = subsets.train, subsets.stop
    members, references, histories = [], [], {}
    for index in range(config.seeds):
        model, history = train_member(
            train.images,
            train.subjects,
            config,
            seed=derive_seed(seed, "re-identifier", index),
            device=device,
            checkpoint=folder / f"checkpoint-reidentifier-{index}.safetensors",
            held_out=(stop.images, stop.subjects),
            codec=codec,
        )
        members.append(model)
        references.append(make_reference(model, stop.images, stop.subjects, device, views=config.gallery_views))
        histories[f"re-identifier {index + 1}"] = history
    return assemble(members, references, config, device), histories


def calibrate(
    reidentifier: Reidentifier,
    gallery: Embedded,
    drawn: CopySet,
    subsets: Subsets,
    config: JudgesConfig,
    seed: int,
    device: torch.device,
) -> Calibration:
    """Choose the threshold of every matcher on the copies `drawn` of held-out subjects, and measure the gate.

    `gallery` holds the re-identifier's embeddings of the train images.
    """
    scores, own = score_copies(reidentifier, drawn.originals, drawn.copies, gallery)
    threshold = choose_threshold(scores, config)
    rates = rates_at(scores, threshold, config.perturbations, config.confidence)
    matchers = calibrate_matchers(drawn, subsets.train, config, seed, device)
    if matchers:
        rates = all_together(rates, flags(scores.strangers, threshold.value), matchers, config.confidence)
    recall, visits = visit_recall(reidentifier, subsets.held, drawn.rows, own, threshold.value)
    curve, area = pair_roc(reidentifier, scores, drawn.originals, gallery)
    return Calibration(
        rates=rates,
        matchers=matchers,
        consistency=consistency(reidentifier, drawn, gallery, config),
        visit_recall=recall,
        visit_subjects=visits,
        copy_auroc=area,
        curve=curve,
        shortfall=shortfall(threshold.shortfall, rates.false_flag_rate, config.false_flag_budget),
    )


def predict_labels(
    study: Path, cohort: Cohort, images: np.ndarray, classifier: Classifier, subsets: Subsets, seed: int
) -> PredictedFigures | None:
    """Label what nobody labelled, write it, and say how far such labels may be trusted; None where all are labelled.

    `images` uint8 [n, C, H, W] are those of the whole cohort.
    """
    rows = np.flatnonzero(~cohort.labelled)
    if not len(rows):
        return None
    train, stop, held = subsets.train, subsets.stop, subsets.held
    labeller = fit_labeller(
        classifier.logits(stop.images), stop.targets, train.targets[train.labelled], classifier.exclusive
    )
    predicted = save_predictions(study, rows, classifier.logits(np.array(images[rows])), labeller)
    found = assess(labeller, classifier.logits(held.images), held.targets, held.subjects, seed)
    by_label = {name: int(count) for name, count in zip(cohort.classes, predicted.sum(axis=0), strict=True)}
    return PredictedFigures(
        images=len(rows), subjects=len(set(cohort.subjects[rows])), images_by_predicted_label=by_label, **vars(found)
    )


def statement(config: JudgesConfig) -> str:
    """What the miss rate is a rate of, for whoever reads the figures."""
    return (
        "The miss rate is the share of held-out subjects of whom at least one perturbed copy "
        f"({', '.join(config.perturbations)}) is not recognised next to its unperturbed original. "
        "Its bound is one-sided."
    )


def number(value: float) -> float | None:
    """`value`, or None where it is not finite (JSON has no NaN)."""
    return float(value) if np.isfinite(value) else None
