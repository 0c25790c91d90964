"""What is measured while a denoiser trains, which weights are kept, and when training ends early.

Two signs of memorisation are watched, both against people who are not trained on: the denoising error on held-out
images minus that on train images, and the share of drawn samples that the closed-form copy detector takes for a train
image more surely than it takes held-out images for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.seeds import torch_generator
from ..core.training import BestWeights
from .config import DiffusionConfig
from .loss import loss_weight, sigma_from_normal
from .network import Denoiser, fold_weights
from .rows import Examples, Rows, to_tensor

Callback = Callable[[int, Denoiser], Mapping[str, float]]
"""Called with the step and the averaged network, ready for sampling; what it returns joins the history's row.
`memorised` = 1 among it says that these weights reproduce people."""


class Monitor:
    """Errors of the averaged weights on fixed train and held-out draws, and the best weights by the latter.

    Both sets meet the same noise at the same levels (the quantiles of the training distribution), so their
    difference, `gap`, is the sign of memorisation: it grows when the network knows its training images. Row i of one
    set is compared with row i of the other, so these should be people with the same labels (`pairs.py`). Weights whose
    gap surely (`gap_lower`, one-sided 95 %, over these pairs) exceeds `max_gap` of the held-out error, or that a
    callback calls memorised, are kept only where there are no others, and `stopped` says that training has to end; so
    does `patience` measurements without a lesser error.
    """

    def __init__(
        self,
        name: str,
        network: Denoiser,
        config: DiffusionConfig,
        sets: Mapping[str, Examples],
        *,
        seed: int,
        device: torch.device,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self._shadow = fold_weights(network)
        self._config, self._sets, self._device, self._callbacks = config, sets, device, callbacks
        generator = torch_generator(seed, name, "evaluation")
        count = config.evaluation_images
        quantiles = (torch.randperm(count, generator=generator) + 0.5) / count
        self._sigma = sigma_from_normal(torch.special.ndtri(quantiles), config.P_mean, config.P_std)
        shape = (network.config.channels, network.config.resolution, network.config.resolution)
        self._noise = torch.randn(count, *shape, generator=generator)
        self.rows: list[dict[str, float]] = []
        self._best = BestWeights(network)
        self.stopped = ""

    @property
    def best(self) -> dict[str, Tensor]:
        """The weights that are kept: a full state dict, empty before the first measurement."""
        return self._best.weights

    def evaluate(self, step: int, weights: dict[str, Tensor]) -> None:
        """Measure `weights` (a full state dict) after `step` steps."""
        row = self.measure(step, weights)
        self.rows.append(row)
        # innocent before memorised, then by held-out error; without one the last
        error, grade = row.get("held_out_error", np.nan), -row["memorised"]
        if not self._config.keep_best:
            error, grade = np.nan, 0.0
        if self._best.offer(-error, step, grade=grade, weights=weights):
            for other in self.rows:
                other["kept"] = float(other is row)
        else:
            row["kept"] = 0.0
        self.stopped = self._why_to_stop()

    def measure(self, step: int, weights: dict[str, Tensor]) -> dict[str, float]:
        """The history's row of `weights`, without taking it in: errors, what callbacks find, `memorised`."""
        row = {"step": float(step), **self._errors(weights)}
        for callback in self._callbacks:
            row |= callback(step, self._shadow)
        return {**row, "memorised": float(row.get("memorised", 0.0) > 0 or self._knows_too_well(row))}

    def _errors(self, weights: dict[str, Tensor]) -> dict[str, float]:
        """`train_error`, `held_out_error`, `gap` and `gap_lower` of `weights`, as far as there are images."""
        self._shadow.load_state_dict(weights)
        errors = {name: self._error(*pair) for name, pair in self._sets.items()}
        row = {f"{name}_error": float(values.mean()) for name, values in errors.items()}
        if len(errors) == 2:
            row["gap"] = row["held_out_error"] - row["train_error"]
            subjects = min(latents.shape[0] for latents, _ in self._sets.values())
            lower = lower_bound(errors["held_out"] - errors["train"], subjects)
            if lower is not None:
                row["gap_lower"] = lower
        return row

    def _knows_too_well(self, row: Mapping[str, float]) -> bool:
        limit = self._config.max_gap
        return limit > 0 and "gap_lower" in row and row["gap_lower"] > limit * row["held_out_error"]

    def _why_to_stop(self) -> str:
        patience = self._config.patience
        if self._config.stop_memorising and self.rows[-1]["memorised"]:
            return "memorises"
        errors = [row["held_out_error"] for row in self.rows if "held_out_error" in row]
        if patience and len(errors) > patience and min(errors[-patience:]) > min(errors[:-patience]):
            return "no longer improves"
        return ""

    @torch.no_grad()
    def _error(self, latents: Rows, conditions: Rows | None) -> np.ndarray:
        """Mean of weight · (D - x)² of each of the fixed draws, float64 [evaluation_images]."""
        found, available = [], latents.shape[0]
        for start in range(0, len(self._sigma), self._config.batch):
            stop = min(start + self._config.batch, len(self._sigma))
            rows = np.arange(start, stop) % available
            x = to_tensor(latents[rows], self._device)
            labels = None if conditions is None else to_tensor(conditions[rows], self._device)
            sigma = self._sigma[start:stop].reshape(-1, 1, 1, 1).to(self._device)
            denoised = self._shadow(x + sigma * self._noise[start:stop].to(self._device), sigma, labels)
            error = loss_weight(sigma, self._shadow.config.sigma_data) * (denoised - x) ** 2
            found.append(error.double().mean(dim=(1, 2, 3)).cpu().numpy())
        return np.concatenate(found)

    def state_dict(self) -> dict[str, Any]:
        """Rows so far, the best weights, and why training ended, if it did."""
        return {"rows": self.rows, "best": self._best.state_dict(), "stopped": self.stopped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.rows = [dict(row) for row in state["rows"]]
        self._best.load_state_dict(state["best"])
        self.stopped = str(state["stopped"])


def lower_bound(differences: np.ndarray, subjects: int, confidence: float = 0.95) -> float | None:
    """One-sided lower bound of the mean of `differences` [n] over `subjects`, Student's t; None of fewer than two.

    Difference i belongs to subject i mod `subjects`: what is measured of one subject several times counts once.
    """
    from scipy import special

    count = min(subjects, len(differences))
    if count < 2:
        return None
    each = np.array([differences[start::subjects].mean() for start in range(count)])
    spread = float(each.std(ddof=1)) / count**0.5
    return float(each.mean() - special.stdtrit(count - 1, confidence) * spread)
