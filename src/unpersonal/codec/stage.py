"""The `encode` stage: fit the codec on the prepared images of train, write the latents of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cohort.table import Cohort, load_cohort
from ..core.hashing import hash_json
from .base import Codec, FitInputs, PosteriorCodec
from .ceiling import reconstruction
from .config import CodecConfig
from .figures import EncodeFigures, PretrainedFigures
from .invented import invented_images
from .latents import Moments, write_latents
from .registry import CODECS
from .store import load_images, save_codec

if TYPE_CHECKING:
    import torch


def run_stage(study: Path, config: CodecConfig, *, seed: int = 0, device: torch.device | None = None) -> EncodeFigures:
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
    codec, shape, figures_of_fit = _make_codec(study, images, cohort, config, seed, device)
    psnr_db, figures = reconstruction(codec, images, cohort, seed=seed, device=device)
    _sweep(study)
    if "pretrained" in figures_of_fit:
        figures_of_fit["pretrained"] = PretrainedFigures(**figures_of_fit["pretrained"])
    return EncodeFigures(
        size=int(images.shape[-1]),
        channels=int(images.shape[1]),
        codec=config.name,
        latent="x".join(str(edge) for edge in shape),
        psnr_db=psnr_db,
        reconstruction=figures,
        **figures_of_fit,
    )


def _make_codec(
    study: Path, images: np.ndarray, cohort: Cohort, config: CodecConfig, seed: int, device: torch.device
) -> tuple[Codec, tuple[int, ...], dict[str, Any]]:
    """Fit the codec and write it with the latents of every image; returns it, (c, h, w), and figures of the fit."""
    store, part = study / "store", CODECS.get(config.name)
    shown, train, held_out = images, cohort.rows("train"), cohort.rows("val-stop")
    if invented := config.fitted_on != "train":
        shown, train, held_out = invented_images(config.fitted_on, images.shape, seed)
    inputs = FitInputs(
        images=shown,
        train=train,
        held_out=held_out,
        store=store,
        study=study,
        content=(config.model_dump(mode="json"), seed, cohort.splits.tolist(), config.fingerprint(study)),
        seed=seed,
        device=device,
    )
    fitted = part.fit(config.part_config(), inputs)
    codec, path = fitted.codec, store / "codec.safetensors"
    if not isinstance(codec, PosteriorCodec):
        save_codec(path, codec, config.name)
        return codec, write_latents(store, images, codec, device), fitted.figures
    # weights that a hub name leads to are known only once they have been fetched
    key = hash_json([inputs.key, part.save(codec).facts])[:16]
    moments = Moments(store / f"moments-{key}", images)
    # statistics come from the latents, which need no statistics to be computed
    moments.compute(codec, device)
    measured = moments
    if invented:
        measured = Moments(store / f"moments-{key}-invented", shown)
        measured.compute(codec, device)
    mean, scale = measured.statistics(train)
    scaled = codec.scaled(mean, scale)
    save_codec(path, scaled, config.name)
    return scaled, moments.write(store, mean, scale), fitted.figures


def _sweep(study: Path) -> None:
    """Remove what only an unfinished stage needs."""
    import shutil

    for checkpoint in (study / "store").glob("checkpoint-codec-*.safetensors"):
        checkpoint.unlink()
    for moments in (study / "store").glob("moments-*"):
        shutil.rmtree(moments)
