"""The `features` stage: fit or train the encoder on train images, then encode every image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.store import load_images
from ..cohort.table import load_cohort
from ..core.files import write_json
from ..core.tensors import save_array, save_tensors
from .config import FeaturesConfig
from .pca import fit_pca

if TYPE_CHECKING:
    import torch


def run_stage(study: Path, config: FeaturesConfig, *, seed: int, device: torch.device) -> dict[str, Any]:
    """Write features/features.npy, the encoder and its history; returns the encoder's figures."""
    images, cohort = load_images(study), load_cohort(study)
    folder = study / "features"
    train = np.array(images[cohort.rows("train")])
    history: list[dict[str, float]] = []
    if config.kind == "pca":
        features = fit_pca(train, config.dimensions).unit(images)
    else:
        features, history = _self_supervised(folder, train, images, config, seed, device)
    save_array(folder / "features.npy", features)
    write_json(folder / "history.json", history)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    return {
        "kind": config.kind,
        "dimensions": int(features.shape[1]),
        "loss": history[-1]["loss"] if history else None,
        "effective_dimensions": effective_dimensions(features[cohort.rows("train")]),
    }


def effective_dimensions(features: np.ndarray) -> float:
    """Participation ratio of the covariance of features [n,d]: 1 = collapsed onto a line, d = isotropic."""
    values = np.linalg.eigvalsh(np.cov(features.T.astype(np.float64)))
    return float(values.sum() ** 2 / np.maximum((values**2).sum(), 1e-300))


def _self_supervised(
    folder: Path, train: np.ndarray, images: np.ndarray, config: FeaturesConfig, seed: int, device: torch.device
) -> tuple[np.ndarray, list[dict[str, float]]]:
    import torch

    from ..core.training import rate_at, train_loop
    from .ssl import augment, build_encoder, contrastive_loss, encode_all

    encoder = build_encoder(images.shape[1], config, seed).to(device).train()
    batch = min(config.batch, len(train))
    steps = max(config.images // batch, 1)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=config.lr, weight_decay=1e-4)
    pixels = torch.from_numpy(train)

    def body(step: int, generator: torch.Generator) -> dict[str, float]:
        rows = torch.randperm(len(pixels), generator=generator)[:batch]
        picked = pixels[rows].float().div_(255)
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
