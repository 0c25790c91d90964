"""What the gate sees of copies that its threshold promises nothing about; reported, never bounded by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..codec.store import load_codec, load_latents
from ..cohort.table import Cohort
from ..core.pixels import to_uint8
from ..core.seeds import numpy_rng, torch_generator
from ..metrics.intervals import clopper_pearson_lower
from .config import JudgesConfig
from .figures import RenoisedFigures, SensitivityFigures
from .reidentifier import Embedded, Reidentifier
from .subset import Subset
from .views import one_row_per_subject

RENOISE_STEPS = 8


def sensitivity(
    reidentifier: Reidentifier,
    originals: Embedded,
    copies: np.ndarray,
    threshold: float,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Share of `copies` uint8 [n, C, H, W] flagged against the gallery `originals`, with its one-sided lower bound.

    Each copy must come from another subject, else the bound (Clopper-Pearson) is not one.
    """
    scores, _ = reidentifier.best_match(reidentifier.embed(copies), originals)
    flagged = int((scores >= np.float32(threshold)).sum())
    return flagged / max(len(copies), 1), clopper_pearson_lower(flagged, len(copies), confidence)


def renoised_sensitivity(
    study: Path,
    cohort: Cohort,
    reidentifier: Reidentifier,
    gallery: Embedded,
    threshold: float,
    config: JudgesConfig,
    seed: int,
) -> RenoisedFigures | None:
    """Share of generated near-duplicates that the gate flags, with its lower bound; None without a diffusion model.

    One image each of up to `renoised` train subjects is noised to each of `renoised_sigmas` in latent space, then
    denoised under its own condition: a candidate as a memorising model would draw it.
    """
    from ..diffusion.models import load_models
    from ..diffusion.sampling import renoise_and_denoise
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
    codec, levels = load_codec(study), {}
    for sigma in config.renoised_sigmas:
        with torch.no_grad():
            drawn = renoise_and_denoise(denoiser, latents, sigma, noise, conditions, RENOISE_STEPS)
            copies = to_uint8(codec.decode(drawn))
        rate, lower = sensitivity(reidentifier, gallery, copies, threshold, config.confidence)
        levels[f"sigma {sigma:g}"] = SensitivityFigures(sensitivity_rate=rate, sensitivity_rate_lower=lower)
    return RenoisedFigures(copies=len(rows), levels=levels)


def visit_recall(
    reidentifier: Reidentifier,
    held: Subset,
    chosen: np.ndarray,
    gallery: Embedded,
    threshold: float,
) -> tuple[float | None, int]:
    """Share of subjects whose other visit is flagged against the chosen image, and how many have another visit.

    `chosen` are the rows of `held` that `gallery` embeds, one per subject. Of further visits the first counts.
    None where no subject has one. Reported, never bounded: this is not what the threshold promises.
    """
    names = np.asarray(held.subjects, dtype=str)
    queries, partners = [], []
    for position, row in enumerate(chosen):
        others = np.flatnonzero(names == names[row])
        others = others[others != row]
        if len(others):
            queries.append(int(others[0]))
            partners.append(position)
    if not queries:
        return None, 0
    scores = reidentifier.paired_scores(
        reidentifier.embed(held.images[np.array(queries)]), gallery.rows(np.array(partners))
    )
    return float((scores >= np.float32(threshold)).mean()), len(queries)
