"""The recipient's training: what whoever receives a data set would do with it, the same for every arm.

Nothing of it depends on which arm it is: the steps follow from the number of images, and the best weights are chosen on
a share of the arm's own images.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..core.config import build_config
from ..core.pixels import to_float
from ..core.training import BestWeights, Hooks, rate_at, train_loop
from ..judges.build import build_network
from ..judges.classifier import Classifier
from ..judges.config import JudgesConfig
from ..judges.history import History
from ..judges.perturbations import augment_mildly
from .calibration import fit_temperature, log_loss, tempered
from .config import UtilityConfig


class Averaged(nn.Module):
    """The exponential moving average of a network's weights (Polyak & Juditsky 1992), with its statistics.

    The decay grows to `decay` as (1 + t) / (10 + t) in step t, so that few steps are not an average of the beginning.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.average = deepcopy(network).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights of `network` after step `step` (from 0)."""
        share = 1 - min(self._decay, (1 + step) / (10 + step))
        for mean, value in zip(self.average.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:
                mean.copy_(value)


def network_config(config: UtilityConfig) -> JudgesConfig:
    """The table that the networks of the judges are built by, with this stage's network, width and options."""
    values = {
        "classifier": config.network,
        "options": {name: keys for name, keys in config.options.items() if name == config.network},
        "width": config.width,
    }
    return build_config(JudgesConfig, values, where="[utility]")


def look(model: Classifier, held_out: tuple[np.ndarray, np.ndarray]) -> float:
    """Negative log-loss on `held_out` = (images, targets) at the best temperature; NaN where there are none.

    AUROC would do, but is 1 at many looks where few images are held out, and then says nothing of the later ones.
    """
    if not len(held_out[0]):
        return float("nan")
    found = model.probabilities(held_out[0])
    temperature = fit_temperature(found, held_out[1], model.exclusive)
    return -log_loss(tempered(found, temperature, model.exclusive), held_out[1], model.exclusive)


def _is_over(best: BestWeights, config: UtilityConfig) -> bool:
    """Whether the last looks were none the better."""
    since = 0 if not best.looks else float(best.looks[-1]["step"] or 0) - best.step
    return bool(config.patience and best.step and since >= config.patience * config.check_every)


def train_recipient(
    images: np.ndarray,
    targets: np.ndarray,
    config: UtilityConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path,
    held_out: tuple[np.ndarray, np.ndarray],
) -> tuple[Classifier, History]:
    """A classifier of uint8 images [n, C, H, W] with multi-hot or soft `targets` [n, K], in eval mode, and its history.

    Mild augmentation, at most `config.steps_for(n)` steps, averaged weights; of the looks at `held_out` = (images,
    targets) the best is kept, and `config.patience` of them without a better one end the training. A killed run
    continues from `checkpoint`, to the same bytes; the caller removes it.
    """
    targets = np.asarray(targets, dtype=np.float32)
    size, steps = images.shape[-1], config.steps_for(len(images))
    table = network_config(config)
    network = build_network(
        config.network, table, channels=images.shape[1], outputs=targets.shape[1], size=size, seed=seed
    ).to(device)
    exclusive = bool(np.isclose(targets.sum(axis=1), 1).all())
    model, average = Classifier(network, exclusive=exclusive, device=device), Averaged(network, config.averaging)
    final = Classifier(average.average.eval(), exclusive=exclusive, device=device)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best = BestWeights(final.network)
    pictures, known = torch.from_numpy(np.array(images)).to(device), torch.from_numpy(targets).to(device)

    def step_once(step: int, generator: torch.Generator) -> dict[str, Any]:
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, steps, config.learning_rate)
        rows = torch.randint(len(pictures), (config.batch,), generator=generator).to(device)
        loss = model.loss(network(augment_mildly(to_float(pictures[rows], device), generator)), known[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        average.update(network, step)
        if (step + 1) % config.check_every == 0 or step + 1 == steps:
            best.offer(look(final, held_out), step + 1)
        return {"loss": float(loss.detach())}

    history = train_loop(
        "classifier",
        states={"model": network, "average": average, "optimiser": optimiser, "best": best},
        steps=steps,
        body=step_once,
        checkpoint=checkpoint,
        seed=seed,
        save_every=config.save_every,
        hooks=Hooks(stop=lambda: _is_over(best, config)),
    )
    best.restore()
    return final, {"training": history, "looks": best.looks, "best_step": best.step}
