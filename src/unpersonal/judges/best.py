"""Keeping the best weights of a training run, not the last."""

from __future__ import annotations

import math
from typing import Any

from torch import nn


class BestWeights:
    """The state of `model` at the look with the highest score; part of the checkpoint, so that a resumed run keeps it.

    `looks` has one row per look: `step` and `score`.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._state: dict[str, Any] = {}
        self.score = math.nan
        self.step = 0
        self.looks: list[dict[str, float | None]] = []

    def offer(self, score: float, step: int) -> bool:
        """Keep the present weights if `score` beats the best so far; says whether it did.

        A NaN (nothing held out to measure on) never beats a number, and gives way to whatever comes later.
        """
        self.looks.append({"step": float(step), "score": None if math.isnan(score) else score})
        if not (math.isnan(self.score) or score > self.score):
            return False
        self.score, self.step = score, step
        self._state = {name: value.detach().cpu().clone() for name, value in self._model.state_dict().items()}
        return True

    def restore(self) -> None:
        """Put the best weights into the model and set it to eval mode."""
        self._model.load_state_dict(self._state)
        self._model.eval()

    def state_dict(self) -> dict[str, Any]:
        """Weights, score, step and looks."""
        score = None if math.isnan(self.score) else self.score
        return {"weights": self._state, "score": score, "step": self.step, "looks": self.looks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self._state = dict(state["weights"])
        self.score = math.nan if state["score"] is None else float(state["score"])
        self.step = int(state["step"])
        self.looks = [dict(look) for look in state["looks"]]
