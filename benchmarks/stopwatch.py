"""Seconds of the parts of synthesis, measured inside the real thing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import numpy as np
import torch

from unpersonal.judges.panel import Enrolled
from unpersonal.matching.base import Scores
from unpersonal.synthesis import pipeline as pipeline_module
from unpersonal.synthesis import sampler as sampler_module
from unpersonal.synthesis.gate import Gate

T = TypeVar("T")


@dataclass(frozen=True)
class Stopwatch:
    """Seconds by the name of a part; a part within another is taken off the outer one."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _open: list[float] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the seconds of the block."""
        start = now()
        self._open.append(0.0)
        try:
            yield
        finally:
            whole, inside = now() - start, self._open.pop()
            self.seconds[name] += whole - inside
            if self._open:
                self._open[-1] += whole

    def timed(self, name: str, work: Callable[..., T]) -> Callable[..., T]:
        """`work`, whose seconds are counted."""

        def run(*given: Any, **named: Any) -> T:
            with self.part(name):
                return work(*given, **named)

        return run


def now() -> float:
    """Seconds: with one thread on the CPU those that the process had, so that others on the machine do not count."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


@dataclass(frozen=True)
class _TimedCodec:
    codec: Any
    watch: Stopwatch

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        with self.watch.part("decoding"):
            return self.codec.decode(latents)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _TimedMatcher:
    matcher: Any
    name: str
    watch: Stopwatch

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> Any:
        return self.matcher.enrol(images, subjects)

    def score(self, queries: np.ndarray, gallery: Any, own: np.ndarray | None = None) -> Scores:
        with self.watch.part(f"gate: {self.name}"):
            return self.matcher.score(queries, gallery, own)  # type: ignore[no-any-return]


@contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """Whatever is opened within the block is timed: decoding, and the gate's matchers one by one."""
    open_gate, load_codec = pipeline_module.open_gate, sampler_module.load_codec

    def gate(*given: Any) -> Gate:
        with watch.part("enrolling"):
            found = open_gate(*given)
        panel = [
            Enrolled(each.name, _TimedMatcher(each.matcher, each.name, watch), each.gallery) for each in found.panel
        ]
        return Gate(panel, found.thresholds)

    def codec(study: Path) -> Any:
        return _TimedCodec(load_codec(study), watch)

    with mock.patch.object(pipeline_module, "open_gate", gate), mock.patch.object(sampler_module, "load_codec", codec):
        yield
