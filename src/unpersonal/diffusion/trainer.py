"""Training of the denoiser (with conditions) and of the guide (without), resumable to the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.errors import InputError
from ..core.seeds import derive_seed, numpy_rng, torch_generator
from ..core.training import save_checkpoint, train_loop
from .config import DiffusionConfig
from .ema import PowerEMA
from .loss import edm2_loss, loss_weight, sigma_from_normal
from .network import Denoiser, build_denoiser, fold_weights
from .schedule import learning_rate

ADAM_BETAS = (0.9, 0.99)
LOG_EVERY = 25


class Rows(Protocol):
    """An array or a view of one that gives rows for an int64 array of numbers; may live on disk."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Any) -> np.ndarray: ...


class RowView:
    """The rows `rows` of `array`, read only when asked for."""

    def __init__(self, array: Rows, rows: np.ndarray) -> None:
        self._array, self._rows = array, np.asarray(rows, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the view."""
        return (len(self._rows), *self._array.shape[1:])

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self._array[self._rows[rows]])


class EpochOrder:
    """Row numbers per step: every row once per epoch, in an order that follows from `seed` and `name`."""

    def __init__(self, rows: int, batch: int, seed: int, name: str) -> None:
        self._rows, self._batch, self._key = rows, batch, (seed, name)
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def at(self, step: int) -> np.ndarray:
        """The int64 [batch] rows of `step`; a batch may reach over the end of an epoch."""
        positions = step * self._batch + np.arange(self._batch, dtype=np.int64)
        return np.array([self._row(position) for position in positions.tolist()], dtype=np.int64)

    def _row(self, position: int) -> int:
        epoch, place = divmod(position, self._rows)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = numpy_rng(self._key[0], self._key[1], "epoch", epoch).permutation(self._rows)
        return int(self._order[place])


class Monitor:
    """Errors of the averaged weights on fixed train and held-out draws, and the best weights by the latter.

    Both sets meet the same noise at the same levels (the quantiles of the training distribution), so their
    difference, `gap`, is the sign of memorisation: it grows when the network knows its training images.
    """

    def __init__(
        self,
        name: str,
        network: Denoiser,
        config: DiffusionConfig,
        sets: Mapping[str, tuple[Rows, Rows | None]],
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self._shadow = fold_weights(network)
        self._config, self._sets, self._device = config, sets, device
        generator = torch_generator(seed, name, "evaluation")
        count = config.evaluation_images
        quantiles = (torch.randperm(count, generator=generator) + 0.5) / count
        self._sigma = sigma_from_normal(torch.special.ndtri(quantiles), config.P_mean, config.P_std)
        shape = (network.config.channels, network.config.resolution, network.config.resolution)
        self._noise = torch.randn(count, *shape, generator=generator)
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}

    def evaluate(self, step: int, weights: dict[str, Tensor]) -> None:
        """Measure `weights` (a full state dict) after `step` steps."""
        self._shadow.load_state_dict(weights)
        row = {"step": float(step), **{f"{name}_error": self._error(*pair) for name, pair in self._sets.items()}}
        if "held_out_error" in row:
            row["gap"] = row["held_out_error"] - row["train_error"]
        least = min((other["held_out_error"] for other in self.rows if "held_out_error" in other), default=np.inf)
        self.rows.append(row)
        if not self._config.keep_best or row.get("held_out_error", -np.inf) < least:
            for other in self.rows:
                other["kept"] = float(other is row)
            self.best = weights
        else:
            row["kept"] = 0.0

    @torch.no_grad()
    def _error(self, latents: Rows, conditions: Rows | None) -> float:
        """Mean of weight · (D - x)² over the fixed draws, float64."""
        total, elements, available = 0.0, 0, latents.shape[0]
        for start in range(0, len(self._sigma), self._config.batch):
            stop = min(start + self._config.batch, len(self._sigma))
            rows = np.arange(start, stop) % available
            x = _tensor(latents[rows], self._device)
            labels = None if conditions is None else _tensor(conditions[rows], self._device)
            sigma = self._sigma[start:stop].reshape(-1, 1, 1, 1).to(self._device)
            denoised = self._shadow(x + sigma * self._noise[start:stop].to(self._device), sigma, labels)
            error = loss_weight(sigma, self._shadow.config.sigma_data) * (denoised - x) ** 2
            total, elements = total + float(error.double().sum()), elements + error.numel()
        return total / elements

    def state_dict(self) -> dict[str, Any]:
        """Rows so far and the best weights."""
        return {"rows": self.rows, "best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.rows, self.best = [dict(row) for row in state["rows"]], dict(state["best"])


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    # a read-only array may not become a tensor
    return torch.from_numpy(np.array(values, dtype=np.float32)).to(device)


def noisy_conditions(conditions: Tensor, length: float, generator: torch.Generator) -> Tensor:
    """`conditions` [B, L] plus Gaussian noise of expected squared length `length`², scaled back to unit length.

    The denoiser meets blends of conditions later; noise in training keeps it from tying an image to one exact vector.
    """
    if length == 0:
        return conditions
    noise = torch.randn(conditions.shape, generator=generator).to(conditions.device)
    return F.normalize(conditions + noise * (length / conditions.shape[1] ** 0.5), dim=1)


def _check(latents: Rows, conditions: Rows | None, where: str) -> None:
    if latents.shape[0] == 0:
        raise InputError(f"There are no images to train {where} on", where="cohort split")
    if conditions is not None and conditions.shape[0] != latents.shape[0]:
        raise InputError(
            f"{latents.shape[0]} latents but {conditions.shape[0]} conditions",
            where=where,
            how="run the features stage again",
        )


def train_denoiser(
    name: str,
    latents: Rows,
    conditions: Rows | None,
    config: DiffusionConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path,
    held_out: tuple[Rows, Rows | None] | None = None,
    save_every: int = 500,
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Train a denoiser on `latents` float32 [N, c, h, w] under unit `conditions` float32 [N, L], or without.

    `name` sets this training's random streams apart ('denoiser', 'guide'). `held_out` is (latents, conditions or
    None) of subjects that are not trained on. Returns the state dict of the averaged weights (with `keep_best` and
    `held_out` those of least held-out error, else the last) and the history: rows with `step`, `loss` (mean EDM2 loss
    per element) and `lr`, some also with `train_error`, `held_out_error`, `gap` and `kept` (see `Monitor`). Resumes
    from `checkpoint`, which the caller removes once it has written the result. `InputError` if the shapes do not fit
    or the loss leaves the finite numbers.
    """
    _check(latents, conditions, name)
    label_dim = 0 if conditions is None else int(conditions.shape[1])
    shape = tuple(latents.shape[1:])
    network = build_denoiser(config.network(shape, label_dim), derive_seed(seed, name, "weights")).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.ref_lr, betas=ADAM_BETAS, fused=True)
    ema = PowerEMA(network, config.ema_std)
    sets: dict[str, tuple[Rows, Rows | None]] = {"train": (latents, conditions)}
    if held_out is not None and held_out[0].shape[0] > 0:
        _check(*held_out, where=f"{name} (held out)")
        sets["held_out"] = held_out
    monitor = Monitor(name, network, config, sets, seed=seed, device=device)
    order = EpochOrder(latents.shape[0], config.batch, seed, name)
    steps = -(-config.images // config.batch)
    interval = max(round(steps / config.evaluations / LOG_EVERY), 1) * LOG_EVERY

    def body(step: int, generator: torch.Generator) -> dict[str, float]:
        network.train()
        seen = step * config.batch
        rows = order.at(step)
        x = _tensor(latents[rows], device)
        z, noise = torch.randn(len(rows), 1, 1, 1, generator=generator), torch.randn(x.shape, generator=generator)
        labels = None
        if conditions is not None:
            labels = noisy_conditions(_tensor(conditions[rows], device), config.condition_noise, generator)
        sigma = sigma_from_normal(z, config.P_mean, config.P_std).to(device)
        rate = learning_rate(
            seen,
            batch=config.batch,
            ref_lr=config.ref_lr,
            ref_batches=config.ref_batches,
            rampup_images=config.rampup_images,
        )
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            # dropout alone draws from torch's global generator; seeded per step, a resumed run repeats it
            torch.manual_seed(derive_seed(seed, name, "dropout", step))
            loss = edm2_loss(network, x, sigma, noise.to(device), labels)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        (loss.sum() / len(rows)).backward()
        optimizer.step()
        ema.update(seen + config.batch, config.batch)
        if (step + 1) % interval == 0 or step + 1 == steps:
            monitor.evaluate(step + 1, ema.weights())
        return {"loss": float(loss.detach().mean()), "lr": rate}

    parts = {"network": network, "optimizer": optimizer, "ema": ema, "monitor": monitor}
    history = train_loop(
        name,
        parts=parts,
        steps=steps,
        body=body,
        checkpoint=checkpoint,
        seed=seed,
        save_every=save_every,
        log_every=LOG_EVERY,
    )
    save_checkpoint(checkpoint, parts, steps, history)
    measured = {row["step"]: row for row in monitor.rows}
    weights = {key: value.cpu() for key, value in monitor.best.items()}
    return weights, [{**row, **measured.get(row["step"], {})} for row in history]
