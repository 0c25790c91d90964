"""Training of the denoiser and of the guide, on one process or several, resumable to the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.distributed import World
from ..core.errors import InputError
from ..core.seeds import derive_seed
from ..core.training import Hooks, train_loop
from .config import DiffusionConfig
from .ema import PowerEMA
from .layers import normalize_weights_
from .loss import edm2_loss
from .monitor import Callback, Monitor
from .network import Denoiser, build_denoiser, compile_, pick_precision
from .pairs import Compared
from .private import Privacy, PrivateBatches, PrivateStep
from .rows import Ambient, Augmented, Batch, Batches, Examples, Rows
from .schedule import learning_rate

ADAM_BETAS = (0.9, 0.99)
LOG_EVERY = 25
SCALE = 2.0**8
"""Of the loss in fp16 at first: the losses of EDM2 are about 1 per element, and torch's own 2^16 would overflow."""

Snapshot = Callable[[int, float, dict[str, Tensor]], None]
"""Takes images seen, relative width and weights of an average, to be kept for reconstruction."""


@dataclass(frozen=True)
class Training:
    """What a training may have beyond data and configuration; everything is optional.

    `start`: a full state dict instead of drawn weights. `flipped`: latents of the mirrored images, for the
    configuration's `horizontal_flip`; `augmented`: views, for its `augment`; `ambient`: names and who is seen clean,
    for its `ambient_sigma`. `noise_scale` float32 [L]: see `rows.noisy_conditions`. `callbacks`: see
    `monitor.Callback`. `snapshot` takes averages of the widths `ema_profiles`. `watch` sees every history row and the
    images per second. `halfway`: `snapshot` also takes the first profile at every measurement and midway between two.
    `examined`: whom the monitor compares; else the first images of either side. `world`: the processes that share
    every batch. `privacy`: steps are private, see `private`.
    """

    start: Mapping[str, Tensor] | None = None
    flipped: Rows | None = None
    augmented: Augmented | None = None
    ambient: Ambient | None = None
    noise_scale: np.ndarray | None = None
    callbacks: Sequence[Callback] = ()
    snapshot: Snapshot | None = None
    watch: Callable[[dict[str, float], float], None] = lambda row, rate: None
    halfway: bool = False
    examined: Compared | None = None
    world: World = field(default_factory=World)
    privacy: Privacy | None = None


@dataclass(frozen=True)
class Trained:
    """Averaged weights (a state dict; empty in other processes than the first), the history, why training ended early
    ("" if it did not), and the monitor, for whoever measures other weights alike."""

    weights: dict[str, Tensor]
    history: list[dict[str, float]]
    stopped: str
    monitor: Monitor


class Averages:
    """The averages of all profiles; the first is the one that is measured."""

    def __init__(self, network: Denoiser, stds: Sequence[float]) -> None:
        self.by_std = {std: PowerEMA(network, std) for std in dict.fromkeys(stds)}

    def update(self, images: int, batch: int) -> None:
        """Take in the present weights, as `PowerEMA.update`."""
        for average in self.by_std.values():
            average.update(images, batch)

    def weights(self, std: float) -> dict[str, Tensor]:
        """A full state dict of one profile."""
        return self.by_std[std].weights()

    def state_dict(self) -> dict[str, Any]:
        """All averages."""
        return {str(std): average.state_dict() for std, average in self.by_std.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        for std, average in self.by_std.items():
            average.load_state_dict(state[str(std)])


def check_rows(latents: Rows, conditions: Rows | None, where: str) -> None:
    """`InputError` where there is nothing to train on, or latents and conditions are not of the same images."""
    if latents.shape[0] == 0:
        raise InputError(f"There are no images to train {where} on", where="cohort split")
    if conditions is not None and conditions.shape[0] != latents.shape[0]:
        raise InputError(
            f"{latents.shape[0]} latents but {conditions.shape[0]} conditions",
            where=where,
            how="run the features stage again",
        )


def check_world(config: DiffusionConfig, world: World) -> None:
    """`InputError` where a batch cannot be shared equally by the processes and their parts."""
    if config.batch % (world.size * config.accumulation):
        raise InputError(
            f"A batch of {config.batch} cannot be shared by {world.size} processes in {config.accumulation} parts",
            where="[diffusion] batch",
            how=f"use a multiple of {world.size * config.accumulation}",
        )


class Step:
    """One optimiser step: losses and gradients of this process's share of the batch, in parts, then the update."""

    def __init__(self, network: Denoiser, config: DiffusionConfig, device: torch.device, world: World) -> None:
        self.network, self.config, self.device, self.world = network, config, device, world
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.ref_lr, betas=ADAM_BETAS, fused=True)
        network.precision = pick_precision(config.precision, device)
        # gradients of half floats vanish below 6e-8; those of bfloat16 do not
        self.scaler = torch.amp.GradScaler(device.type, init_scale=SCALE, enabled=network.precision == "fp16")
        if config.compile and device.type == "cuda":
            compile_(network)
        self.model: torch.nn.Module = network
        if world.size > 1:
            from torch.nn.parallel import DistributedDataParallel

            devices = [device] if device.type == "cuda" else None
            self.model = DistributedDataParallel(network, device_ids=devices)

    def __call__(self, batch: Batch, rate: float) -> Tensor:
        """Update the network; returns the mean loss per element of this process's share, a scalar on its device."""
        config = self.config
        self.network.train()
        normalize_weights_(self.network)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        count = len(batch.latents)
        each = count // config.accumulation
        total: Tensor | None = None
        for start in range(0, count, each):
            some = batch.rows(slice(start, start + each))
            with self._shared(last=start + each == count):
                loss = edm2_loss(
                    self.model, some.latents, some.sigma, some.noise, some.labels, some.augment, some.noised
                )
                self.scaler.scale(loss.sum() / count).backward()
            mean = loss.detach().mean() / config.accumulation
            total = mean if total is None else total + mean
        self.scaler.step(self.optimizer)
        self.scaler.update()
        assert total is not None
        return total

    def _shared(self, *, last: bool) -> AbstractContextManager[Any]:
        """Gradients travel once a step, after its last part."""
        if self.world.size == 1 or last:
            return nullcontext()
        return self.model.no_sync()  # type: ignore[no-any-return, operator]


def train_denoiser(
    name: str,
    latents: Rows,
    conditions: Rows | None,
    config: DiffusionConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path,
    held_out: Examples | None = None,
    save_every: int = 500,
    training: Training | None = None,
) -> Trained:
    """Train a denoiser on `latents` float32 [N, c, h, w] under unit `conditions` float32 [N, L], or without.

    `name` sets this training's random streams apart ('denoiser', 'guide'). `held_out` is (latents, conditions or
    None) of subjects that are not trained on. The weights returned are averages (with `keep_best` and `held_out`
    those of least held-out error that do not memorise, else the last). History rows have `step`, `loss` (mean EDM2
    loss per element) and `lr`, some also with `train_error`, `held_out_error`, `gap`, `memorised`, `kept` and what
    callbacks add (see `Monitor`). Resumes from `checkpoint`, which the caller removes once it has written the result.
    `InputError` if shapes do not fit, or the loss or the weights leave the finite numbers.
    """
    course = _Course(name, latents, conditions, config, training or Training(), held_out, seed=seed, device=device)
    history = train_loop(
        name,
        states=course.states,
        steps=course.steps,
        body=course.step,
        checkpoint=checkpoint,
        seed=seed,
        save_every=save_every,
        log_every=LOG_EVERY,
        batch=config.batch,
        hooks=course.hooks,
        world=course.world,
    )
    monitor = course.monitor
    measured = {row["step"]: row for row in monitor.rows}
    return Trained(
        weights={key: value.cpu() for key, value in monitor.best.items()},
        history=[{**row, **measured.get(row["step"], {})} for row in history],
        stopped=monitor.stopped,
        monitor=monitor,
    )


class _Course:
    """One training from step to step: what is updated, measured and kept, and when."""

    def __init__(
        self,
        name: str,
        latents: Rows,
        conditions: Rows | None,
        config: DiffusionConfig,
        extra: Training,
        held_out: Examples | None,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.extra, self.world, self.device = config, extra, extra.world, device
        self._name, self._seed = name, seed
        check_rows(latents, conditions, name)
        check_world(config, self.world)
        label_dim = 0 if conditions is None else int(conditions.shape[1])
        shape = config.network(tuple(latents.shape[1:]), label_dim)
        network = build_denoiser(shape, derive_seed(seed, name, "weights"))
        if extra.start is not None:
            network.load_state_dict(dict(extra.start))
        network.to(device)
        self.update: Step | PrivateStep = Step(network, config, device, self.world)
        make: Callable[..., Batches] = Batches
        if extra.privacy is not None:
            private = PrivateStep(network, config, device, privacy=extra.privacy, name=name, betas=ADAM_BETAS)
            self.update, make = private, partial(PrivateBatches, privacy=extra.privacy, secret=private.secret)
        self.averages = Averages(network, (config.ema_std, *config.ema_profiles))
        sets = _measured_sets(name, (latents, conditions), held_out, config, extra)
        self.monitor = Monitor(name, network, config, sets, seed=seed, device=device, callbacks=extra.callbacks)
        self.batches = make(
            latents,
            conditions,
            config,
            seed=seed,
            name=name,
            flipped=extra.flipped,
            augmented=extra.augmented,
            ambient=extra.ambient,
            noise_scale=extra.noise_scale,
        )
        self.steps = -(-config.images // config.batch)
        self.interval = max(round(self.steps / config.evaluations / LOG_EVERY), 1) * LOG_EVERY
        self.states: dict[str, Any] = {
            "network": network,
            "optimizer": self.update.optimizer,
            "scaler": self.update.scaler,
            "averages": self.averages,
            "monitor": self.monitor,
        }
        if isinstance(self.update, PrivateStep):
            self.states["privacy"] = self.update

    @property
    def hooks(self) -> Hooks:
        """What the loop asks for between steps."""
        halfway = self.interval // 2
        return Hooks(
            stop=lambda: bool(self.monitor.stopped),
            due=lambda step: self._is_measured(step) or (self.extra.halfway and step % self.interval == halfway),
            look=self._look,
            watch=self._watch,
            describe=lambda step: f"images {self.batches.rows(step).tolist()} of the train images",
        )

    def step(self, step: int, generator: torch.Generator) -> dict[str, Any]:
        """One optimiser step; its loss and learning rate."""
        config, device, world = self.config, self.device, self.world
        batch = self.batches.at(step, generator, world.share(config.batch), device)
        seen = step * config.batch
        rate = learning_rate(
            seen,
            batch=config.batch,
            ref_lr=config.ref_lr,
            ref_batches=config.ref_batches,
            rampup_images=config.rampup_images,
        )
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            # dropout alone draws from torch's global generator; seeded per step, a resumed run repeats it
            torch.manual_seed(derive_seed(self._seed, self._name, "dropout", step, *([world.rank] * (world.size > 1))))
            loss = self.update(batch, rate)
        self.averages.update(seen + config.batch, config.batch)
        return {"loss": loss if device.type == "cuda" else float(loss), "lr": rate}

    def _is_measured(self, step: int) -> bool:
        return step % self.interval == 0 or step == self.steps

    def _look(self, step: int) -> None:
        """Measure the averaged weights, or only keep them midway between two measurements."""
        config = self.config
        if not self._is_measured(step):
            return self._keep(step, (config.ema_std,))
        if self.world.first:
            self.monitor.evaluate(step, self.averages.weights(config.ema_std))
        self._keep(step, (*config.ema_profiles, *([config.ema_std] if self.extra.halfway else [])))
        self.monitor.stopped = self.world.broadcast(self.monitor.stopped)

    def _keep(self, step: int, stds: Sequence[float]) -> None:
        snapshot = self.extra.snapshot
        for std in dict.fromkeys(stds) if self.world.first and snapshot else ():
            assert snapshot is not None
            snapshot(step * self.config.batch, std, self.averages.weights(std))

    def _watch(self, row: dict[str, float], rate: float) -> None:
        measured = next((other for other in self.monitor.rows if other["step"] == row["step"]), {})
        self.extra.watch({**row, **measured}, rate)


def _measured_sets(
    name: str, train: Examples, held_out: Examples | None, config: DiffusionConfig, extra: Training
) -> Examples | Compared:
    """What the monitor compares: whom it was told to, else the first of train and of held out."""
    if held_out is None or held_out[0].shape[0] == 0:
        return train
    check_rows(*held_out, where=f"{name} (held out)")
    if extra.examined is not None and extra.examined.train[0].shape[0]:
        return extra.examined
    return Compared.first(train, held_out, config.evaluation_images)
