"""The `synthesis` stage: plan, draw, veto, rank, ledger; one part per chunk of draws: a kill costs one chunk."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from ..cohort.table import load_cohort
from ..core.device import pick_device
from ..diffusion.shards import load_shards
from ..features.blend import Mixing
from ..features.store import load_components
from .config import SynthesisConfig
from .figures import SynthesisFigures
from .ledger import join, joined
from .parts import FOLDER, Parts
from .pipeline import Pipeline, draw_part, open_pipeline
from .plan import make_plan, nested
from .rates import measure
from .soft import SOFT, folds_of_conditions, soften
from .sources import pick_sources


class DrawParts:
    """The parts of a study's plan of draws, for whoever makes them.

    Images that nobody labelled are sources under their predicted labels, if enough people were given these labels.
    """

    def __init__(self, study: Path, config: SynthesisConfig, *, seed: int, device_name: str, key: str) -> None:
        from ..judges.predicted import complete_cohort

        self._config, self._seed, self._device_name = config, seed, device_name
        self._cohort = complete_cohort(study, load_cohort(study))
        folds = nested(folds_of_conditions(study) if config.soft else None, load_shards(study))
        mixing = Mixing.of(load_components(study), config.blend)
        self.files = Parts(study, make_plan(self._cohort, config, seed, folds, mixing), config.chunk, key)

    def __len__(self) -> int:
        return len(self.files)

    def made(self, number: int) -> bool:
        """Whether a part is there, or all were joined already."""
        return self._joined or self.files.made(number)

    def open(self) -> Pipeline:
        """The networks, loaded once."""
        return self._pipeline

    def make(self, number: int) -> None:
        """Draw a part."""
        draw_part(number, self.open())

    def join(self) -> SynthesisFigures:
        """Write the ledger, the selected images of all parts and their soft labels, and remove the parts."""
        study, plan = self.files.study, self.files.plan
        if not joined(self.files):
            join(self.files, self._cohort)
        shutil.rmtree(study / FOLDER, ignore_errors=True)
        sources = len(pick_sources(self._cohort, self._config.sources, self._seed))
        figures = measure(study, self._cohort, plan, self._config, sources, self._seed)
        (study / SOFT).unlink(missing_ok=True)
        if not self._config.soft:
            return figures
        return replace(figures, soft_labels=soften(study, plan, self._cohort, pick_device(self._device_name)))

    @cached_property
    def _joined(self) -> bool:
        # a process that was killed after joining has removed parts
        return joined(self.files)

    @cached_property
    def _pipeline(self) -> Pipeline:
        device = pick_device(self._device_name)
        return open_pipeline(self.files, self._cohort, self._config, self._seed, device)


def open_parts(study: Path, config: SynthesisConfig, *, seed: int, device_name: str, key: str) -> DrawParts:
    """The parts of a study's candidates; `key` is of all that they are made from."""
    return DrawParts(study, config, seed=seed, device_name=device_name, key=key)


def join_parts(study: Path, config: SynthesisConfig, *, seed: int, key: str) -> SynthesisFigures:
    """Write candidates/ledger.parquet and the selected images; returns the rates before and after the gate."""
    return open_parts(study, config, seed=seed, device_name="cpu", key=key).join()
