"""Copies that a diffusion model makes of people: what a generator that remembers them would draw.

Two kinds. *Re-noised*: an image is noised in latent space and denoised again by the study's own denoiser.
*Over-fitted*: a copy of that denoiser is trained on a few images until it knows them by heart, and draws them. A draw
starts from the image under noise of four times the deviation of the latents: that still tells which of the few it is,
and hardly anything of what it looks like, so that what is seen comes out of the network's memory. In this way it is
known whom a draw shows without asking a matcher, which would only find what it can find.

Both are made for the calibration of the gate, and as views for the re-identifier to learn from; the two uses differ in
their seeds, noise levels and steps (see `make_bank`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from ..codec.base import blocks
from ..codec.store import load_codec, load_images, load_latents
from ..core.pixels import to_uint8
from ..core.seeds import derive_seed, numpy_rng
from ..core.spread import spread
from ..core.tensors import load_tensors, save_tensors
from ..diffusion.config import DiffusionConfig
from ..diffusion.models import load_denoiser, main_denoiser
from ..diffusion.network import Denoiser, build_denoiser, fold_weights
from ..diffusion.noise import keyed_noise
from ..diffusion.sampling import renoise_and_denoise
from ..diffusion.trainer import Training, train_denoiser
from ..features.store import check_conditions, load_conditions
from ..metrics.copies import nearest_copy
from .views import Bank

STEPS = 8
"""Of the solver, for re-noised copies."""
DRAW_STEPS = 12
"""Of the solver, for draws of an over-fitted model."""
DRAWS = 4
"""Of an image by an over-fitted model, at most."""
DRAW_SIGMA = 2.0
"""Noise level from which an over-fitted model draws; latents have a deviation of 0.5."""
P_MEAN, P_STD = 0.3, 1.2
"""Of ln(sigma) in that training: higher levels than usual, for there it must learn which image to draw."""
TIMES = 250
"""How often an over-fitted model meets each of its images."""
TOGETHER = 48
"""Images that one such model learns, at most."""
OVERFIT_BATCH = 32
"""Images per step of that training."""

BANK_SIGMAS = (0.06, 0.09, 0.14, 0.22, 0.34, 0.5)
"""Noise levels of the re-noised copies in a bank; those of the calibration are others."""
BANK_STEPS = 6
"""Of the solver, for these."""
BANK_OVERFITTED = 32
"""Images of a bank that an over-fitted model draws, at most; one in eight of its images."""


def has_denoiser(study: Path) -> bool:
    """Whether the study has a diffusion model to make copies with."""
    return main_denoiser(study).is_file()


def renoised_copies(
    study: Path, rows: np.ndarray, sigma: float, seed: int, device: torch.device, *, steps: int = STEPS
) -> np.ndarray:
    """uint8 [n, C, H, W]: the images `rows` int64 [n] of the cohort, noised to `sigma` and denoised.

    `sigma` is in units of the latents, which have a deviation of 0.5. Each under its own condition, by the study's
    denoiser; an `InputError` where the study has none (`has_denoiser`). A copy depends on its row, `sigma`, `seed` and
    `steps`, not on the other rows.
    """
    denoiser = load_denoiser(main_denoiser(study), device)
    return _denoised(study, denoiser, rows, sigma, ("re-noised", seed), steps)


def overfitted_samples(
    study: Path, rows: np.ndarray, seed: int, device: torch.device, times: int | None = None
) -> np.ndarray:
    """uint8 [n, C, H, W]: sample i is a draw of the image `rows[i]` by a model over-fitted on the images `rows`.

    No model learns more than `TOGETHER` images: more rows are more models, as hard to see through as one. A draw that
    is nearer to another image of its model (root mean square of pixels) is repeated, up to `DRAWS` draws. The training
    takes `times` (`TIMES`) images for each row. `InputError` as for `renoised_copies`.
    """
    groups = np.array_split(np.asarray(rows), max(-(-len(rows) // TOGETHER), 1))
    items = [(group, derive_seed(seed, "group", number)) for number, group in enumerate(groups)]
    # a task elsewhere has no accelerator of ours
    found = spread(_samples_of, (study, device, times or TIMES), items, worth=device.type == "cpu")
    return np.concatenate(found)


def _samples_of(given: tuple[Path, torch.device, int], item: tuple[np.ndarray, int]) -> np.ndarray:
    """Draws of the rows of one model, see `overfitted_samples`."""
    (study, device, times), (rows, seed) = given, item
    model, known = overfit(study, rows, seed, device, times), np.array(load_images(study)[rows])
    out, again = np.empty_like(known), np.arange(len(rows))
    for attempt in range(DRAWS):
        key = ("over-fitted", seed, attempt)
        out[again] = _denoised(study, model, rows[again], DRAW_SIGMA, key, DRAW_STEPS)
        again = again[nearest(out[again], known) != again]
        if not len(again):
            break
    return out


def nearest(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """int64 [n]: of uint8 `known` [k, C, H, W] the one whose pixels are nearest to each of `images` [n, C, H, W]."""
    one, two = (torch.from_numpy(some).flatten(1).float() for some in (images, known))
    return torch.cdist(one, two).argmin(dim=1).numpy()


def overfit(study: Path, rows: np.ndarray, seed: int, device: torch.device, times: int) -> Denoiser:
    """The study's denoiser, trained on the images `rows` int64 [n], each met `times` times; ready for sampling."""
    path = main_denoiser(study)
    # drawing tells nothing of views, and without that layer the network draws the same
    shape = load_denoiser(path, torch.device("cpu")).config.model_copy(update={"augment_dim": 0})
    start = {name: value for name, value in load_tensors(path)[0].items() if ".emb_augment." not in name}
    latents, conditions = _examples(study, rows, shape.label_dim)
    config = DiffusionConfig(
        **{name: getattr(shape, name) for name in DiffusionConfig.model_fields if hasattr(shape, name)},
        images=len(rows) * times,
        batch=OVERFIT_BATCH,
        ref_batches=0,
        rampup_images=10 * OVERFIT_BATCH,
        condition_noise=0,
        P_mean=P_MEAN,
        P_std=P_STD,
        ema_std=0.05,
        evaluations=1,
        evaluation_images=1,
        keep_best=False,
        compile=False,
        monitor_samples=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        trained = train_denoiser(
            "over-fitted",
            latents,
            conditions,
            config,
            seed=derive_seed(seed, "over-fitted"),
            device=device,
            checkpoint=Path(folder) / "checkpoint.safetensors",
            training=Training(start=start),
        )
    network = build_denoiser(shape, 0)
    network.load_state_dict(trained.weights)
    return fold_weights(network.to(device))


def _examples(study: Path, rows: np.ndarray, label_dim: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Latents float32 [n, c, h, w] and conditions [n, L] (None: the denoiser has none) of `rows`."""
    stored = load_conditions(study)
    conditions = None if stored is None else np.array(stored[rows])
    check_conditions(conditions, label_dim)
    return np.array(load_latents(study)[rows]), conditions


def make_bank(study: Path, rows: np.ndarray, count: int, seed: int, device: torch.device, kept: Path) -> Bank | None:
    """Copies of `count` of the cohort's images `rows` int64 [n] for training, one of each, at most.

    Most are re-noised, each at one of `BANK_SIGMAS`; a few are drawn by an over-fitted model, where that draw is more
    like its own image than like the others. None without a diffusion model, or where `count` is 0. Written to `kept`
    (.safetensors) and read from there when it is asked for again.
    """
    if count == 0 or not has_denoiser(study):
        return None
    if not kept.is_file():
        places, own_seed = numpy_rng(seed, "bank").permutation(len(rows))[:count], derive_seed(seed, "bank")
        few = min(BANK_OVERFITTED, len(places) // 8)
        images, shown = [], []
        for number, sigma in enumerate(BANK_SIGMAS):
            some = places[few:][number :: len(BANK_SIGMAS)]
            images.append(renoised_copies(study, rows[some], sigma, own_seed, device, steps=BANK_STEPS))
            shown.append(some)
        if few:
            drawn = overfitted_samples(study, rows[places[:few]], own_seed, device)
            own = nearest_copy(drawn, np.array(load_images(study)[rows[places[:few]]])).reference == np.arange(few)
            images.append(drawn[own])
            shown.append(places[:few][own])
        found = {"images": torch.from_numpy(np.concatenate(images)), "rows": torch.from_numpy(np.concatenate(shown))}
        save_tensors(kept, found)
    tensors, _ = load_tensors(kept)
    return Bank(tensors["images"].numpy(), tensors["rows"].numpy())


@torch.no_grad()
def _denoised(
    study: Path, denoiser: Denoiser, rows: np.ndarray, sigma: float, key: tuple[str | int, ...], steps: int
) -> np.ndarray:
    device = next(denoiser.parameters()).device
    latents, conditions = _examples(study, rows, denoiser.config.label_dim)
    codec, out = load_codec(study), np.empty((len(rows), *load_images(study).shape[1:]), np.uint8)
    for block in blocks(len(rows)):
        noise = keyed_noise([(*key, f"{sigma:g}", int(row)) for row in rows[block]], latents.shape[1:]).to(device)
        told = None if conditions is None else torch.from_numpy(conditions[block]).to(device)
        start = torch.from_numpy(latents[block]).to(device)
        out[block] = to_uint8(codec.decode(renoise_and_denoise(denoiser, start, sigma, noise, told, steps)))
    return out
