"""A pipeline without networks: the sampler draws noise, the gate and the classifier are the test's."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from tests.studies import cohort_of
from unpersonal.core.tensors import save_array
from unpersonal.features.blend import Blender, label_groups
from unpersonal.judges.panel import NOBODY, Ruling
from unpersonal.matching.base import flags
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.parts import Parts
from unpersonal.synthesis.pipeline import Pipeline
from unpersonal.synthesis.plan import make_plan

SETTINGS = {"candidates": 2, "guidance": 0.15, "batch": 5, "chunk": 4, "fewest_subjects": 2}


def ruled(score, threshold):
    return Ruling(score, np.zeros(len(score), int), np.where(flags(score, threshold), 0, NOBODY))


def by_brightness(images):
    """About half of the candidates are too like somebody."""
    return ruled(images.reshape(len(images), -1).mean(1) / 255, 0.5)


def all_flagged(images):
    return ruled(np.full(len(images), 9.0), 0.5)


@pytest.fixture
def made(tmp_path):
    """`made(veto, people=…, classify=…, **settings)`: a study's cohort, pipeline, and the calls of its sampler."""
    count = itertools.count()

    def make(veto=by_brightness, people=12, classify=None, **settings):
        subjects = [f"s{row // 2}" for row in range(2 * people)]
        cohort = cohort_of(subjects, [["a"] if row < people else ["b"] for row in range(2 * people)])
        config, seed = SynthesisConfig(**(SETTINGS | settings)), 7
        plan = make_plan(cohort, config, seed)
        features = np.random.default_rng(0).normal(size=(2 * people, 4)).astype(np.float32)
        blender = Blender(features, cohort.subjects, label_groups(cohort.targets), config.blend, 0.1)
        study = tmp_path / str(next(count))
        save_array(study / "store" / "images.npy", np.zeros((2 * people, 1, 8, 8), np.uint8))
        calls = []

        def sampler(seeds, conditions, guidance):
            calls.append((len(seeds), guidance))
            return np.stack([np.random.default_rng(s).integers(0, 256, (1, 8, 8), dtype=np.uint8) for s in seeds])

        pipeline = Pipeline(
            parts=Parts(study, plan, config.chunk, "key"),
            plan=plan,
            config=config,
            seed=seed,
            blender=blender,
            position={row: row for row in range(2 * people)},
            sampler=sampler,
            veto=veto,
            classify=classify or (lambda images: np.full((len(images), 2), 0.5)),
            wanted=lambda draws: np.full((len(draws), 2), 0.5),
            matchers=("one",),
        )
        return SimpleNamespace(study=study, cohort=cohort, plan=plan, config=config, pipeline=pipeline, calls=calls)

    return make
