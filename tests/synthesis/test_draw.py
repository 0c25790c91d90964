"""Every candidate has a seed of its own, and conditions are blended of the people of its draw."""

from __future__ import annotations

import numpy as np

from unpersonal.synthesis.draw import candidate_seed, plan_candidates


def test_seeds_are_unique_over_draw_attempt_candidate_and_study():
    seeds = {
        candidate_seed(study, draw, attempt, candidate)
        for study in range(3)
        for draw in range(200)
        for attempt in range(4)
        for candidate in range(8)
    }
    assert len(seeds) == 3 * 200 * 4 * 8


def test_candidates_of_a_draw_are_blended_of_its_people_with_weights_of_their_own(made):
    study = made(condition_noise=0.0, images="3x")
    pipeline, plan = study.pipeline, study.plan
    planned = plan_candidates(range(9), plan, pipeline.position, 0, pipeline.blender, pipeline.config, 7)
    assert [(each.draw, each.candidate) for each in planned] == [(d, c) for d in range(9) for c in range(2)]
    quiet = pipeline.blender.__class__(
        pipeline.blender.conditions, pipeline.blender.subjects, pipeline.blender.groups, 2, 0.0
    )
    again = plan_candidates(range(9), plan, pipeline.position, 0, quiet, pipeline.config, 7)
    for each in again:
        people = [int(plan.sources[each.draw]), *plan.partners[each.draw].tolist()]
        weights, rest, *_ = np.linalg.lstsq(quiet.conditions[people].T.astype(float), each.condition, rcond=None)
        assert rest[0] < 1e-9 and (weights > 0).all()
    assert len({each.condition.tobytes() for each in again}) == len(again)
