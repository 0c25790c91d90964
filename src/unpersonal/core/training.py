"""A training loop that survives SIGKILL and continues to the same bytes.

Every random draw of step `i` comes from a generator seeded by (seed, name, i), so a checkpoint needs the step, the
parameters and the optimiser only; data order and noise follow from the step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .errors import InputError
from .files import atomic_path
from .progress import progress_bar
from .seeds import torch_generator
from .tensors import load_tensors

if TYPE_CHECKING:
    import torch


class Stateful(Protocol):
    """Whatever can be saved and restored: modules, optimisers, EMA trackers."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> Any: ...


def flatten_state(state: Any, prefix: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Move the tensors of a nested state into `tensors`; what remains is plain JSON with references."""
    import torch

    if isinstance(state, torch.Tensor):
        tensors[prefix] = state.detach().cpu().clone().contiguous()
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


def save_checkpoint(path: Path, parts: Mapping[str, Stateful], step: int, history: list[dict[str, float]]) -> None:
    """Write every part, the step and the history to one safetensors file, atomically."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    plan = {name: flatten_state(part.state_dict(), name, tensors) for name, part in parts.items()}
    with atomic_path(path) as temporary:
        save_file(
            tensors, temporary, metadata={"plan": json.dumps(plan), "step": str(step), "history": json.dumps(history)}
        )


def load_checkpoint(path: Path, parts: Mapping[str, Stateful]) -> tuple[int, list[dict[str, float]]]:
    """Restore every part in place; returns the step and the history."""
    tensors, metadata = load_tensors(path)
    plan = json.loads(metadata["plan"])
    for name, part in parts.items():
        part.load_state_dict(restore_state(plan[name], tensors))
    return int(metadata["step"]), json.loads(metadata["history"])


def train_loop(
    name: str,
    *,
    parts: Mapping[str, Stateful],
    steps: int,
    body: Callable[[int, torch.Generator], dict[str, float]],
    checkpoint: Path,
    seed: int,
    save_every: int = 500,
    log_every: int = 25,
) -> list[dict[str, float]]:
    """Run `body(step, generator)` for `steps` steps, resuming from `checkpoint` where it exists.

    `body` performs one optimiser step with random numbers from `generator` only, and returns scalars to log, `loss`
    among them. Returns the history: one row per `log_every` steps, with `step` and the mean of each scalar since the
    last row. A loss that is not finite is an `InputError`; the last good checkpoint stays. The checkpoint is left
    in place: the caller removes it once it has written its result.
    """
    step, history = load_checkpoint(checkpoint, parts) if checkpoint.exists() else (0, [])
    pending: list[dict[str, float]] = []
    # a checkpoint falls on a log row, so that no pending scalars are lost
    save_every = max(save_every // log_every, 1) * log_every
    with progress_bar(name, steps, start=step) as bar:
        while step < steps:
            scalars = body(step, torch_generator(seed, name, step))
            if not all(math.isfinite(value) for value in scalars.values()):
                raise InputError(
                    f"Training of {name} left the finite numbers ({scalars})",
                    where=f"step {step}",
                    how="lower the learning rate in study.toml; the last good checkpoint is kept",
                )
            step += 1
            pending.append(scalars)
            bar.advance()
            if step % log_every == 0 or step == steps:
                means = {key: sum(row[key] for row in pending) / len(pending) for key in pending[0]}
                history.append({"step": float(step), **means})
                pending = []
                bar.note(f"loss {means['loss']:.4f}")
            if step % save_every == 0 and step < steps:
                save_checkpoint(checkpoint, parts, step, history)
    return history


def rate_at(step: int, steps: int, peak: float) -> float:
    """Learning rate: linear warm-up over the first 5 % of the steps, then half a cosine to zero."""
    warm = max(steps // 20, 1)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))
