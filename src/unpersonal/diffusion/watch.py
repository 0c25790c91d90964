"""The samples that are drawn at every measurement: under which conditions, and what they are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..codec.store import load_codec, load_images
from ..core.distributed import World
from ..core.pixels import to_uint8
from ..core.progress import console
from ..core.seeds import numpy_rng
from ..features.blend import Blender, known_groups
from ..metrics.exceedances import POWER, RATE, SURE, Exceedances, least_count, plan
from .config import DiffusionConfig
from .copy_check import CONFIRMED, CONFIRMING, MOST_REFERENCES, MOST_STRANGERS, CopyCheck, People, sight
from .inputs import STRANGERS, Inputs
from .samples import SampleWatch

NO_LIMIT = (
    "No held-out person can say what is alike by chance: all are train people under another id, or cannot be compared. "
    "Samples are not compared with train images, so that a release will be refused unless [policy] match_power is 0"
)
BLENDED = 2
"""Subjects in a condition of these samples: the fewest that synthesis blends, so the most like one subject. What more
people share is blended with nothing, as in synthesis."""


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
    count, cohort = config.monitor_samples, inputs.cohort
    rng = numpy_rng(seed, "monitor")
    train = np.sort(rng.permutation(cohort.rows("train"))[:MOST_REFERENCES])
    strangers = _one_each(cohort.subjects, rng.permutation(cohort.rows(STRANGERS)))[:MOST_STRANGERS]
    if not count or not processes.first or not len(train) or not len(strangers):
        return ()
    conditions = None
    if inputs.conditions is not None:
        conditions = _blended(inputs, train, config, (1 + CONFIRMING) * count, rng)
        if conditions is None:
            return ()
    codec = load_codec(study)
    return (
        SampleWatch(
            folder / "samples",
            conditions,
            lambda latents: to_uint8(codec.decode(latents)),
            count=count,
            steps=config.monitor_steps,
            copies=_copy_check(study, cohort.subjects, train, strangers, config, seed, device),
            device=device,
        ),
    )


def _copy_check(
    study: Path,
    subjects: np.ndarray,
    train: np.ndarray,
    strangers: np.ndarray,
    config: DiffusionConfig,
    seed: int,
    device: torch.device,
) -> CopyCheck | None:
    """The check against the images of the rows `train`; None where none is wanted, or no number of matches is too many.

    A check that cannot fail is none, and must not pass for one.
    """
    if config.max_match_rate >= 1 or not config.monitor_matchers:
        return None
    test = plan(config.monitor_samples, len(strangers), config.max_match_rate, SURE)
    check = None
    if test.possible:
        images = load_images(study)
        shown = [People(np.array(images[rows]), subjects[rows].astype(str)) for rows in (train, strangers)]
        check = CopyCheck.fit(
            *shown,
            matchers=config.monitor_matchers,
            count=config.monitor_samples,
            rate=config.max_match_rate,
            seed=seed,
            device=device,
        )
        if check is None:
            console.print(NO_LIMIT)
            return None
        test = check.test
    if sight(test) < POWER:
        console.print(too_weak(test))
    return check if test.possible else None


def too_weak(test: Exceedances) -> str:
    """What to say of a check whose power is less than it should be: how weak it is, and what would help."""
    rate = min(test.rate, RATE)
    count = least_count(test.strangers, rate, asked=POWER / CONFIRMED)
    more = f"set [diffusion] monitor_samples = {count}" if count else "hold out more people ([cohort] val)"
    if test.rate > RATE:
        more += f" and max_match_rate = {RATE:g}"
    return (
        f"Of {test.count} samples, measured by {test.strangers} held-out people, a match rate of "
        f"{100 * rate:g} % is noticed with probability {sight(test):.2g} only, so that a release will be refused "
        f"unless [policy] match_power allows that; {more}"
    )


def _one_each(subjects: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The first of `rows` of every subject, in their order."""
    _, first = np.unique(subjects[rows].astype(str), return_index=True)
    found: np.ndarray = rows[np.sort(first)]
    return found


def _blended(
    inputs: Inputs, rows: np.ndarray, config: DiffusionConfig, count: int, rng: np.random.Generator
) -> np.ndarray | None:
    """`count` conditions as synthesis draws them, of subjects among `rows`; None where too few share labels."""
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
