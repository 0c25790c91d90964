"""What a planned image passes through: draw, veto, rank, and draw again where nothing clean was drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort
from ..core.hashing import sha256_bytes
from ..core.seeds import numpy_rng
from ..diffusion.shards import load_shards
from ..features.blend import Blender, label_groups
from ..features.join import relabel
from ..features.store import load_components, load_conditions
from ..judges.panel import Ruling
from .config import SynthesisConfig
from .draw import Candidate, ImageSampler, draw_images, plan_candidates
from .gate import open_gate
from .parts import COLUMNS, Parts, save_part
from .plan import Plan
from .rank import RANKS, choose, label_distances
from .sampler import make_sampler
from .wanted import wanted_probabilities

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pipeline:
    """What a candidate passes through: planned by the blender, drawn by the sampler, vetoed by the gate, ranked.

    `position` maps a row of the cohort to its row in the blender; `wanted` draws int64 [n] to the class probabilities
    [n,C] that their images should have; `matchers` are the names of those that `Ruling.by` numbers.
    """

    parts: Parts
    plan: Plan
    config: SynthesisConfig
    seed: int
    blender: Blender
    position: Mapping[int, int]
    sampler: ImageSampler
    veto: Callable[[np.ndarray], Ruling]
    classify: Callable[[np.ndarray], np.ndarray]
    wanted: Callable[[np.ndarray], np.ndarray]
    matchers: tuple[str, ...]
    second: ImageSampler | None = None
    """The sampler of the networks of the second shard."""
    maker: np.ndarray | None = None
    """Number int64 [n] of the sampler that makes each draw: the one whose networks know nobody in its condition. None:
    there is one."""


def open_pipeline(parts: Parts, cohort: Cohort, config: SynthesisConfig, seed: int, device: torch.device) -> Pipeline:
    """Load the networks once; conditions are blended of train people, the gate knows everybody in the cohort."""
    from ..judges.store import load_judges

    study, plan = parts.study, parts.plan
    shards = load_shards(study)
    images, train = load_images(study), cohort.rows("train")
    judges = load_judges(study, device)
    gate = open_gate(judges, np.array(images), cohort.subjects.astype(str))
    components = load_components(study)
    conditions = relabel(load_conditions(study), components, cohort.targets, cohort.labelled)
    blender = Blender(
        None if conditions is None else np.array(conditions[train]),
        cohort.subjects[train],
        label_groups(cohort.targets[train]),
        config.blend,
        config.condition_noise,
        components,
        cohort.labelled[train],
    )
    classify = judges.classifier.probabilities
    return Pipeline(
        parts=parts,
        plan=plan,
        config=config,
        seed=seed,
        blender=blender,
        position={int(row): i for i, row in enumerate(train)},
        sampler=make_sampler(study, config, device, "" if shards is None else "-0"),
        second=None if shards is None else make_sampler(study, config, device, "-1"),
        maker=None if shards is None else 1 - shards[plan.sources],
        veto=gate.rule,
        classify=classify,
        wanted=wanted_probabilities(cohort, plan, images, classify, personal=blender.personal, seed=seed),
        matchers=gate.matchers,
    )


def draw_part(number: int, pipeline: Pipeline) -> tuple[Path, Path]:
    """Make part `number` of the plan: its selected images and its table, the files in the order of their writing.

    Any process may make a part, in any order: its bytes are a function of the study. One that is made is left alone.
    """
    if not pipeline.parts.made(number):
        columns, images = draw_all(pipeline.parts.draws(number), pipeline)
        save_part(pipeline.parts, number, columns, images)
    return pipeline.parts.files(number)


def draw_all(draws: Sequence[int], pipeline: Pipeline) -> tuple[dict[str, list[object]], np.ndarray | None]:
    """All attempts at `draws`, bounded by `attempts`; one list per column of `COLUMNS` with an entry per candidate.

    And the selected images uint8 [m,C,H,W] in the order of the selected candidates, None where there are none. The
    draws that are still without an image share the batches of a redraw.
    """
    config, pending = pipeline.config, [int(draw) for draw in draws]
    wanted = dict(zip(pending, pipeline.wanted(np.array(pending)), strict=True))
    columns: dict[str, list[object]] = {name: [] for name in COLUMNS}
    images: list[np.ndarray] = []
    for attempt in range(config.attempts):
        if not pending:
            break
        planned = plan_candidates(
            pending, pipeline.plan, pipeline.position, attempt, pipeline.blender, config, pipeline.seed
        )
        drawn = _drawn(planned, attempt, pipeline)
        ruling = pipeline.veto(drawn)
        distances = label_distances(pipeline.classify(drawn), np.stack([wanted[each.draw] for each in planned]))
        chosen = _chosen(planned, ruling, distances, attempt, pipeline)
        found = _rows(planned, drawn, ruling, distances, chosen, pipeline)
        for name, values in found.items():
            columns[name] += values
        images += [drawn[index] for index in sorted(chosen.values())]
        pending = [draw for draw in pending if draw not in chosen]
    return columns, np.stack(images) if images else None


def _drawn(planned: list[Candidate], attempt: int, pipeline: Pipeline) -> np.ndarray:
    """uint8 [n,C,H,W] of `planned`, in their order, each by the sampler of its draw."""
    config, strength = pipeline.config, pipeline.config.strength(attempt)
    if pipeline.maker is None or pipeline.second is None:
        return draw_images(planned, pipeline.sampler, strength, config.batch)
    maker = pipeline.maker[[each.draw for each in planned]]
    parts = [(np.flatnonzero(maker == number), own) for number, own in enumerate((pipeline.sampler, pipeline.second))]
    drawn = [
        (rows, draw_images([planned[row] for row in rows], sampler, strength, config.batch))
        for rows, sampler in parts
        if len(rows)
    ]
    found = np.empty((len(planned), *drawn[0][1].shape[1:]), drawn[0][1].dtype)
    for rows, images in drawn:
        found[rows] = images
    return found


def _chosen(
    planned: Sequence[Candidate], ruling: Ruling, distances: np.ndarray, attempt: int, pipeline: Pipeline
) -> dict[int, int]:
    """Draw to the selected one of its candidates in this attempt."""
    rank = RANKS[pipeline.config.rank]
    return choose(
        np.array([each.draw for each in planned]),
        ruling.flagged,
        # what the classifier cannot rule on is no candidate, whatever it is chosen by
        np.where(np.isfinite(distances), ruling.likeness(), np.nan) if rank.by_likeness else distances,
        rank,
        lambda draw: numpy_rng(pipeline.seed, "rank", draw, attempt),
    )


def _rows(
    planned: Sequence[Candidate],
    drawn: np.ndarray,
    ruling: Ruling,
    distances: np.ndarray,
    chosen: Mapping[int, int],
    pipeline: Pipeline,
) -> dict[str, list[object]]:
    """The columns of one attempt; `chosen` maps a draw to its candidate."""
    names = ("", *pipeline.matchers)
    return {
        "draw": [each.draw for each in planned],
        "source": [each.source for each in planned],
        "attempt": [each.attempt for each in planned],
        "candidate": [each.candidate for each in planned],
        "seed": [each.seed for each in planned],
        "guidance": [pipeline.config.strength(each.attempt) for each in planned],
        "score": np.asarray(ruling.score, np.float64).tolist(),
        "nearest": np.asarray(ruling.nearest, np.int64).tolist(),
        "flagged": np.asarray(ruling.flagged, bool).tolist(),
        "by": [names[int(number) + 1] for number in ruling.by],
        "selected": [chosen.get(each.draw) == index for index, each in enumerate(planned)],
        "distance": distances.tolist(),
        "sha256": [sha256_bytes(image.tobytes()) for image in drawn],
    }
