"""One chunk of sources: draw, veto, rank, and draw again for those that have no image yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort
from ..core.hashing import sha256_bytes
from ..features.blend import Blender, label_groups
from ..features.join import relabel
from ..features.store import load_components, load_conditions
from ..judges.panel import Ruling
from .config import SynthesisConfig
from .draw import Draw, ImageSampler, draw_images, plan_draws
from .gate import open_gate
from .ledger import COLUMNS
from .rank import choose, label_distance
from .sampler import make_sampler

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pipeline:
    """What a candidate passes through: planned by the blender, drawn by the sampler, vetoed by the gate, ranked.

    `position` maps a row of the cohort to its row in the blender; `of_source` the row of a source to the classifier's
    probabilities [C] of its image; `matchers` are the names of those that `Ruling.by` numbers.
    """

    config: SynthesisConfig
    seed: int
    blender: Blender
    position: Mapping[int, int]
    sampler: ImageSampler
    veto: Callable[[np.ndarray], Ruling]
    classify: Callable[[np.ndarray], np.ndarray]
    of_source: Mapping[int, np.ndarray]
    matchers: tuple[str, ...]


def open_pipeline(
    study: Path, cohort: Cohort, sources: list[int], config: SynthesisConfig, seed: int, device: torch.device
) -> Pipeline:
    """Load the networks once; conditions are blended of train people, the gate knows everybody in the cohort."""
    from ..judges.store import load_judges

    images, train = load_images(study), cohort.rows("train")
    judges = load_judges(study, device)
    gate = open_gate(judges, np.array(images), cohort.subjects.astype(str))
    components = load_components(study)
    conditions = relabel(load_conditions(study), components, cohort.targets, cohort.labelled)
    probabilities = judges.classifier.probabilities(np.array(images[np.array(sources)]))
    return Pipeline(
        config=config,
        seed=seed,
        blender=Blender(
            None if conditions is None else np.array(conditions[train]),
            cohort.subjects[train],
            label_groups(cohort.targets[train]),
            config.blend,
            config.condition_noise,
            components,
            cohort.labelled[train],
        ),
        position={int(row): i for i, row in enumerate(train)},
        sampler=make_sampler(study, config, device),
        veto=gate.rule,
        classify=judges.classifier.probabilities,
        of_source=dict(zip(sources, probabilities, strict=True)),
        matchers=gate.matchers,
    )


def draw_chunk(sources: list[int], pipeline: Pipeline) -> dict[str, torch.Tensor]:
    """All attempts of one chunk of sources, bounded by `attempts`; the tensors of its shard, ready to be stored.

    One entry of `COLUMNS` and of `sha256` uint8 [32] per candidate, and the selected `images` uint8 [m,C,H,W].
    """
    import torch

    config, pending = pipeline.config, list(sources)
    rows: list[tuple[float, ...]] = []
    digests: list[list[int]] = []
    images: list[np.ndarray] = []
    for attempt in range(config.attempts):
        draws = plan_draws(pending, pipeline.position, attempt, pipeline.blender, config, pipeline.seed)
        if not draws:
            break
        drawn = draw_images(draws, pipeline.sampler, config.strength(attempt), config.batch)
        ruling, probabilities = pipeline.veto(drawn), pipeline.classify(drawn)
        of_draws = np.array([draw.source for draw in draws])
        chosen = choose(of_draws, ruling.flagged, probabilities, pipeline.of_source)
        rows += ledger_rows(draws, ruling, probabilities, chosen, pipeline)
        digests += [list(bytes.fromhex(sha256_bytes(image.tobytes()))) for image in drawn]
        images += [drawn[index] for index in sorted(chosen.values())]
        pending = [source for source in pending if source not in chosen]
    columns = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    tensors = {name: torch.tensor(np.array(values)) for name, values in zip(COLUMNS, columns, strict=True)}
    tensors["sha256"] = torch.tensor(np.array(digests))
    tensors["images"] = torch.from_numpy(np.stack(images)) if images else torch.zeros(0, dtype=torch.uint8)
    return tensors


def ledger_rows(
    draws: list[Draw], ruling: Ruling, probabilities: np.ndarray, chosen: Mapping[int, int], pipeline: Pipeline
) -> list[tuple[float, ...]]:
    """One row of `COLUMNS` per candidate of one attempt; `chosen` maps a source to its candidate."""
    return [
        (
            draw.source,
            draw.attempt,
            draw.candidate,
            draw.seed,
            pipeline.config.strength(draw.attempt),
            float(ruling.score[index]),
            int(ruling.nearest[index]),
            bool(ruling.flagged[index]),
            int(ruling.by[index]),
            chosen.get(draw.source) == index,
            label_distance(probabilities[index], pipeline.of_source[draw.source]),
        )
        for index, draw in enumerate(draws)
    ]
