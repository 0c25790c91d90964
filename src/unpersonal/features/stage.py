"""The `features` stage: encode every image, label and text that the condition is made of, and join them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort, load_cohort
from ..cohort.texts import load_texts
from ..core.files import write_json
from ..core.seeds import derive_seed
from ..core.tensors import save_array, save_tensors
from .conditions import join_parts, label_codes, prompt_of
from .config import FeaturesConfig
from .pca import fit_pca
from .store import save_conditions

if TYPE_CHECKING:
    import torch


def run_stage(study: Path, config: FeaturesConfig, *, seed: int, device: torch.device) -> dict[str, Any]:
    """Write features/conditions.npy and what it is made of; returns the encoders' figures.

    An encoder is trained, and features.npy written, only where the condition has a feature.
    """
    cohort, folder = load_cohort(study), study / "features"
    figures: dict[str, Any] = {"condition": config.condition}
    found: list[tuple[str, np.ndarray, bool]] = []
    for kind in config.parts:
        if kind == "feature":
            rows, more = _features(study, folder, cohort, config, seed, device)
            from_labels = False
        elif kind == "label":
            rows, more, from_labels = label_codes(cohort.targets, cohort.labelled), {}, True
        else:
            rows, more, from_labels = _texts(study, cohort, config, seed, device)
        figures |= more
        found.append((kind, rows, from_labels))
    conditions, parts = join_parts(found)
    save_conditions(study, conditions, parts)
    return {**figures, "condition_length": parts[-1].stop if parts else 0}


def _features(
    study: Path, folder: Path, cohort: Cohort, config: FeaturesConfig, seed: int, device: torch.device
) -> tuple[np.ndarray, dict[str, Any]]:
    """Unit features float32 [n,d] of every image, also written, and the encoder's figures."""
    images = load_images(study)
    train = np.array(images[cohort.rows("train")])
    history: list[dict[str, float]] = []
    if config.kind == "pca":
        features = fit_pca(train, config.dimensions).unit(images)
    else:
        features, history = _self_supervised(folder, train, images, config, seed, device)
    save_array(folder / "features.npy", features)
    write_json(folder / "history.json", history)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    return features, {
        "kind": config.kind,
        "dimensions": int(features.shape[1]),
        "loss": history[-1]["loss"] if history else None,
        "effective_dimensions": effective_dimensions(features[cohort.rows("train")]),
    }


def _texts(
    study: Path, cohort: Cohort, config: FeaturesConfig, seed: int, device: torch.device
) -> tuple[np.ndarray, dict[str, Any], bool]:
    """Unit rows of the cohort's texts, or of prompts made of its labels; figures; and whether it is the latter.

    An image that nobody labelled has no prompt: it says nothing.
    """
    from .text import encode_texts

    texts = load_texts(study, cohort)
    prompts = texts is None
    if texts is None:
        pairs = zip(cohort.labels, cohort.labelled, strict=True)
        texts = [prompt_of(labels, config.prompt) if labelled else "" for labels, labelled in pairs]
    rows, words = encode_texts(
        texts,
        cohort.subjects,
        cohort.rows("train"),
        encoder=config.text_encoder,
        dimensions=config.text_dimensions,
        seed=derive_seed(seed, "features", "text"),
        device=device,
    )
    figures = {
        "text_encoder": config.text_encoder.split(":")[0],  # the rest may be a path
        "text_from": "labels" if prompts else "reports",
        "text_length": int(rows.shape[1]),
        **words,
    }
    return rows, figures, prompts


def effective_dimensions(features: np.ndarray) -> float:
    """Participation ratio of the covariance of features [n,d]: 1 = collapsed onto a line, d = isotropic."""
    values = np.linalg.eigvalsh(np.cov(features.T.astype(np.float64)))
    return float(values.sum() ** 2 / np.maximum((values**2).sum(), 1e-300))


def _self_supervised(
    folder: Path, train: np.ndarray, images: np.ndarray, config: FeaturesConfig, seed: int, device: torch.device
) -> tuple[np.ndarray, list[dict[str, float]]]:
    import torch

    from ..core.pixels import to_float
    from ..core.training import rate_at, train_loop
    from .ssl import augment, build_encoder, contrastive_loss, encode_all

    encoder = build_encoder(images.shape[1], config, seed).to(device).train()
    batch = min(config.batch, len(train))
    steps = max(config.images // batch, 1)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=config.lr, weight_decay=1e-4)
    pixels = torch.from_numpy(train)

    def body(step: int, generator: torch.Generator) -> dict[str, float]:
        rows = torch.randperm(len(pixels), generator=generator)[:batch]
        picked = to_float(pixels[rows])
        views = [encoder.projection(encoder(augment(picked, generator).to(device))) for _ in range(2)]
        loss = contrastive_loss(views[0], views[1], config.temperature)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, config.lr)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    history = train_loop(
        "features",
        parts={"encoder": encoder, "optimizer": optimizer},
        steps=steps,
        body=body,
        checkpoint=folder / "checkpoint.safetensors",
        seed=seed,
        save_every=200,
    )
    encoder.eval()
    save_tensors(folder / "encoder.safetensors", encoder.state_dict(), {"kind": "ssl", "width": str(config.width)})
    return encode_all(encoder, images, device), history
