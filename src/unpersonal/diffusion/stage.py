"""Stage `diffusion`: latents and features in, `models/diffusion/` with denoiser, guide and their history out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.config import build_config
from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.hashing import hash_json
from ..core.tensors import load_tensors, save_tensors
from .config import DiffusionConfig, NetworkConfig
from .network import Denoiser, build_denoiser, fold_weights
from .trainer import Rows, RowView, train_denoiser

FOLDER = ("models", "diffusion")


def _content(rows: Rows | None) -> str:
    """SHA-256 of the values of `rows`, read in blocks."""
    digest = hashlib.sha256()
    for start in range(0, 0 if rows is None else rows.shape[0], 4096):
        assert rows is not None
        block = rows[np.arange(start, min(start + 4096, rows.shape[0]))]
        digest.update(np.ascontiguousarray(block, dtype=np.float32).tobytes())
    return digest.hexdigest()


def _train_and_write(
    name: str,
    study: Path,
    train: tuple[Rows, Rows | None],
    held_out: tuple[Rows, Rows | None],
    config: DiffusionConfig,
    *,
    seed: int,
    device: torch.device,
) -> tuple[list[dict[str, float]], int]:
    """Train one network and write its weights and configuration; returns its history and parameter count."""
    folder = study.joinpath(*FOLDER)
    conditions = train[1]
    shape, label_dim = tuple(train[0].shape[1:]), 0 if conditions is None else int(conditions.shape[1])
    # the checkpoint of other data, settings or seeds must never be continued
    key = hash_json([config.model_dump(mode="json"), seed, shape, label_dim, *map(_content, (*train, *held_out))])
    checkpoint = folder / f"checkpoint-{name}-{key[:16]}.safetensors"
    weights, history = train_denoiser(
        name, *train, config, seed=seed, device=device, checkpoint=checkpoint, held_out=held_out
    )
    network = config.network(shape, label_dim)
    save_tensors(folder / f"{name}.safetensors", weights)
    write_json(folder / f"{name}.json", network.model_dump(mode="json"))
    return history, sum(parameter.numel() for parameter in build_denoiser(network, 0).parameters())


def _figures(prefix: str, history: list[dict[str, float]], parameters: int, images: int) -> dict[str, Any]:
    kept = next((row for row in reversed(history) if row.get("kept") == 1.0), history[-1])
    figures: dict[str, Any] = {
        f"{prefix}_parameters": parameters,
        f"{prefix}_images": images,
        f"{prefix}_loss": history[-1]["loss"],
        f"{prefix}_kept_step": int(kept["step"]),
    }
    names = ("train_error", "held_out_error", "gap")
    return figures | {f"{prefix}_{name}": kept[name] for name in names if name in kept}


def run_stage(study: Path, config: DiffusionConfig, *, seed: int, device: torch.device) -> dict[str, Any]:
    """Train the denoiser under the features as conditions and the guide without; see `_figures` for what returns.

    Reads the latents, the features and the cohort (parts `train` and `val-stop`); writes `denoiser.safetensors`,
    `guide.safetensors`, a `.json` with the network's configuration beside each, and `history.json`.
    """
    from ..codec.store import load_latents
    from ..cohort.table import load_cohort
    from ..features.store import load_features

    latents, features, cohort = load_latents(study), load_features(study), load_cohort(study)
    if latents.shape[0] != features.shape[0]:
        raise InputError(
            f"{latents.shape[0]} latents but {features.shape[0]} feature vectors",
            where=str(study),
            how="run the features stage again",
        )
    parts = {part: cohort.rows(part) for part in ("train", "val-stop")}
    x = {part: RowView(latents, rows) for part, rows in parts.items()}
    c = {part: RowView(features, rows) for part, rows in parts.items()}
    guide_config = config.for_guide()
    denoiser_history, denoiser_size = _train_and_write(
        "denoiser", study, (x["train"], c["train"]), (x["val-stop"], c["val-stop"]), config, seed=seed, device=device
    )
    guide_history, guide_size = _train_and_write(
        "guide", study, (x["train"], None), (x["val-stop"], None), guide_config, seed=seed, device=device
    )
    folder = study.joinpath(*FOLDER)
    write_json(folder / "history.json", {"denoiser": denoiser_history, "guide": guide_history})
    for checkpoint in folder.glob("checkpoint-*.safetensors"):
        checkpoint.unlink()
    return _figures("denoiser", denoiser_history, denoiser_size, config.images) | _figures(
        "guide", guide_history, guide_size, guide_config.images
    )


def load_denoiser(path: Path, device: torch.device) -> Denoiser:
    """The network in `path` (.safetensors, with its .json beside it), in eval mode, weights folded and frozen.

    A missing, broken or unfitting file is an `InputError`.
    """
    sidecar = path.with_suffix(".json")
    network = build_denoiser(build_config(NetworkConfig, read_json(sidecar), where=str(sidecar)), 0)
    tensors, _ = load_tensors(path)
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError:
        raise InputError(
            "The weights do not fit the configuration beside them",
            where=str(path),
            how="delete both and run the diffusion stage again",
        ) from None
    return fold_weights(network.to(device))


def load_models(study: Path, device: torch.device) -> tuple[Denoiser, Denoiser]:
    """The study's (denoiser, guide), ready for sampling (see `load_denoiser`)."""
    folder = study.joinpath(*FOLDER)
    return load_denoiser(folder / "denoiser.safetensors", device), load_denoiser(folder / "guide.safetensors", device)
