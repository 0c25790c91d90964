"""The `judges` stage: train the re-identifier and the classifier, calibrate the gate, write models/judges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..codec.base import Codec
from ..codec.store import load_codec, load_images
from ..cohort.table import Cohort, load_cohort
from ..core.files import write_json
from ..core.progress import progress_bar
from ..core.seeds import derive_seed
from ..core.spread import spread
from ..features.blend import known_groups
from ..matching.kinds import kind
from ..metrics.roc import macro_auroc
from .agreement import consistency
from .calibration import Calibrated, calibrate, counted, interval, open_panel, rates_of, shortfall
from .classifier import Classifier, train_classifier
from .config import JudgesConfig
from .copies import CopyMaker, pick_hosts
from .curves import class_curves, copies_roc
from .figures import ConsistencyFigures, GateFigures, MatcherFigures, PredictedFigures
from .generated import make_bank
from .history import History
from .matchers import fit_matchers
from .member import Member
from .panel import REIDENTIFIER, Enrolled
from .predicted import assess, fit_labeller, save_predictions
from .recall import Found
from .reidentifier import Reidentifier, make_reference
from .store import FOLDER, GATE, Described, assemble, save_judges
from .subset import Subset, take_subset
from .teachers import train_teachers
from .training import train_member
from .views import Bank

CLASSIFIER = -1
"""Among the networks that are trained: the classifier. Others are members of the re-identifier by their number."""


@dataclass(frozen=True)
class Subsets:
    """What the judges learn from, stop on, and are measured on."""

    train: Subset
    stop: Subset
    held: Subset


def run_stage(study: Path, config: JudgesConfig, *, seed: int, device: torch.device, soft: bool = False) -> GateFigures:
    """Train, calibrate and write everything; returns the figures of the gate (also gate.json).

    With `soft` teachers are trained as well, see `teachers.train_teachers`.
    A stage that was killed continues from its checkpoints in models/judges; the caller clears them when the
    configuration or the inputs have changed.
    """
    seed = derive_seed(seed, "judges")
    cohort, images, codec = load_cohort(study), load_images(study), load_codec(study)
    subsets = Subsets(*(take_subset(cohort, images, name) for name in ("train", "val-stop", "val-calibration")))
    folder = study.joinpath(*FOLDER)
    bank = make_bank(
        study,
        cohort.rows("train"),
        config.generated_views,
        derive_seed(seed, "generated"),
        device,
        folder / "checkpoint-generated.safetensors",
    )
    if device.type == "cpu":
        train_ahead(folder, subsets, config, codec, seed, bank)
    reidentifier, histories = train_reidentifier(folder, subsets, config, codec, seed, device, bank)
    classifier, histories["classifier"] = train_label_classifier(folder, subsets, config, seed, device)
    matchers = fit_matchers(subsets.train, config, seed, device)
    hosts = pick_hosts(cohort, seed)
    maker = CopyMaker(study, images, hosts, codec, config, derive_seed(seed, "calibration"), device)
    panel = open_panel(reidentifier, matchers, images, cohort, hosts)
    found = calibrate(panel, maker, cohort, config)
    probabilities = classifier.probabilities(subsets.held.images)
    curve, area = copies_roc(
        np.concatenate([scores[0] for scores in found.evidence.values()]), found.strangers.scores[0]
    )
    figures = gate_figures(
        found,
        cohort,
        config,
        copy_auroc=area,
        consistency=members_agree(reidentifier, panel[0], maker, found, cohort),
        classifier_auroc=number(macro_auroc(probabilities, subsets.held.targets)),
        predicted_labels=predict_labels(study, cohort, images, classifier, subsets, seed),
    )
    channels, height, width = images.shape[1:]
    described = Described(config, (channels, height, width), cohort.classes, classifier.exclusive)
    if soft:
        teachers, more = train_teachers(folder, cohort, subsets.train, described, seed, device)
        histories |= more
        figures = replace(figures, teachers=teachers)
    save_judges(folder, reidentifier, classifier, matchers, described)
    curves = class_curves(probabilities, subsets.held.targets, cohort.classes)
    write_json(folder / "roc.json", {"reidentifier": {"copies": curve}, "classifier": curves})
    write_json(folder / "history.json", histories)
    write_json(folder / GATE, figures.to_json())
    for checkpoint in folder.glob("checkpoint-*.safetensors"):
        checkpoint.unlink()
    return figures


def train_ahead(
    folder: Path, subsets: Subsets, config: JudgesConfig, codec: Codec, seed: int, bank: Bank | None
) -> None:
    """Train all networks side by side, one thread each; whoever trains one then finds its checkpoint finished.

    Several threads train one small network hardly faster than one thread does.
    """
    networks = [*range(config.seeds), CLASSIFIER]
    with progress_bar("judges (networks)", len(networks)) as bar:
        spread(_train_one, (folder, subsets, config, codec, seed, bank), networks, done=bar.advance)


def _train_one(given: tuple[Path, Subsets, JudgesConfig, Codec, int, Bank | None], which: int) -> None:
    folder, subsets, config, codec, seed, bank = given
    if which == CLASSIFIER:
        train_label_classifier(folder, subsets, config, seed, torch.device("cpu"))
    else:
        train_one_member(which, folder, subsets, config, codec, seed, torch.device("cpu"), bank)


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


def train_one_member(
    index: int,
    folder: Path,
    subsets: Subsets,
    config: JudgesConfig,
    codec: Codec,
    seed: int,
    device: torch.device,
    bank: Bank | None = None,
) -> tuple[Member, History]:
    """Member `index` of the re-identifier and its history."""
    train, stop = subsets.train, subsets.stop
    return train_member(
        train.images,
        train.subjects,
        config,
        seed=derive_seed(seed, "re-identifier", index),
        device=device,
        checkpoint=folder / f"checkpoint-reidentifier-{index}.safetensors",
        held_out=(stop.images, stop.subjects),
        codec=codec,
        groups=known_groups(train.targets, train.labelled),
        bank=bank,
    )


def train_reidentifier(
    folder: Path,
    subsets: Subsets,
    config: JudgesConfig,
    codec: Codec,
    seed: int,
    device: torch.device,
    bank: Bank | None = None,
) -> tuple[Reidentifier, dict[str, History]]:
    """The ensemble, normalised against val-stop, and the members' histories; `bank` has copies of the train images."""
    stop = subsets.stop
    members, references, histories = [], [], {}
    for index in range(config.seeds):
        model, history = train_one_member(index, folder, subsets, config, codec, seed, device, bank)
        members.append(model)
        references.append(make_reference(model, stop.images, stop.subjects, device, views=config.gallery_views))
        histories[f"re-identifier {index + 1}"] = history
    return assemble(members, references, config, device), histories


def members_agree(
    reidentifier: Reidentifier, enrolled: Enrolled, maker: CopyMaker, found: Calibrated, cohort: Cohort
) -> ConsistencyFigures:
    """How far the members agree on strangers, and on copies of held-out people, at the re-identifier's own rate."""
    rows = found.strangers.rows
    strangers = np.array(maker.images[rows]), cohort.subjects[rows].astype(str)
    held = found.held_out.rows[: maker.config.evidence]
    kinds = ("rotation", 10), ("crop", 0.85), ("noise", 0.03)
    copies = np.concatenate([maker.make(kind(name), strength, held) for name, strength in kinds])
    level = np.float32(found.thresholds[enrolled.name])
    rate = float((found.strangers.scores[0] >= level).mean())
    return consistency(reidentifier, enrolled.gallery, strangers, copies, rate)


def gate_figures(
    found: Calibrated,
    cohort: Cohort,
    config: JudgesConfig,
    *,
    copy_auroc: float,
    consistency: ConsistencyFigures,
    classifier_auroc: float | None,
    predicted_labels: PredictedFigures | None,
) -> GateFigures:
    """What was measured, as it is written."""
    protected, held_out = (part.misses(config.confidence) for part in (found.protected, found.held_out))
    misses, kinds = counted(protected, held_out), found.protected.kinds()
    rate, low, high = interval(found.false_flags, config.confidence)
    return GateFigures(
        threshold=found.thresholds[REIDENTIFIER],
        miss_rate=misses.miss_rate,
        miss_rate_upper=misses.miss_rate_upper,
        protected=protected,
        held_out=held_out,
        kinds=kinds,
        blind=tuple(name for name, one in kinds.items() if one.blind),
        untried=tuple(found.protected.untried),
        false_flag_rate=rate,
        false_flag_rate_lower=low,
        false_flag_rate_upper=high,
        false_flag_rate_of=rates_of(found.false_flags, cohort.targets[found.strangers.rows], cohort.classes),
        strangers=len(found.strangers.rows),
        gallery_images=len(cohort),
        gallery_subjects=len(set(cohort.subjects)),
        matchers={
            name: MatcherFigures(threshold=level, stranger_rate=float((scores >= np.float32(level)).mean()))
            for (name, level), scores in zip(found.thresholds.items(), found.strangers.scores, strict=True)
        },
        copy_auroc=copy_auroc,
        reidentifier=config.kind,
        members=config.seeds,
        consistency=consistency,
        statement=statement(found.protected),
        shortfall=shortfall(misses, rate, config.miss_target, config.false_flag_budget, config.confidence),
        classifier_auroc=classifier_auroc,
        predicted_labels=predicted_labels,
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


def statement(protected: Found) -> str:
    """What the miss rate is a rate of, for whoever reads the figures."""
    return (
        "The miss rate is the share of the people whose pictures the model was trained on of whom at least one copy "
        f"({', '.join(sorted(protected.promised))}) is flagged by no matcher; one picture of each, copies that nothing "
        "was trained on. Its bound is one-sided."
    )


def number(value: float) -> float | None:
    """`value`, or None where it is not finite (JSON has no NaN)."""
    return float(value) if np.isfinite(value) else None
