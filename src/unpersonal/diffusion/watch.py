"""The samples that are drawn at every measurement: under which conditions, and what they are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..codec.store import load_codec, load_images
from ..core.distributed import World
from ..core.pixels import to_uint8
from ..core.seeds import numpy_rng
from ..features.blend import Blender, known_groups
from ..metrics.intervals import clopper_pearson_lower
from .config import DiffusionConfig
from .inputs import HELD_OUT, Inputs
from .samples import MOST_REFERENCES, MOST_STRANGERS, CopyCheck, SampledConditions, SampleWatch

BLENDED = 2
"""Subjects in a condition of these samples: the fewest that synthesis blends, so the most like one subject."""
MOST = {"train": MOST_REFERENCES, HELD_OUT: MOST_STRANGERS}


def sample_watch(
    study: Path,
    folder: Path,
    inputs: Inputs,
    config: DiffusionConfig,
    *,
    seed: int,
    device: torch.device,
    processes: World,
) -> tuple[SampleWatch, ...]:
    """Samples under blended conditions, as synthesis draws them, on a sheet and compared with the images blended.

    Nothing in other processes than the first, without samples, or where nobody is held out or can be blended.
    """
    count, cohort, conditions = config.monitor_samples, inputs.cohort, inputs.conditions
    rng = numpy_rng(seed, "monitor")
    rows = {name: np.sort(rng.permutation(cohort.rows(name))[:most]) for name, most in MOST.items()}
    if not count or not processes.first or not all(len(some) for some in rows.values()):
        return ()
    images, codec = load_images(study), load_codec(study)
    copies = None
    # a check that no number of matches could fail is none, and must not pass for one
    if clopper_pearson_lower(count, count) > config.max_match_rate:
        copies = CopyCheck.fit(np.array(images[rows["train"]]), np.array(images[rows[HELD_OUT]]))
    given = SampledConditions(None, None)
    if conditions is not None:
        blended = [_blended(inputs, rows[name], config, count, rng) for name in MOST]
        if blended[0] is None:
            return ()
        given = SampledConditions(*blended)
    return (
        SampleWatch(
            folder / "samples",
            given,
            lambda latents: to_uint8(codec.decode(latents)),
            count=count,
            steps=config.monitor_steps,
            copies=copies,
            most=config.max_match_rate,
            device=device,
        ),
    )


def _blended(
    inputs: Inputs, rows: np.ndarray, config: DiffusionConfig, count: int, rng: np.random.Generator
) -> np.ndarray | None:
    """`count` conditions blended over two subjects among `rows`; None where nobody shares another's labels."""
    assert inputs.conditions is not None
    cohort = inputs.cohort
    blender = Blender(
        np.array(inputs.conditions[rows]),
        cohort.subjects[rows],
        # subjects whom nobody labelled are blended with each other, as they are trained on
        known_groups(cohort.targets[rows], cohort.labelled[rows]),
        BLENDED,
        config.condition_noise,
        inputs.components,
    )
    made = (blender.condition(int(row), rng) for row in rng.permutation(len(rows)).tolist())
    found = [condition for condition in made if condition is not None][:count]
    return np.stack([found[i % len(found)] for i in range(count)]) if found else None
