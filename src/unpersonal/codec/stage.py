"""The `encode` stage: fit the codec on the prepared images of train, write the latents of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cohort.table import Cohort, load_cohort
from ..core.files import write_json
from ..core.hashing import hash_json, sha256_file
from .base import Codec, Rows
from .ceiling import reconstruction
from .config import VAE, CodecConfig
from .latents import Moments, write_latents
from .store import fit_codec, load_images, save_codec

if TYPE_CHECKING:
    import torch


def run_stage(study: Path, config: CodecConfig, *, seed: int = 0, device: torch.device | None = None) -> dict[str, Any]:
    """Write codec and latents into store/; returns sizes, the PSNR on val and what else the codec costs there.

    `codec` is the kind (`vae` without its folder), `psnr_db` over all pixels of at most 1000 val images,
    `reconstruction` see `ceiling.reconstruction`; the kl codec adds `steps`, `kept_step` and `held_out_error`, the vae
    codec `pretrained`, see `vae.provenance`. The images are those that the cohort stage prepared. A run that was killed
    goes on, to the same bytes.
    """
    import torch

    device = device or torch.device("cpu")
    cohort = load_cohort(study)
    images = load_images(study)
    if config.kind in ("patch", "pixel"):
        extra: dict[str, Any] = {}
        codec = fit_codec(Rows(images, cohort.rows("train")), config)
        save_codec(study / "store" / "codec.safetensors", codec)
        shape = write_latents(study / "store", images, codec, device)
    else:
        codec, shape, extra = _network_codec(study, images, cohort, config, seed, device)
    psnr_db, figures = reconstruction(codec, images, cohort, seed=seed, device=device)
    _sweep(study)
    return {
        "size": int(images.shape[-1]),
        "channels": int(images.shape[1]),
        "codec": config.kind.split(":")[0],
        "latent": "x".join(str(edge) for edge in shape),
        "psnr_db": psnr_db,
        "reconstruction": figures,
        **extra,
    }


def _network_codec(
    study: Path, images: np.ndarray, cohort: Cohort, config: CodecConfig, seed: int, device: torch.device
) -> tuple[Codec, tuple[int, ...], dict[str, Any]]:
    """Train or open the autoencoder, pass every image through it, and scale its latents; see `run_stage`."""
    import torch

    from .kl import KLCodec
    from .vae import VAECodec, check_fit, open_vae, provenance

    store, train = study / "store", cohort.rows("train")
    # what belongs to other images, settings or weights must never be continued
    pixels = sha256_file(store / "images.npy")
    content = [config.model_dump(mode="json"), seed, pixels, cohort.splits.tolist()]
    channels = int(images.shape[1])
    extra: dict[str, Any] = {}
    network: Any
    kind: type[KLCodec] | type[VAECodec]
    if config.kind.startswith(VAE):
        kind = VAECodec
        network, facts = open_vae(config.kind, study)
        check_fit(network, size=int(images.shape[-1]), channels=channels)
        content.append(facts["source"])
        extra["pretrained"] = provenance(config.kind, study, facts["source"])
    else:
        kind = KLCodec
        network, facts, extra = _train(study, images, cohort, config, seed, device, hash_json(content))
    moments = Moments(store / f"moments-{hash_json(content)[:16]}", images)
    # statistics come from the latents, which need no statistics to be computed
    moments.compute(kind(network, facts, channels, torch.zeros(1), torch.ones(1)), device)
    mean, scale = moments.statistics(train)
    codec = kind(network, facts, channels, mean, scale)
    save_codec(store / "codec.safetensors", codec)
    return codec, moments.write(store, mean, scale), extra


def _train(
    study: Path,
    images: np.ndarray,
    cohort: Cohort,
    config: CodecConfig,
    seed: int,
    device: torch.device,
    key: str,
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    from .kl import kl_facts, train_kl

    store = study / "store"
    parts = cohort.rows("train"), cohort.rows("val-stop")
    checkpoint = store / f"checkpoint-codec-{key[:16]}.safetensors"
    network, history = train_kl(images, *parts, config, seed=seed, device=device, checkpoint=checkpoint)
    write_json(store / "codec-history.json", history)
    looks = [row for row in history if "held_out_error" in row]
    best = min(looks, key=lambda row: row["held_out_error"], default=history[-1])
    extra = {
        "steps": int(history[-1]["step"]),
        "kept_step": int(best["step"]),
        "held_out_error": best.get("held_out_error"),
    }
    return network, kl_facts(config), extra


def _sweep(study: Path) -> None:
    """Remove what only an unfinished stage needs."""
    import shutil

    for checkpoint in (study / "store").glob("checkpoint-codec-*.safetensors"):
        checkpoint.unlink()
    for parts in (study / "store").glob("moments-*"):
        shutil.rmtree(parts)
