"""The label classifier: ranks what the gate lets through, and (with fresh seeds) measures what a release is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.pixels import to_float
from ..core.training import BestWeights, rate_at, train_loop
from ..metrics.roc import macro_auroc
from .build import build_network
from .config import JudgesConfig
from .history import History
from .perturbations import augment_mildly
from .reidentifier import require_eval


class Classifier:
    """A trained network and how its outputs become probabilities.

    `exclusive`: every train image had exactly one label, so the C classes share one softmax; else a sigmoid each.
    """

    def __init__(self, network: nn.Module, *, exclusive: bool, device: torch.device) -> None:
        self.network = network.to(device)
        self.exclusive, self.device = exclusive, device

    @torch.no_grad()
    def probabilities(self, images: np.ndarray, batch: int = 512) -> np.ndarray:
        """float32 [n, classes] for uint8 images [n, C, H, W]; `RuntimeError` if the network is in train mode."""
        return self._outputs(images, batch, self._activate)

    @torch.no_grad()
    def logits(self, images: np.ndarray, batch: int = 512) -> np.ndarray:
        """As `probabilities`, before the softmax or sigmoid."""
        return self._outputs(images, batch, lambda outputs: outputs)

    def _outputs(self, images: np.ndarray, batch: int, activate: Callable[[Tensor], Tensor]) -> np.ndarray:
        require_eval(self.network)
        chunks = [
            activate(self.network(to_float(images[start : start + batch], self.device))).cpu()
            for start in range(0, max(len(images), 1), batch)
        ]
        return torch.cat(chunks).float().numpy()

    def _activate(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=1) if self.exclusive else logits.sigmoid()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy (exclusive) or mean binary cross-entropy of logits [B, C] with multi-hot targets [B, C]."""
        if self.exclusive:
            return F.cross_entropy(logits, targets)
        return F.binary_cross_entropy_with_logits(logits, targets)


def look(model: Classifier, held_out: tuple[np.ndarray, np.ndarray]) -> float:
    """Macro AUROC on `held_out` = (images, targets), NaN where there are none; leaves the network in train mode."""
    model.network.eval()
    score = macro_auroc(model.probabilities(held_out[0]), held_out[1]) if len(held_out[0]) else float("nan")
    model.network.train()
    return score


def train_classifier(
    images: np.ndarray,
    targets: np.ndarray,
    config: JudgesConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path,
    held_out: tuple[np.ndarray, np.ndarray],
    exclusive: bool | None = None,
) -> tuple[Classifier, History]:
    """Train on uint8 images [n, C, H, W] and multi-hot `targets` [n, classes]; eval mode, and the history of the run.

    Targets may be probabilities; `exclusive` then says what the sums of multi-hot ones tell by themselves (None).
    Of the looks at `held_out` = (images, targets) the weights with the best macro AUROC are kept. No images or no
    class are an `InputError`. A killed run continues from `checkpoint`, which the caller removes.
    """
    targets = np.asarray(targets, dtype=np.float32)
    if len(images) == 0 or targets.ndim != 2 or targets.shape[1] == 0:
        raise InputError("The classifier has no images or no labels to learn from", how="add labelled images")
    network = build_network(
        config.classifier,
        config,
        channels=images.shape[1],
        outputs=targets.shape[1],
        size=images.shape[-1],
        seed=seed,
    )
    one_each = bool((targets.sum(axis=1) == 1).all()) if exclusive is None else exclusive
    model = Classifier(network, exclusive=one_each, device=device)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.classifier_lr, weight_decay=config.weight_decay)
    best = BestWeights(network)
    pictures = torch.from_numpy(np.array(images)).to(device)
    known = torch.from_numpy(targets).to(device)

    def step_once(step: int, generator: torch.Generator) -> dict[str, float]:
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, config.classifier_steps, config.classifier_lr)
        rows = torch.randint(len(pictures), (config.classifier_batch,), generator=generator).to(device)
        loss = model.loss(network(augment_mildly(to_float(pictures[rows], device), generator)), known[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if (step + 1) % config.check_every == 0 or step + 1 == config.classifier_steps:
            best.offer(look(model, held_out), step + 1)
        return {"loss": float(loss.detach())}

    states: dict[str, Any] = {"model": network, "optimiser": optimiser, "best": best}
    history = train_loop(
        "classifier",
        states=states,
        steps=config.classifier_steps,
        body=step_once,
        checkpoint=checkpoint,
        seed=seed,
        save_every=config.save_every,
    )
    best.restore()
    return model, {"training": history, "looks": best.looks, "best_step": best.step}
