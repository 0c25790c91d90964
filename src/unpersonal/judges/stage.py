"""The `judges` stage: train the re-identifier and the classifier, calibrate the gate, write models/judges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..codec.store import load_codec, load_images, load_latents
from ..cohort.table import Cohort, load_cohort
from ..core.config import build_config
from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.pixels import to_uint8
from ..core.seeds import derive_seed, numpy_rng, torch_generator
from ..core.tensors import load_tensors, save_tensors
from ..metrics.roc import macro_auroc, roc_curve
from .build import build_network
from .calibration import (
    consistency,
    describe,
    pair_roc,
    pick_threshold,
    score_copies,
    sensitivity,
    spend_false_flags,
    thin,
    visit_recall,
)
from .classifier import Classifier, train_classifier
from .config import JudgesConfig
from .perturbations import Codec
from .predicted import assess, fit_labeller, save_predictions
from .reidentifier import Embedded, Reidentifier, load_references, make_reference
from .siamese import build_siamese
from .training import train_member
from .views import make_copies, one_row_per_subject

FOLDER = ("models", "judges")
RENOISE_STEPS = 8


@dataclass(frozen=True)
class Judges:
    """The study's judges: `gate` holds the threshold and the measured rates (gate.json)."""

    reidentifier: Reidentifier
    classifier: Classifier
    gate: dict[str, Any]


@dataclass(frozen=True)
class Part:
    """The rows of one part of the cohort: images uint8 [n, C, H, W], subjects [n], targets float32 [n, C].

    `labelled` bool [n] says whose labels are known; the targets of the others are zero.
    """

    images: np.ndarray
    subjects: np.ndarray
    targets: np.ndarray
    labelled: np.ndarray


def take(cohort: Cohort, images: np.ndarray, name: str) -> Part:
    """One part in memory; an empty part is an `InputError`."""
    rows = cohort.rows(name)
    if len(rows) == 0:
        raise InputError(f"No subject is in {name}", where="cohort.parquet", how="give the cohort more subjects")
    return Part(np.array(images[rows]), cohort.subjects[rows], cohort.targets[rows], cohort.labelled[rows])


def run_stage(study: Path, config: JudgesConfig, *, seed: int, device: torch.device) -> dict[str, Any]:
    """Train, calibrate and write everything; returns the figures of the gate (also gate.json).

    A stage that was killed continues from its checkpoints in models/judges; the caller clears them when the
    configuration or the inputs have changed.
    """
    seed = derive_seed(seed, "judges")
    cohort, images, codec = load_cohort(study), load_images(study), load_codec(study)
    train, stop, held = (take(cohort, images, name) for name in ("train", "val-stop", "val-calibration"))
    folder = study.joinpath(*FOLDER)
    reidentifier, histories = train_reidentifier(folder, train, stop, config, codec, seed, device)
    known = train.labelled
    classifier, histories["classifier"] = train_classifier(
        train.images[known],
        train.targets[known],
        config,
        seed=derive_seed(seed, "classifier"),
        device=device,
        checkpoint=folder / "checkpoint-classifier.safetensors",
        held_out=(stop.images, stop.targets),
    )
    gallery = reidentifier.embed_gallery(train.images)
    gate, curve = calibrate(reidentifier, held, gallery, config, codec, seed, device)
    gate["renoised"] = renoised_sensitivity(study, cohort, reidentifier, gallery, gate["threshold"], config, seed)
    probabilities = classifier.probabilities(held.images)
    gate["classifier_auroc"] = number(macro_auroc(probabilities, held.targets))
    if not cohort.labelled.all():
        gate["predicted_labels"] = predict_labels(study, cohort, images, classifier, train, stop, held, seed)
    curves = {
        "reidentifier": {"copies": curve},
        "classifier": class_curves(probabilities, held.targets, cohort.classes),
    }
    save_judges(folder, reidentifier, classifier, config, tuple(images.shape[1:]), cohort.classes)
    write_json(folder / "roc.json", curves)
    write_json(folder / "history.json", histories)
    write_json(folder / "gate.json", gate)
    for checkpoint in folder.glob("checkpoint-*.safetensors"):
        checkpoint.unlink()
    return gate


def train_reidentifier(
    folder: Path, train: Part, stop: Part, config: JudgesConfig, codec: Codec, seed: int, device: torch.device
) -> tuple[Reidentifier, dict[str, Any]]:
    """The ensemble, normalised against val-stop, and the members' histories."""
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


def assemble(members: list[Any], references: list[Any], config: JudgesConfig, device: torch.device) -> Reidentifier:
    """The ensemble as `config` describes it."""
    return Reidentifier(
        members,
        references,
        device=device,
        views=config.gallery_views,
        normalisation=config.normalisation,
        top=config.snorm_top,
    )


def calibrate(
    reidentifier: Reidentifier,
    held: Part,
    gallery: Embedded,
    config: JudgesConfig,
    codec: Codec,
    seed: int,
    device: torch.device,
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Figures of the gate, calibrated on one image of each of the `held` subjects, and the ROC of the re-identifier."""
    chosen = one_row_per_subject(held.subjects, numpy_rng(seed, "calibration"))
    originals = held.images[chosen]
    copies = make_copies(originals, config.perturbations, derive_seed(seed, "calibration"), codec, device)
    scores, own = score_copies(reidentifier, originals, copies, gallery)
    worst = scores.copies.min(axis=0)
    threshold = pick_threshold(worst, config.miss_target, config.confidence)
    threshold = spend_false_flags(threshold, scores.strangers, worst, config.false_flag_spend)
    gate = describe(scores, threshold, config.perturbations, config.confidence)
    recall, visits = visit_recall(reidentifier, held.images, held.subjects, chosen, own, threshold.value)
    curve, area = pair_roc(reidentifier, scores, originals, gallery)
    gate |= {
        "copy_auroc": area,
        "visit_recall": recall,
        "visit_subjects": visits,
        "members": config.seeds,
        "normalisation": config.normalisation,
        "consistency": consistency(
            reidentifier,
            originals,
            copies,
            gallery,
            target=config.miss_target,
            confidence=config.confidence,
            spend=config.false_flag_spend,
        ),
        "statement": (
            "The miss rate is the share of held-out subjects of whom at least one perturbed copy "
            f"({', '.join(config.perturbations)}) is not recognised next to its unperturbed original. "
            "Its bound is one-sided."
        ),
        "shortfall": shortfall(threshold.shortfall, gate["false_flag_rate"], config.false_flag_budget),
    }
    return gate, curve


def predict_labels(
    study: Path,
    cohort: Cohort,
    images: np.ndarray,
    classifier: Classifier,
    train: Part,
    stop: Part,
    held: Part,
    seed: int,
) -> dict[str, Any]:
    """Label what nobody labelled, write it (see `predicted.py`), and say how far such labels may be trusted."""
    rows = np.flatnonzero(~cohort.labelled)
    labeller = fit_labeller(
        classifier.logits(stop.images), stop.targets, train.targets[train.labelled], classifier.exclusive
    )
    predicted = save_predictions(study, rows, classifier.logits(np.array(images[rows])), labeller)
    by_label = {name: int(count) for name, count in zip(cohort.classes, predicted.sum(axis=0), strict=True)}
    return {
        "images": len(rows),
        "subjects": len(set(cohort.subjects[rows])),
        "images_by_predicted_label": by_label,
        **assess(labeller, classifier.logits(held.images), held.targets, held.subjects, seed),
    }


def shortfall(missed: str, false_flag_rate: float, budget: float) -> str:
    """What the gate does not reach, in one line; empty where it reaches everything."""
    texts = [missed] if missed else []
    if false_flag_rate > budget:
        texts.append(
            f"{false_flag_rate:.3f} of the unseen subjects are flagged, above the budget {budget:g}; the miss rate wins"
        )
    return "; ".join(texts)


def renoised_sensitivity(
    study: Path,
    cohort: Cohort,
    reidentifier: Reidentifier,
    gallery: Embedded,
    threshold: float,
    config: JudgesConfig,
    seed: int,
) -> dict[str, Any] | None:
    """Share of generated near-duplicates that the gate flags, with its lower bound; None without a diffusion model.

    One image each of up to `renoised` train subjects is noised to each of `renoised_sigmas` in latent space, then
    denoised under its own condition: a candidate as a memorising model would draw it.
    """
    from ..diffusion.sampling import renoise_and_denoise
    from ..diffusion.stage import load_models
    from ..features.store import check_conditions, load_conditions

    if config.renoised == 0 or not (study / "models" / "diffusion" / "denoiser.safetensors").is_file():
        return None
    device = reidentifier.device
    denoiser, _ = load_models(study, device)
    train = cohort.rows("train")
    rng = numpy_rng(seed, "renoised")
    one = train[one_row_per_subject(cohort.subjects[train], rng)]
    rows = np.sort(rng.permutation(one)[: config.renoised])
    latents = torch.from_numpy(np.array(load_latents(study)[rows])).to(device)
    stored = load_conditions(study)
    check_conditions(None if stored is None else stored[rows], denoiser.config.label_dim)
    conditions = None if stored is None else torch.from_numpy(np.array(stored[rows])).to(device)
    noise = torch.randn(latents.shape, generator=torch_generator(seed, "renoised noise")).to(device)
    levels = {}
    for sigma in config.renoised_sigmas:
        with torch.no_grad():
            drawn = renoise_and_denoise(denoiser, latents, sigma, noise, conditions, RENOISE_STEPS)
            copies = to_uint8(load_codec(study).decode(drawn))
        rate, lower = sensitivity(reidentifier, gallery, copies, threshold, config.confidence)
        levels[f"sigma {sigma:g}"] = {"sensitivity_rate": rate, "sensitivity_rate_lower": lower}
    return {"copies": len(rows), **levels}


def number(value: float) -> float | None:
    """`value`, or None where it is not finite (JSON has no NaN)."""
    return float(value) if np.isfinite(value) else None


def class_curves(probabilities: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """ROC of every class with both positives and negatives."""
    curves: dict[str, Any] = {}
    for index, name in enumerate(classes):
        positives = targets[:, index] > 0.5
        if positives.any() and not positives.all():
            fpr, tpr, _ = roc_curve(probabilities[:, index], positives)
            curves[name] = thin(fpr, tpr)
    return curves


def save_judges(
    folder: Path,
    reidentifier: Reidentifier,
    classifier: Classifier,
    config: JudgesConfig,
    shape: tuple[int, ...],
    classes: tuple[str, ...],
) -> None:
    """Weights as safetensors, each with what is needed to build it again; `shape` is that of an image (C, H, W)."""
    facts: dict[str, Any] = {"config": config.model_dump(mode="json"), "shape": list(shape)}
    reidentifier.save(folder, facts)
    facts |= {"classes": list(classes), "exclusive": classifier.exclusive}
    save_tensors(folder / "classifier.safetensors", classifier.network.state_dict(), {"facts": json.dumps(facts)})


def read_facts(metadata: Mapping[str, str], path: Path) -> tuple[dict[str, Any], JudgesConfig]:
    """What `save_judges` wrote beside the weights; an `InputError` where it is not that."""
    try:
        facts = json.loads(metadata["facts"])
        config = build_config(JudgesConfig, facts["config"], where=str(path))
        _ = [int(number) for number in facts["shape"]]
    except (KeyError, TypeError, ValueError):
        raise InputError("Not a judge of this program", where=str(path), how="run the judges stage again") from None
    return facts, config


def load_weights(model: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Load `tensors` into `model` in eval mode; weights that do not fit are an `InputError`."""
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError:
        raise InputError(
            "The weights do not fit the network", where=str(path), how="run the judges stage again"
        ) from None
    model.eval()


def load_judges(study: Path, device: torch.device) -> Judges:
    """The judges that `run_stage` wrote, in eval mode; missing, broken or unfitting files are an `InputError`."""
    folder = study.joinpath(*FOLDER)
    gate = read_json(folder / "gate.json")
    path = folder / "classifier.safetensors"
    tensors, metadata = load_tensors(path)
    facts, config = read_facts(metadata, path)
    channels, size = int(facts["shape"][0]), int(facts["shape"][-1])
    network = build_network(
        config.classifier,
        config,
        channels=channels,
        outputs=len(facts["classes"]),
        size=size,
        seed=0,
    )
    load_weights(network, tensors, path)
    members = []
    for index in range(config.seeds):
        path = folder / f"reidentifier-{index}.safetensors"
        model = build_siamese(config, channels=channels, size=size, seed=0)
        load_weights(model, load_tensors(path)[0], path)
        members.append(model)
    reidentifier = assemble(members, load_references(folder, config.seeds), config, device)
    return Judges(reidentifier, Classifier(network, exclusive=bool(facts["exclusive"]), device=device), gate)
