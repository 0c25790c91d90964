"""A training loop that survives SIGKILL and continues to the same bytes.

Every random draw of step `i` comes from a generator seeded by (seed, name, i), so a checkpoint needs the step, the
parameters and the optimiser only; data order and noise follow from the step.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .distributed import World
from .errors import InputError
from .files import atomic_path
from .progress import progress_bar
from .seeds import torch_generator
from .tensors import load_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


SAVE_SECONDS = 60.0
"""Time after which a checkpoint is written at the next row of the history, if not sooner."""
SAVE_SHARE = 20
"""Writing checkpoints by time takes at most one second in so many."""


class Stateful(Protocol):
    """Whatever can be saved and restored: modules, optimisers, EMA trackers."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> Any: ...


def flatten_state(state: Any, prefix: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Move the tensors of a nested state into `tensors`; what remains is plain JSON with references.

    Tensors that are contiguous and on the CPU stay themselves: write them before anything changes them.
    """
    import torch

    if isinstance(state, torch.Tensor):
        tensors[prefix] = state.detach().cpu().contiguous()
        return {"__tensor__": prefix}
    if isinstance(state, Mapping):
        return {"__map__": [[key, flatten_state(value, f"{prefix}/{key}", tensors)] for key, value in state.items()]}
    if isinstance(state, list | tuple):
        return {"__list__": [flatten_state(value, f"{prefix}/{i}", tensors) for i, value in enumerate(state)]}
    return state


def restore_state(plan: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Inverse of `flatten_state` (tuples come back as lists)."""
    if isinstance(plan, dict):
        if "__tensor__" in plan:
            return tensors[plan["__tensor__"]]
        if "__map__" in plan:
            return {key: restore_state(value, tensors) for key, value in plan["__map__"]}
        return [restore_state(value, tensors) for value in plan["__list__"]]
    return plan


def save_checkpoint(path: Path, states: Mapping[str, Stateful], step: int, history: list[dict[str, float]]) -> None:
    """Write every state, the step and the history to one safetensors file, atomically."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    plan = {name: flatten_state(state.state_dict(), name, tensors) for name, state in states.items()}
    seen: set[int] = set()
    for name, value in tensors.items():
        # safetensors refuses tensors that share memory; all others are written from where they are, not from a copy
        storage = value.untyped_storage().data_ptr()
        if storage in seen:
            tensors[name] = value.clone()
        seen.add(storage)
    metadata = {"plan": json.dumps(plan), "step": str(step), "history": json.dumps(history)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={**metadata, "sha256": _digest(tensors, metadata)})


def _digest(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> str:
    """Hex SHA-256 of everything in a checkpoint: a bit that flipped on the disk would be trained on unnoticed."""
    import torch

    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_checkpoint(path: Path, states: Mapping[str, Stateful]) -> tuple[int, list[dict[str, float]]]:
    """Restore every state in place; returns the step and the history. One that is not as written is an `InputError`."""
    tensors, metadata = load_tensors(path)
    if metadata.pop("sha256", None) != _digest(tensors, metadata):
        raise InputError(
            "A checkpoint is not what was written: the file is damaged",
            where=str(path),
            how="delete it and run again; this training then starts anew",
        )
    plan = json.loads(metadata["plan"])
    for name, state in states.items():
        state.load_state_dict(restore_state(plan[name], tensors))
    return int(metadata["step"]), json.loads(metadata["history"])


def is_finite(state: Any) -> bool:
    """Whether every number in the tensors of a nested state is finite; waits once for each device."""
    import torch

    found: dict[torch.device, list[torch.Tensor]] = {}
    for tensor in _tensors(state):
        found.setdefault(tensor.device, []).append(torch.isfinite(tensor).all())
    return all(bool(torch.stack(each).all()) for each in found.values())


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    """The tensors of a nested state."""
    import torch

    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, Mapping | list | tuple):
        for value in state.values() if isinstance(state, Mapping) else state:
            yield from _tensors(value)


@dataclass(frozen=True)
class Hooks:
    """What a training may add to its loop; every hook is optional.

    `stop()` says at every log row whether to end early: it must follow from `states`, so that a resumed
    run ends where the whole one did. `look(step)` measures or keeps the weights after each of the `step` steps for
    which `due(step)` holds; it meets finite weights only. `watch(row, rate)` sees every history row and the images per
    second since the last one. `describe(step)` names the batch of a step, for the message about numbers that are not
    finite.
    """

    stop: Callable[[], bool] = lambda: False
    due: Callable[[int], bool] = lambda step: False
    look: Callable[[int], None] = lambda step: None
    watch: Callable[[dict[str, float], float], None] = lambda row, rate: None
    describe: Callable[[int], str] = lambda step: ""


def train_loop(
    name: str,
    *,
    states: Mapping[str, Stateful],
    steps: int,
    body: Callable[[int, torch.Generator], Mapping[str, Any]],
    checkpoint: Path,
    seed: int,
    save_every: int = 500,
    log_every: int = 25,
    batch: int = 0,
    hooks: Hooks | None = None,
    world: World | None = None,
) -> list[dict[str, float]]:
    """Run `body(step, generator)` for `steps` steps, resuming from `checkpoint` where it exists.

    `body` performs one optimiser step with random numbers from `generator` only, and returns scalars to log (numbers,
    or tensors, which are read at log rows only, so that a GPU need not be waited for), `loss` among them. Returns the
    history: one row per `log_every` steps, with `step` and the mean of each scalar since the last row, over all
    processes of `world`. A scalar that is not finite is an `InputError`, as is a tensor of `states` that is not when
    it would be measured, saved or returned; the last good checkpoint stays. The first process alone writes
    checkpoints, the last one after the last step; the caller removes it once it has written its result. `batch` is the
    images per step, for the rate shown.
    """
    hooks, world = hooks or Hooks(), world or World()
    guard = _Guard(name, states, hooks.describe, world)
    # a checkpoint falls on a log row, so that no pending scalars are lost
    saver = _Saver(checkpoint, states, max(save_every // log_every, 1) * log_every, world)
    step, history = saver.resume()
    pending: list[Mapping[str, Any]] = []
    since = time.monotonic()
    with progress_bar(name, steps, start=step) as bar:
        while step < steps and not hooks.stop():
            pending.append(body(step, torch_generator(seed, name, step)))
            step += 1
            bar.advance()
            if hooks.due(step):
                guard.numbers(pending, step)
                guard.weights(step)
                hooks.look(step)
            if step % log_every and step != steps:
                continue
            row = {"step": float(step), **_means(guard.numbers(pending, step), world)}
            rate = len(pending) * batch / max(time.monotonic() - since, 1e-9)
            history.append(row)
            pending, since = [], time.monotonic()
            bar.note(f"loss {row['loss']:.4f}" + (f", {rate:,.0f} images/s" if batch else ""))
            if world.first:
                hooks.watch(row, rate)
            if step < steps and saver.is_due(step):
                guard.weights(step)
                saver.save(step, history)
    guard.weights(step)
    # a stage that is killed after this point does not train again
    saver.save(step, history)
    return history


class _Saver:
    """Writes the checkpoint of a training: every so many steps, or after some time."""

    def __init__(self, path: Path, states: Mapping[str, Stateful], every: int, world: World) -> None:
        self._path, self._states, self._every, self._world = path, states, every, world
        self._saved, self._cost, self._step = time.monotonic(), 0.0, 0

    def resume(self) -> tuple[int, list[dict[str, float]]]:
        """The step and the history to go on from; restores the states where there is a checkpoint."""
        step, history = load_checkpoint(self._path, self._states) if self._path.exists() else (0, [])
        if self._world.broadcast(step) != step:
            raise InputError(
                "The processes of this run do not see the same checkpoint",
                where=str(self._path),
                how="put the study on a disk that all of them share",
            )
        self._step = step
        return step, history

    def is_due(self, step: int) -> bool:
        """Whether to save now; the same answer in every process."""
        waited = time.monotonic() - self._saved > max(SAVE_SECONDS, SAVE_SHARE * self._cost)
        return bool(self._world.broadcast(step % self._every == 0 or waited))

    def save(self, step: int, history: list[dict[str, float]]) -> None:
        """Write the state after `step` steps, unless it is there already; the first process alone writes."""
        if step == self._step:
            return
        begin = time.monotonic()
        if self._world.first:
            save_checkpoint(self._path, self._states, step, history)
        self._saved, self._step = time.monotonic(), step
        self._cost = self._saved - begin


@dataclass(frozen=True)
class _Guard:
    """Ends the training `name` with an `InputError` where its numbers are no longer finite."""

    name: str
    states: Mapping[str, Stateful]
    describe: Callable[[int], str]
    world: World

    def numbers(self, pending: list[Mapping[str, Any]], step: int) -> list[dict[str, float]]:
        """The scalars of the steps that end with `step`, as numbers."""
        rows = [{key: float(value) for key, value in row.items()} for row in pending]
        for place, row in enumerate(rows, start=step - len(rows)):
            self._refuse(not all(math.isfinite(value) for value in row.values()), place, str(row))
        return rows

    def weights(self, step: int) -> None:
        """Look at the states after `step` steps: a loss is measured before its update, and cannot tell."""
        lost = not all(is_finite(state.state_dict()) for state in self.states.values())
        self._refuse(lost, step - 1, "weights after the update")

    def _refuse(self, lost: bool, place: int, found: str) -> None:
        # every process must leave the loop where one does, or the others would wait for it
        if self.world.mean(float(lost)) > 0:
            which = self.describe(place)
            raise InputError(
                f"Training of {self.name} left the finite numbers ({found})",
                where=f"step {place}" + (f", {which}" if which else ""),
                how="lower the learning rate in study.toml (training then starts anew) or mend that batch; until "
                "study.toml is changed, the last good checkpoint is kept",
            )


def _means(rows: list[dict[str, float]], world: World) -> dict[str, float]:
    """Mean of each scalar over `rows`, and over all processes."""
    return {key: world.mean(sum(row[key] for row in rows) / len(rows)) for key in rows[0]}


class BestWeights:
    """The weights at the best look of a training; one of its states, so that a resumed run keeps them.

    `looks` has one row per look: `step` and `score` (None where nothing could be measured).
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.weights: dict[str, Tensor] = {}
        self.grade, self.score = 0.0, math.nan
        self.step = 0
        self.looks: list[dict[str, float | None]] = []

    def offer(self, score: float, step: int, *, grade: float = 0.0, weights: dict[str, Tensor] | None = None) -> bool:
        """Keep the weights if `score` after `step` steps beats the best so far; says whether it did.

        A higher `grade` beats every score of a lower one. A NaN (nothing held out to measure on) never beats a number,
        and gives way to whatever comes later. `weights` (a state dict that the caller gives away) are by default those
        of the model at this moment, copied to the CPU.
        """
        self.looks.append({"step": float(step), "score": None if math.isnan(score) else score})
        if self.weights and not self._is_beaten_by(grade, score):
            return False
        self.grade, self.score, self.step = grade, score, step
        if weights is None:
            weights = {name: value.detach().cpu().clone() for name, value in self._model.state_dict().items()}
        self.weights = weights
        return True

    def _is_beaten_by(self, grade: float, score: float) -> bool:
        if grade != self.grade:
            return grade > self.grade
        return math.isnan(self.score) or score > self.score

    def restore(self) -> None:
        """Put the best weights into the model and set it to eval mode."""
        self._model.load_state_dict(self.weights)
        self._model.eval()

    def state_dict(self) -> dict[str, Any]:
        """Weights, grade, score, step and looks."""
        score = None if math.isnan(self.score) else self.score
        own = {"grade": self.grade, "score": score, "step": self.step, "looks": self.looks}
        return {"weights": self.weights, **own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.weights, self.grade = dict(state["weights"]), float(state["grade"])
        self.score = math.nan if state["score"] is None else float(state["score"])
        self.step = int(state["step"])
        self.looks = [dict(look) for look in state["looks"]]


def rate_at(step: int, steps: int, peak: float) -> float:
    """Learning rate: linear warm-up over the first 5 % of the steps, then half a cosine to zero."""
    warm = max(steps // 20, 1)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))
