"""Training of one member of the re-identifier: train subjects only; the early-stopping half of val only selects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..codec.base import Codec
from ..core.errors import InputError
from ..core.seeds import derive_seed
from ..core.training import BestWeights, rate_at, train_loop
from .config import JudgesConfig
from .history import History
from .member import Member
from .members import build_member
from .reidentifier import best_stranger, embed_images
from .views import Bank, SubjectBatches, TwoViews, make_copies, one_row_per_subject


def separation(
    model: Member,
    images: np.ndarray,
    subjects: np.ndarray,
    copies: np.ndarray,
    *,
    views: int,
    device: torch.device,
) -> float:
    """d' between the worst copy of every subject and its best stranger: what the gate's two error rates hang on.

    `images` uint8 [n, C, H, W] of n `subjects`, `copies` uint8 [P, n, C, H, W]. The difference of the means over the
    root mean variance. (A rate at a fixed threshold would rest on one or two subjects.) NaN under two subjects.
    """
    was_training = model.training
    model.eval()
    gallery = embed_images(model, images, device, views=views)
    worst = np.full(len(images), np.inf)
    with torch.no_grad():
        for batch in copies:
            query = embed_images(model, batch, device)
            logits = model.own_logits(query[:, 0].to(device), gallery.to(device))
            worst = np.minimum(worst, logits.amax(dim=1).cpu().numpy())
    stranger = best_stranger(model, gallery, subjects, device).numpy()
    model.train(was_training)
    if len(images) < 2 or not np.isfinite(stranger).all():
        return float("nan")
    spread = np.sqrt((worst.var() + stranger.var()) / 2)
    return float((worst.mean() - stranger.mean()) / max(spread, 1e-9))


def make_optimiser(model: Member, config: JudgesConfig) -> torch.optim.AdamW:
    """AdamW with a `factor` of the learning rate for each group of parameters."""
    network = {"params": list(model.network.parameters()), "weight_decay": config.weight_decay, "factor": 1.0}
    # a head has few and large numbers: it needs longer strides and no pull towards zero
    head = {"params": model.head_parameters(), "weight_decay": 0.0, "factor": 10.0}
    return torch.optim.AdamW([network, head] if head["params"] else [network], lr=config.reidentifier_lr)


def separation_on(
    held_out: tuple[np.ndarray, np.ndarray],
    config: JudgesConfig,
    seed: int,
    codec: Codec | None,
    device: torch.device,
) -> Callable[[Member], float]:
    """What a look measures: `separation` on copies of one image of each held-out subject; NaN where there is none."""
    one = one_row_per_subject(held_out[1], np.random.default_rng(derive_seed(seed, "held out")))
    if not len(one):
        return lambda model: float("nan")
    names = [name for name in config.perturbations if codec is not None or name != "codec"]
    originals, kept = held_out[0][one], np.asarray(held_out[1])[one]
    copies = make_copies(originals, names, derive_seed(seed, "held out"), codec, device)
    return lambda model: separation(model, originals, kept, copies, views=config.gallery_views, device=device)


def train_member(
    images: np.ndarray,
    subjects: np.ndarray,
    config: JudgesConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path,
    held_out: tuple[np.ndarray, np.ndarray],
    codec: Codec | None,
    groups: np.ndarray | None = None,
    bank: Bank | None = None,
) -> tuple[Member, History]:
    """Train one member on uint8 images [n, C, H, W] of `subjects` [n]; returns it in eval mode with its history.

    `groups` [n] are codes of label sets, `bank` copies of the images. `held_out` = (images, subjects) choose the best
    of the looks. Fewer than two train subjects are an `InputError`. A run that was killed continues from `checkpoint`,
    to the same bytes; the caller removes the checkpoint.
    """
    if len(np.unique(np.asarray(subjects, dtype=str))) < 2:
        raise InputError("The re-identifier needs two train subjects at least", how="add subjects to the cohort")
    model = build_member(config, channels=images.shape[1], size=images.shape[-1], seed=seed).to(device).train()
    optimiser, best = make_optimiser(model, config), BestWeights(model)
    pictures = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    batches = SubjectBatches(subjects, config.visit_probability, groups, config.same_label)
    views = TwoViews(pictures, subjects, codec, bank, config.generated_probability)
    measure = separation_on(held_out, config, seed, codec, device)

    def step_once(step: int, generator: torch.Generator) -> dict[str, float]:
        rate = rate_at(step, config.reidentifier_steps, config.reidentifier_lr)
        for group in optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        drawn = views.draw(*batches.draw(config.reidentifier_batch, generator), generator)
        first, second = model.embed(torch.cat([drawn.first, drawn.second])).chunk(2)
        loss, accuracy = model.loss(first, second, drawn.ignored)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if (step + 1) % config.check_every == 0 or step + 1 == config.reidentifier_steps:
            best.offer(measure(model), step + 1)
        return {"loss": float(loss.detach()), "first_rank": accuracy}

    states = {"model": model, "optimiser": optimiser, "best": best}
    history = train_loop(
        "re-identifier",
        states=states,
        steps=config.reidentifier_steps,
        body=step_once,
        checkpoint=checkpoint,
        seed=seed,
        save_every=config.save_every,
    )
    best.restore()
    return model, {"training": history, "looks": best.looks, "best_step": best.step}
