"""The trained networks of a study: weights as safetensors, the network's configuration as JSON beside them."""

from __future__ import annotations

from pathlib import Path

import torch

from ..core.config import build_config
from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.tensors import load_tensors, save_tensors
from .config import NetworkConfig
from .network import Denoiser, build_denoiser, fold_weights, pick_precision

FOLDER = ("models", "diffusion")


def write_network(folder: Path, name: str, weights: dict[str, torch.Tensor], network: NetworkConfig) -> None:
    """Write the weights `NAME.safetensors` and the configuration beside them."""
    save_tensors(folder / f"{name}.safetensors", weights)
    write_json(folder / f"{name}.json", network.model_dump(mode="json"))


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
    network.precision = pick_precision("auto", device)
    return fold_weights(network.to(device))


def load_models(study: Path, device: torch.device, suffix: str = "") -> tuple[Denoiser, Denoiser]:
    """The study's (denoiser, guide), or those of a shard (`suffix` "-0" or "-1"), ready for sampling."""
    folder = study.joinpath(*FOLDER)
    denoiser, guide = (load_denoiser(folder / f"{name}{suffix}.safetensors", device) for name in ("denoiser", "guide"))
    return denoiser, guide


def main_denoiser(study: Path) -> Path:
    """The file of the study's denoiser; of two shards that of the first."""
    whole, first = (study.joinpath(*FOLDER, f"denoiser{suffix}.safetensors") for suffix in ("", "-0"))
    return first if first.is_file() and not whole.is_file() else whole
