"""The `synthesis` stage: draw, veto, rank, ledger; one atomic shard per chunk, so that a kill costs one chunk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..cohort.table import load_cohort
from ..core.progress import progress_bar
from ..core.tensors import save_tensors
from .chunk import Pipeline, draw_chunk, open_pipeline
from .config import SynthesisConfig
from .figures import SynthesisFigures
from .ledger import MATCHERS, collect
from .sources import pick_sources

if TYPE_CHECKING:
    import torch


def run_stage(study: Path, config: SynthesisConfig, *, seed: int, device: torch.device) -> SynthesisFigures:
    """Write candidates/ledger.parquet and the selected images; returns the rates before and after the gate.

    Images that nobody labelled are sources under their predicted labels, if enough people were given these labels.
    """
    from ..judges.predicted import complete_cohort

    cohort = complete_cohort(study, load_cohort(study))
    sources = pick_sources(cohort, config.sources, seed)
    folder = study / "candidates" / "shards"
    chunks = [sources[start : start + config.chunk] for start in range(0, len(sources), config.chunk)]
    shards = [folder / f"shard-{number:05d}.safetensors" for number in range(len(chunks))]
    pipeline: Pipeline | None = None
    with progress_bar("synthesis (sources)", len(sources)) as bar:
        for chunk, path in zip(chunks, shards, strict=True):
            if not path.exists():
                pipeline = pipeline or open_pipeline(study, cohort, sources, config, seed, device)
                save_tensors(path, draw_chunk(chunk, pipeline), {MATCHERS: json.dumps(pipeline.matchers)})
            bar.advance(len(chunk))
    figures = collect(study, cohort, sources, shards, seed)
    shutil.rmtree(folder)
    return figures
