"""The matchers of the gate beside the re-identifier: trained and calibrated on the same people as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.config import part_config
from ..core.errors import InputError
from ..core.seeds import derive_seed
from ..core.tensors import load_tensors, save_tensors
from ..matching.base import Matcher, flags
from ..matching.registry import MATCHERS
from ..metrics.intervals import clopper_pearson
from .calibration import CopyScores, choose_threshold, rates_at
from .config import JudgesConfig
from .copy_scores import CopySet, score_copies_by
from .figures import RateFigures
from .subset import Subset


@dataclass(frozen=True)
class Calibrated:
    """A matcher with its rates, and which of the unseen subjects [n] it flags."""

    matcher: Matcher[Any]
    rates: RateFigures
    flagged: np.ndarray


@contextmanager
def named(name: str) -> Iterator[None]:
    """Whatever a matcher raises while it is trained, calibrated or loaded ends the stage with its name."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # whatever somebody's matcher raises
        raise InputError(
            f"The matcher {name!r} failed ({type(error).__name__}: {error})",
            where="[judges] matchers",
            how="correct it, or leave it out",
        ) from error


def calibrate_matchers(
    drawn: CopySet, train: Subset, config: JudgesConfig, seed: int, device: torch.device
) -> dict[str, Calibrated]:
    """Every matcher that `config` names: fitted on `train`, its threshold chosen as that of the re-identifier.

    One that raises, or gives scores of copies that are not finite, is an `InputError`.
    """
    found = {}
    for name in config.matchers:
        with named(name):
            own = part_config(MATCHERS, name, config, config.options_of(name))
            matcher = MATCHERS.get(name).fit(
                train.images.copy(), train.subjects, own, seed=derive_seed(seed, "matcher", name), device=device
            )
            scores: CopyScores = score_copies_by(matcher, drawn, train)
            threshold = choose_threshold(scores, config)
            rates = rates_at(scores, threshold, config.perturbations, config.confidence)
            found[name] = Calibrated(matcher, rates, flags(scores.strangers, threshold.value))
    return found


def all_together(
    rates: RateFigures, flagged: np.ndarray, others: Mapping[str, Calibrated], confidence: float
) -> RateFigures:
    """The re-identifier's `rates` with the false flags of all matchers: a candidate is refused if any flags it.

    `flagged` [n] are those of the unseen subjects that the re-identifier flags.
    """
    for calibrated in others.values():
        flagged = flagged | calibrated.flagged
    low, high = clopper_pearson(int(flagged.sum()), len(flagged), confidence)
    return replace(rates, false_flag_rate=float(flagged.mean()), false_flag_rate_lower=low, false_flag_rate_upper=high)


def path_of(folder: Path, index: int) -> Path:
    """Where the matcher number `index` of `[judges] matchers` is kept."""
    return folder / f"matcher-{index}.safetensors"


def save_matchers(folder: Path, matchers: Mapping[str, Matcher[Any]]) -> None:
    """Write what each matcher has learned; `matchers` in the order of the configuration."""
    for index, (name, matcher) in enumerate(matchers.items()):
        with named(name):
            save_tensors(path_of(folder, index), dict(MATCHERS.get(name).save(matcher)), {"matcher": name})


def load_matchers(folder: Path, config: JudgesConfig, device: torch.device) -> dict[str, Matcher[Any]]:
    """The matchers that `save_matchers` wrote; a file that is missing or of another matcher is an `InputError`."""
    found = {}
    for index, name in enumerate(config.matchers):
        path = path_of(folder, index)
        tensors, metadata = load_tensors(path)
        if metadata.get("matcher") != name:
            raise InputError(f"Not the matcher {name!r}", where=str(path), how="run the judges stage again")
        with named(name):
            own = part_config(MATCHERS, name, config, config.options_of(name))
            found[name] = MATCHERS.get(name).load(tensors, own, device=device)
    return found
