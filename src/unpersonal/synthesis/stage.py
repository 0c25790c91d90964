"""The `synthesis` stage: draw, veto, rank, ledger; one atomic shard per chunk, so that a kill costs one chunk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ..cohort.table import load_cohort
from ..core.device import pick_device
from ..core.tensors import save_tensors
from .chunk import Pipeline, draw_chunk, open_pipeline
from .config import SynthesisConfig
from .figures import SynthesisFigures
from .ledger import MATCHERS, collect
from .sources import pick_sources

PARTS = Path("candidates") / "shards"


class ChunkParts:
    """The parts of the stage: the shard files of the chunks of sources."""

    def __init__(self, study: Path, config: SynthesisConfig, *, seed: int, device_name: str, key: str) -> None:
        from ..judges.predicted import complete_cohort

        self._study, self._config, self._seed, self._device_name, self._key = study, config, seed, device_name, key
        self._cohort = complete_cohort(study, load_cohort(study))
        self.sources = pick_sources(self._cohort, config.sources, seed)
        self._pipeline: Pipeline | None = None

    def __len__(self) -> int:
        return (len(self.sources) + self._config.chunk - 1) // self._config.chunk

    def path(self, number: int) -> Path:
        """Where part `number` lies."""
        return self._study / PARTS / f"shard-{number:05d}.safetensors"

    def made(self, number: int) -> bool:
        return self.path(number).exists()

    def make(self, number: int) -> None:
        if self._pipeline is None:
            device = pick_device(self._device_name)
            self._pipeline = open_pipeline(self._study, self._cohort, self.sources, self._config, self._seed, device)
        chunk = self.sources[number * self._config.chunk : (number + 1) * self._config.chunk]
        save_tensors(
            self.path(number),
            draw_chunk(chunk, self._pipeline),
            {MATCHERS: json.dumps(self._pipeline.matchers), "key": self._key},
        )

    def join(self) -> SynthesisFigures:
        """Write the ledger and the selected images of all parts, and remove the parts."""
        paths = [self.path(number) for number in range(len(self))]
        figures = collect(self._study, self._cohort, self.sources, paths, self._seed)
        shutil.rmtree(self._study / PARTS)
        return figures


def open_parts(study: Path, config: SynthesisConfig, *, seed: int, device_name: str, key: str) -> ChunkParts:
    """The parts of a study's candidates; `key` is of all that they are made from."""
    return ChunkParts(study, config, seed=seed, device_name=device_name, key=key)


def join_parts(study: Path, config: SynthesisConfig, *, seed: int, key: str) -> SynthesisFigures:
    """Write candidates/ledger.parquet and the selected images; returns the rates before and after the gate."""
    return open_parts(study, config, seed=seed, device_name="cpu", key=key).join()
