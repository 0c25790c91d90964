"""What is measured while a denoiser trains, which weights are kept, and when training ends early.

Two signs of memorisation are watched, both against people who are not trained on: the denoising error on held-out
people minus that on train people, and the share of drawn samples that matchers take for a train image more surely than
they take held-out images for one. Either ends training where its upper bound passes its margin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.progress import console
from ..core.seeds import derive_seed, torch_generator
from ..core.training import BestWeights
from .config import DiffusionConfig
from .difficulty import Difficulty
from .gap import Gap, by_person, measure_gap, too_coarse
from .loss import loss_weight, sigma_from_normal
from .network import Denoiser, fold_weights
from .pairs import Compared, one_hot
from .rows import Examples, to_tensor

Callback = Callable[[int, Denoiser], Mapping[str, float]]
"""Called with the step and the averaged network, ready for sampling; what it returns joins the history's row.
`memorised` = 1 among it says that these weights reproduce people."""
QUANTILES = (0.04, 0.2)
"""Of the noise levels of training, where errors are measured. Memorisation shows at low and middle levels (arXiv
2502.21278); on Kermany's X-rays the gap at the upper ones is less, and three times as noisy (docs/method.md)."""


MEASURED = 256
"""Images whose errors are measured together, at most, so that they do not set the peak of memory."""


class Monitor:
    """Errors of the averaged weights on fixed people under fixed noise, and the best weights by those of held-out ones.

    `sets` is (latents, conditions) of train images alone, or both sides with whom they show. Every measurement
    meets the same images under the same noise at the same levels. `gap` is compared at equal difficulty (see `gap`),
    and `train_error` what train people as hard as the held-out ones have. Weights whose gap may exceed `max_gap` of
    the held-out error by its interval, or surely does where the interval is too wide to tell, or which a callback
    calls memorised, are kept only where there are no others, and `stopped` says that training has to end; so does
    `patience` measurements without a lesser error.
    """

    def __init__(
        self,
        name: str,
        network: Denoiser,
        config: DiffusionConfig,
        sets: Examples | Compared,
        *,
        seed: int,
        device: torch.device,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self._shadow = fold_weights(network)
        self._config, self._device, self._callbacks, self._key = config, device, callbacks, (seed, name)
        self._sets = sets
        quantiles = torch.special.ndtri(torch.tensor(QUANTILES, dtype=torch.float64))
        self._levels = sigma_from_normal(quantiles, config.P_mean, config.P_std).tolist()
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
        self._say_if_coarse()
        self.stopped = self._why_to_stop()

    def measure(self, step: int, weights: dict[str, Tensor]) -> dict[str, float]:
        """The history's row of `weights`, without taking it in: errors, what callbacks find, `memorised`."""
        row = {"step": float(step), **self._errors(weights)}
        for callback in self._callbacks:
            row |= callback(step, self._shadow)
        gap, margin = self._gap(row)
        if gap is not None and margin > 0:
            row |= {"gap_told": float(gap.tells(margin))}
            row["memorised"] = float(row.get("memorised", 0.0) > 0 or gap.passes(margin))
        return {**row, "memorised": row.get("memorised", 0.0)}

    def _errors(self, weights: dict[str, Tensor]) -> dict[str, float]:
        """`train_error`, `held_out_error`, `gap` and its bounds of `weights`, as far as there are people."""
        self._shadow.load_state_dict(weights)
        if not isinstance(self._sets, Compared):
            return {"train_error": float(self._error(self._sets).mean())}
        train, held_out = self._error(self._sets.train), self._error(self._sets.held_out)
        gap = measure_gap(train, held_out, self._covariates, self._sets.people)
        row = {"held_out_error": float(by_person(held_out, self._sets.people).mean())}
        row["train_error"] = float(train.mean()) if gap is None else row["held_out_error"] - gap.value
        row["gap"] = row["held_out_error"] - row["train_error"]
        return row if gap is None else {**row, "gap_lower": gap.lower, "gap_upper": gap.upper}

    @cached_property
    def _covariates(self) -> tuple[np.ndarray, np.ndarray]:
        """What is known of the difficulty of each image and draw of noise without any network: [n, p] and [m, p]."""
        assert isinstance(self._sets, Compared)
        train, held_out = self._sets.train, self._sets.held_out
        known = Difficulty(train[0], held_out[0], self._sets.people, derive_seed(*self._key, "difficulty"))
        sigma_data, first = self._shadow.config.sigma_data, train[0].shape[0]

        def drawn(offset: int, examples: Examples) -> np.ndarray:
            """Of the images of a side, whose rows begin at `offset` among those of both."""
            found = [
                self._walk(
                    examples,
                    level,
                    lambda rows, x, noise, sigma, _: known.drawn(
                        offset + rows, x.cpu().numpy(), noise.cpu().numpy(), sigma, sigma_data
                    ),
                )
                for level in range(len(self._levels))
            ]
            return np.concatenate(found, axis=1)

        parts = zip(
            (known.known[:first], known.known[first:]),
            (drawn(0, train), drawn(first, held_out)),
            one_hot(self._sets.groups),
            strict=True,
        )
        both = [np.concatenate(each, axis=1) for each in parts]
        return both[0], both[1]

    def _gap(self, row: Mapping[str, float]) -> tuple[Gap | None, float]:
        """The gap of a row of the history, and the margin it has there."""
        if "gap_lower" not in row:
            return None, 0.0
        gap = Gap(row["gap"], row["gap_lower"], row["gap_upper"])
        return gap, self._config.max_gap * row["held_out_error"]

    def _say_if_coarse(self) -> None:
        gap, margin = self._gap(self.rows[-1])
        if len(self.rows) == 1 and gap is not None and self.rows[0].get("gap_told") == 0.0:
            assert isinstance(self._sets, Compared)
            console.print(too_coarse(gap, margin, len(np.unique(self._sets.people))), markup=False)

    def _why_to_stop(self) -> str:
        patience = self._config.patience
        if self._config.stop_memorising and self.rows[-1]["memorised"]:
            return "memorises"
        errors = [row["held_out_error"] for row in self.rows if "held_out_error" in row]
        if patience and len(errors) > patience and min(errors[-patience:]) > min(errors[:-patience]):
            return "no longer improves"
        return ""

    def _error(self, examples: Examples) -> np.ndarray:
        """Mean over the levels of weight · (D - x)² of each image, float64 [n]."""
        errors = [self._walk(examples, level, self._denoised) for level in range(len(self._levels))]
        return np.asarray(np.mean(errors, axis=0))

    def _walk(
        self,
        examples: Examples,
        level: int,
        measure: Callable[[np.ndarray, Tensor, Tensor, float, Tensor | None], np.ndarray],
    ) -> np.ndarray:
        """What `measure` finds of images, their noise and conditions at a level, float64 [n, ...].

        Row i of either side meets the same noise.
        """
        latents, conditions = examples
        generator = torch_generator(*self._key, "evaluation", level)
        found, count = [], latents.shape[0]
        if not isinstance(self._sets, Compared):
            count = min(count, self._config.evaluation_images)
        block = min(self._config.batch, MEASURED)
        for start in range(0, count, block):
            rows = np.arange(start, min(start + block, count))
            x = to_tensor(latents[rows], self._device)
            labels = None if conditions is None else to_tensor(conditions[rows], self._device)
            noise = torch.randn(x.shape, generator=generator).to(self._device)
            found.append(measure(rows, x, noise, self._levels[level], labels))
        return np.concatenate(found)

    @torch.no_grad()
    def _denoised(self, _: np.ndarray, x: Tensor, noise: Tensor, level: float, labels: Tensor | None) -> np.ndarray:
        sigma = torch.full((len(x), 1, 1, 1), level, device=self._device)
        error = (self._shadow(x + sigma * noise, sigma, labels) - x) ** 2
        weighted = loss_weight(sigma, self._shadow.config.sigma_data) * error
        return np.asarray(weighted.double().mean(dim=(1, 2, 3)).cpu().numpy())

    def state_dict(self) -> dict[str, Any]:
        """Rows so far, the best weights, and why training ended, if it did."""
        return {"rows": self.rows, "best": self._best.state_dict(), "stopped": self.stopped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.rows = [dict(row) for row in state["rows"]]
        self._best.load_state_dict(state["best"])
        self.stopped = str(state["stopped"])
