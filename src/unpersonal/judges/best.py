"""Keeping the best weights of a training run, not the last."""

from __future__ import annotations

from typing import Any

from torch import nn


class BestWeights:
    """The state of `model` at the look with the highest score; part of the checkpoint, so that a resumed run keeps it."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._state: dict[str, Any] = {}
        self.score = float("-inf")
        self.step = 0

    def offer(self, score: float, step: int) -> bool:
        """Keep the present weights if `score` beats the best so far (a NaN never does); says whether it did."""
        if self._state and not score > self.score:
            return False
        self.score = score if score == score else float("-inf")
        self.step = step
        self._state = {name: value.detach().cpu().clone() for name, value in self._model.state_dict().items()}
        return True

    def restore(self) -> None:
        """Put the best weights into the model and set it to eval mode."""
        if self._state:
            self._model.load_state_dict(self._state)
        self._model.eval()

    def state_dict(self) -> dict[str, Any]:
        """Weights, score and step."""
        return {"weights": self._state, "score": self.score if self._state else None, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self._state = dict(state["weights"])
        self.score = float("-inf") if state["score"] is None else float(state["score"])
        self.step = int(state["step"])


def rate_at(step: int, steps: int, peak: float) -> float:
    """Learning rate: linear warm-up over the first 5 % of the steps, then half a cosine to zero."""
    from math import cos, pi

    warm = max(steps // 20, 1)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + cos(pi * (step - warm) / max(steps - warm, 1)))
