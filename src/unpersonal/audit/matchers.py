"""The matchers of the audit, fitted on `aux-network` people: to them train and control subjects are strangers alike.

The closed forms are those of the gate, fitted anew; the network is the audit's own. Nothing of the gate is read.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.config import Config
from ..core.hashing import sha256_bytes
from ..core.seeds import derive_seed
from ..matching.registry import MATCHERS

if TYPE_CHECKING:
    from ..matching.base import Matcher
    from .config import AuditConfig
    from .images import SubjectImages

CLOSED_FORMS = ("poses", "parts", "mixtures")
LEARNED = "learned"
FEWEST_LEARNED = 50
"""Subjects below which a network would learn who they are instead of how people differ; none is trained then."""
KEPT = 2
"""Sets of matchers that are kept: the games of one study have the same people to learn on."""


@dataclass(frozen=True)
class NamedMatcher:
    """A fitted matcher under its name."""

    name: str
    matcher: Matcher[Any]


_fitted: OrderedDict[tuple[str, int, int], tuple[NamedMatcher, ...]] = OrderedDict()


def fit_matchers(people: SubjectImages, config: AuditConfig, seed: int) -> tuple[NamedMatcher, ...]:
    """The closed forms and, where `people` are at least `FEWEST_LEARNED` subjects, the audit's network."""
    subjects = np.asarray(people.subjects).astype(str)
    digest = sha256_bytes(np.ascontiguousarray(people.images).tobytes() + "\x1f".join(subjects).encode())
    key = digest, config.network_steps, seed
    if key not in _fitted:
        _fitted[key] = _fit(np.array(people.images), subjects, config.network_steps, seed)
        while len(_fitted) > KEPT:
            _fitted.popitem(last=False)
    return _fitted[key]


def _fit(images: np.ndarray, subjects: np.ndarray, steps: int, seed: int) -> tuple[NamedMatcher, ...]:
    import torch

    from .learned import train_matcher

    cpu, own = torch.device("cpu"), derive_seed(seed, "audit", "matchers")
    found = [
        NamedMatcher(name, MATCHERS.get(name).fit(images, subjects, Config(), seed=own, device=cpu))
        for name in CLOSED_FORMS
    ]
    if learns(subjects):
        found.append(NamedMatcher(LEARNED, train_matcher(images, subjects, steps=steps, seed=seed)))
    return tuple(found)


def learns(subjects: np.ndarray) -> bool:
    """Whether images of `subjects` [n] are enough people for a network."""
    return len(np.unique(subjects)) >= FEWEST_LEARNED
